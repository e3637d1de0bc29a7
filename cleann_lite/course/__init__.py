"""The course's helpers: checks of exercises, figures with alt text, recorded runs.

What a notebook opens up, such as the way from a DAG to its MAG, is handed on here from the room where it
lives, and loaded when it is first used: notebooks 01 to 05 need no PyTorch.
"""

from importlib import import_module

from .checks import check
from .checks.answers import yours
from .figures import plot_style, recorded, show, strip
from .plots import bars, intervals, lines, ranked, scatters

# module of the package -> the names that the notebooks take from it
_HANDED_ON = {
    "causal.graphs": "distinct",
    "causal.batched": "PValueTest",
    "causal.g_squared": "GSquared",
    "causal.mags": "mag_of_dag",
    "causal.random_graphs": "random_latent_dag",
    "causal.pds": "pds_distances",
    "models.mixing": "how_it_mixes",
    "models.decoupled": "text_heads DecoupledEncoderLayer",
    "course.small_encoders": "quick_runs",
    "explaining.robustness": "explanation_robustness layer_corners",
    "evaluation.learners": "benchmark",
    "evaluation.faithfulness": "averaged_faithfulness",
    "evaluation.report": "verdicts_markdown",
    "evaluation.planted": "planted",
    "evaluation.randomised": "randomised",
    "evaluation.readers": "readers",
    "course.identifiability_record": "identifiability_record",
    "course.robustness_record": "robustness_record",
    "course.truth_record": "truth_record",
}
_HOME = {name: module for module, names in _HANDED_ON.items() for name in names.split()}

__all__ = ["bars", "check", "intervals", "lines", "plot_style", "ranked", "recorded", "scatters", "show"]
__all__ += ["strip", "yours", *_HOME]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"cleann_lite.{_HOME[name]}")
    return module if _HOME[name].endswith(f".{name}") else getattr(module, name)
