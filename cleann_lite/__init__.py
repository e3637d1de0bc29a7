"""cleann_lite: open a Transformer and read its self-attention as a causal model of one input.

The public names load on first use, so that ``import cleann_lite`` costs no PyTorch.
"""

from importlib import import_module

__version__ = "0.1.0"

# public name -> the module that defines it
_PUBLIC = {
    "attention_correlation": "sem",
    "PAG": "graphs",
    "Mark": "graphs",
    "PartialCorrelation": "independence",
    "DSeparation": "independence",
    "learn_pag": "discovery",
    "Explanation": "explanation",
    "explain": "search",
    "load_model": "loading",
    "draw": "drawing",
}
_MODULES = (
    "graphs", "mags", "separation", "sem", "independence", "orientation", "pds", "discovery", "drawing",
    "protocol", "words", "explanation", "search", "pages", "baselines", "identifiability", "generatable",
    "robustness", "models", "loading", "bert4rec", "encoder", "datasets", "training", "evaluation",
    "widgets", "checks", "course",
)  # fmt: skip

__all__ = sorted([*_PUBLIC, "identifiability"])


def __getattr__(name):
    if name in _PUBLIC:
        value = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'cleann_lite' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_PUBLIC, *_MODULES})
