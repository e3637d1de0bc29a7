"""cleann_lite: open a Transformer and read its self-attention as a causal model of one input.

The public names load on first use, so that ``import cleann_lite`` costs no PyTorch.
"""

from importlib import import_module

from .drawing.notebook import draw_graphs as _draw_graphs

__version__ = "0.2.0"

# module -> the public names that it defines
_PUBLIC = {
    "attention.sem": "attention_correlation planted_sem words_attention",
    "causal.graphs": "PAG Mark",
    "causal.batched": "IndependenceTest",
    "causal.independence": "DSeparation PartialCorrelation",
    "causal.discovery": "learn_pag",
    "causal.mags": "members",
    "causal.random_graphs": "random_dag",
    "causal.pds": "pds_sets",
    "models.protocol": "Encoded Model",
    "models.loading": "load_model",
    "explaining.settings": "GraphSettings",
    "explaining.head_graphs": "learn_graphs",
    "explaining.search": "explain",
    "explaining.explanation": "Explanation",
    "explaining.baselines": "explain_by",
    "explaining.robustness": "robustness",
    "drawing.draw": "draw",
    "drawing.heatmap": "heat_map",
    "evaluation.experiment": "evaluate",
    "evaluation.results": "Evaluation",
    "evaluation.faithfulness": "comprehensiveness sufficiency",
    "datasets.shipped": "data_path load_histories load_reviews",
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = sorted([*_HOME, "identifiability"])


def __getattr__(name):
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    elif name == "identifiability":
        value = import_module(".attention.identifiability", __name__)
    else:
        raise AttributeError(f"module 'cleann_lite' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return list(__all__)


_draw_graphs()
