"""Training of the pocket models: ``python -m training NAME``.

One loop (:mod:`.loop`) trains every model: seeded, resumable, on a CPU or CUDA. What a run needs besides, its
data, its loss and its measure, is one module per family of models; ``__main__`` maps names to modules.
"""
