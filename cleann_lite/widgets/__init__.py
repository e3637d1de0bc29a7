"""Explorers for notebooks: a control moves, the picture answers.

==========================  =====================================================================
`ThresholdExplorer`         one head's attention: alpha, sample size, test and method against the PAG
`ExplanationExplorer`       a text: the graph around the outcome, the sets found, your own mask
`ExplanationComparison`     two texts, or two models on one text, side by side
`RecommendationExplorer`    a history of films: top of the list, the smallest set of films, the replacement
`DiscoveryStepper`          ICD and FCI, one test or rule at a time
`IdentifiabilityExplorer`   length and value size against the null space of attention
==========================  =====================================================================

Each is a pure function from a state to a `View`, plus controls. Where widgets do not run, the same output
shows the picture and its edges in words. Nothing is fetched: the page's code travels with the package.
"""

from importlib import import_module

_PUBLIC = {
    "ThresholdExplorer": "threshold",
    "ExplanationExplorer": "explaining",
    "ExplanationComparison": "comparing",
    "RecommendationExplorer": "recommending",
    "DiscoveryStepper": "stepping",
    "IdentifiabilityExplorer": "identifying",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    raise AttributeError(f"module 'cleann_lite.widgets' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_PUBLIC])
