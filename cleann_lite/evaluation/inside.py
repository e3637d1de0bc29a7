"""Commands that look inside a model: planted mechanisms, readings, randomised weights, rungs."""

from pathlib import Path

from . import randomised, readers, readings, rungs
from .inputs import draw_inputs
from .probes import load, probe


def look_inside(task: str, *, out=None, n=None, workers=1, cluster=None, alpha=None, **options) -> str:
    """Run ``cleann-lite evaluate planted | readings | randomised | rungs``, and print the result.

    Parameters
    ----------
    task
        Which.
    n
        Seeds ("planted", default 5) or inputs (default 100).
    out
        Folder of the journal and tables; None: ``evaluation-TASK``.
    **options
        ``model``, ``data``, ``seed``, ``films``, ``from_file``, ``accept_licence``: see
        `cleann_lite.evaluation.inputs.draw_inputs`.
    """
    out = Path(out or f"evaluation-{task}")
    shared = {"out": out, "workers": workers, "cluster": cluster, "progress": True}
    where = f"\n\nTables: {out.resolve()}"
    if task == "planted":
        return readers.told(readers.plant(seeds=5 if n is None else n, **shared)) + where
    name = options["model"] or "pocket-sentiment"
    items = _items(load(name), 100 if n is None else n, options)
    if task == "readings":
        worker = readings.Reader(name, alphas=readings.ALPHAS if alpha is None else (alpha,))
        return readings.told(probe(worker, items, readings.summary, **shared)) + where
    module, kind = {"randomised": (randomised, randomised.Randomiser), "rungs": (rungs, rungs.Climber)}[task]
    worker = kind(name, 0.01 if alpha is None else alpha)
    return module.told(probe(worker, items, module.summary, **shared)) + where


def _items(model, n, options):
    """Inputs of the model's own task."""
    films = model.task == "recommendation"
    task, data = ("recommend", "movielens-1m") if films else ("sentiment", "sst2")
    given = {key: options[key] for key in ("from_file", "accept_licence")}
    return draw_inputs(
        task, options["data"] or data, n, model=model if films else None, seed=options["seed"] or 0,
        films=options["films"] or 15, **given,
    )  # fmt: skip
