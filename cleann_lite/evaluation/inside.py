"""Commands that look inside a model: planted mechanisms, readings, randomised weights, rungs."""

from pathlib import Path

from . import randomised, readers, readings, rungs
from .inputs import draw_inputs, load
from .probes import probe


def look_inside(
    task: str, *, out=None, n=None, workers=1, cluster=None, alpha=None, model=None, data=None, seed=None,
    films=None, from_file=None, accept_licence=False,
) -> str:  # fmt: skip
    """Run ``cleann-lite evaluate planted | readings | randomised | rungs``; the result in words.

    Parameters
    ----------
    task
        Which.
    n
        Seeds ("planted", default 5) or inputs (default 100).
    out
        Folder of the journal and tables; None: ``evaluation-TASK``.
    workers, cluster
        As for `cleann_lite.evaluation.experiment.evaluate`.
    alpha
        Level of the independence test; None: 0.01, and for "readings" each of its levels.
    model, data, seed, films, from_file, accept_licence
        Whose inputs: see `cleann_lite.evaluation.inputs.draw_inputs`. "planted" trains its own networks.
    """
    out = Path(out or f"evaluation-{task}")
    shared = {"out": out, "workers": workers, "cluster": cluster, "progress": True}
    where = f"\n\nTables: {out.resolve()}"
    if task == "planted":
        return readers.told(readers.plant(seeds=5 if n is None else n, **shared)) + where
    name = model or "pocket-sentiment"
    loaded = load(name)
    recommends = loaded.task == "recommendation"
    if films is not None and not recommends:
        raise ValueError(f"films are those of a history, for a recommender: {name} reads texts")
    kind, known = ("recommend", "movielens-1m") if recommends else ("sentiment", "sst2")
    items = draw_inputs(
        kind, data or known, 100 if n is None else n, model=loaded if recommends else None, seed=seed or 0,
        films=15 if films is None else films, from_file=from_file, accept_licence=accept_licence,
    )  # fmt: skip
    if task == "readings":
        worker = readings.Reader(name, alphas=readings.ALPHAS if alpha is None else (alpha,))
        return readings.told(probe(worker, items, readings.summary, **shared)) + where
    kinds = {"randomised": (randomised, randomised.Randomiser), "rungs": (rungs, rungs.Climber)}
    module, worker_of = kinds[task]
    worker = worker_of(name, 0.01 if alpha is None else alpha)
    return module.told(probe(worker, items, module.summary, **shared)) + where
