"""The papers' experiments on your own models: how small, how often, how certain, at what cost.

An experiment draws inputs, lets every row explain each of them with the same heads, units and caps, checks
each reported set, and measures it. Failures count. ``evaluate`` runs it (on all cores, or a Dask cluster,
resumable); the `Evaluation` that it returns has the tidy table, intervals over inputs, paired comparisons and
verdicts, and :mod:`cleann_lite.evaluation.report` writes them down.

Source of the two experiments: Rohekar et al. CLEANN. NeurIPS 2023, and Nisimov et al. CLEAR. CONSEQUENCES at
RecSys 2022; of comprehensiveness and sufficiency: DeYoung et al. ACL 2020.
"""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from ..attention.former import formerly
from ..causal.nodes import checked_count
from ..explaining.explanation import Explanation
from ..explaining.head_graphs import read_heads
from ..explaining.settings import FoundBy, GraphSettings, Stopped
from .case import Case, Found
from .faithfulness import others
from .inputs import TASKS, draw_inputs, fingerprint, load, weights_of
from .journal import FORMAT, JOURNAL, Journal
from .parallel import run_all
from .report import save
from .results import Evaluation
from .rows import DEFAULT, chosen


@dataclass(frozen=True)
class Settings:
    """What an experiment depends on; every row reads the same ones.

    Attributes
    ----------
    task, n, model, data, seed, films
        What is explained: see `cleann_lite.evaluation.inputs.draw_inputs`.
    methods
        Names of the rows.
    heads
        Heads that CLEANN and the attention rows read; None (until the model is known) takes all.
    alpha, n_samples, words, max_size, max_candidates, max_calls, max_nodes
        As in ``explain``; ``max_size`` and ``max_calls`` hold for every row: a larger set is a failure. With
        the defaults no cap but ``max_size`` ends the search in a sentence or a history of usual length.
    alphas
        Levels of the rows ``cleann-alphas`` beside ``alpha``, for stability.
    draws
        Draws of each random row, averaged; at least 20.
    failure_cost
        Size that a failure counts as where failures are counted; None takes ``max_size + 1``.
    device
        "cpu" or "cuda".
    """

    task: str
    n: int
    model: str
    data: str
    methods: tuple[str, ...]
    seed: int = 0
    films: int = 15
    heads: tuple[int, ...] | None = None
    alpha: float | None = None
    alphas: tuple[float, ...] = (0.001, 0.01, 0.1)
    n_samples: int | None = None
    words: str = "content"
    max_size: int = 3
    max_candidates: int = 5000
    max_calls: int = 5000
    max_nodes: int = 64
    draws: int = 20
    failure_cost: float | None = None
    device: str = "cpu"

    def __post_init__(self):
        for name in ("n", "films", "max_size", "max_candidates", "max_calls", "max_nodes"):
            checked_count(name, getattr(self, name))
        checked_count("draws", self.draws, 20)
        if self.n_samples is not None and self.n_samples <= 3:
            raise ValueError(f"n_samples must be above 3: got {self.n_samples}")
        for alpha in self.alphas if self.alpha is None else (self.alpha, *self.alphas):
            if not 0 < alpha < 1:
                raise ValueError(f"alpha must lie between 0 and 1: got {alpha:g}")


@formerly(nodes="words")
def evaluate(
    task: str,
    n: int = 500,
    *,
    model=None,
    data=None,
    methods: Sequence[str | Callable] = DEFAULT,
    out: str | Path | None = None,
    workers: int = 1,
    cluster: str | None = None,
    device: str | None = None,
    threshold: float | None = None,
    from_file=None,
    accept_licence: bool = False,
    progress: bool = False,
    **settings,
) -> Evaluation:
    """Explain ``n`` inputs by every row, and measure what each found.

    Parameters
    ----------
    task : "sentiment" or "recommend"
    n : int
    model : str or model
        A name that ``load_model`` reads, or a loaded model; None takes the task's pocket model.
    data, from_file, accept_licence
        See `cleann_lite.evaluation.inputs.draw_inputs`; None takes SST-2's development set, or MovieLens-1M.
    methods : sequence of str or function
        Rows of the table: names of :mod:`cleann_lite.evaluation.rows`, or your own functions.
    out : path, optional
        Folder of the journal, table and report. A run that was killed goes on from its journal.
    workers, cluster
        See `cleann_lite.evaluation.parallel.run_all`; the table does not depend on them.
    device : str, optional
        "cpu" or "cuda"; None takes a GPU if there is one.
    threshold : float, optional
        From where a label of a model named by ``model`` is on, as in ``load_model``.
    **settings
        Further fields of `Settings`.

    Raises
    ------
    ValueError
        Wrong arguments, missing data, a worker that died: one sentence each.

    Examples
    --------
    >>> run = evaluate("sentiment", 10, data="examples", methods=("cleann", "attention"))  # doctest: +SKIP
    >>> for verdict in run.verdicts(): print(verdict)  # doctest: +SKIP
    """
    if task not in TASKS:
        raise ValueError(f"the task must be one of {', '.join(TASKS)}: got {task!r}")
    model = TASKS[task][0] if model is None else model
    device = _device(device)
    if threshold is not None and not isinstance(model, str | Path):
        raise ValueError("threshold goes with the name of a model: a loaded model has its own")
    loaded = load(str(model), device, threshold) if isinstance(model, str | Path) else model
    wanted = "recommendation" if task == "recommend" else "classification"
    if loaded.task != wanted:
        raise ValueError(f"{task} needs a model for {wanted}: {loaded.name} is one for {loaded.task}")
    data = TASKS[task][1] if data is None else data
    settings["alpha"] = GraphSettings(alpha=settings.get("alpha")).of(loaded).alpha
    settings.setdefault("words", "all" if task == "recommend" else "content")
    named = str(data) if isinstance(data, str | Path) else "list"
    plan = Settings(task, n, loaded.name, Path(named).name, (), device=device, **settings)
    items = draw_inputs(
        task, data, n, model=loaded if task == "recommend" else None, seed=plan.seed, films=plan.films,
        from_file=from_file, accept_licence=accept_licence,
    )  # fmt: skip
    count = len(loaded.attention(loaded.encode(items[0]["content"])))
    plan = replace(plan, heads=read_heads("all" if plan.heads is None else plan.heads, count))
    rows = chosen(methods, plan)
    plan = replace(plan, methods=tuple(rows))
    # what the results depend on; versions are told beside it
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(plan).items()}
    header = {"format": FORMAT, **plain, "weights": weights_of(model), "inputs": fingerprint(items)}
    header |= {} if threshold is None else {"threshold": threshold}
    worker = Worker(plan, rows, str(model) if isinstance(model, str | Path) else loaded, threshold)
    with Journal(None if out is None else Path(out) / JOURNAL, header) as journal:
        records = run_all(worker, items, journal, workers=workers, cluster=cluster, progress=progress)
        run = Evaluation(header, records)
        if out is not None:
            save(run, out)
    return run


def _device(wanted):
    """The device wanted, or else a GPU if there is one."""
    try:
        import torch
    except ModuleNotFoundError:
        return "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("device must be cpu here: PyTorch finds no GPU")
    return wanted or ("cuda" if torch.cuda.is_available() else "cpu")


# --- one input -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Worker:
    """From an item to its record: what runs on every core or cluster worker."""

    settings: Settings
    rows: dict[str, Callable] = field(repr=False)
    model: object
    threshold: float | None = None

    def __call__(self, item: dict) -> dict:
        with _one_thread():
            model = self.model
            if isinstance(model, str):
                model = load(model, self.settings.device, self.threshold)
            return self._explained(model, item)

    def _explained(self, model, item):
        record = {"input": item["input"], "row": item["row"]}
        try:
            case = Case(model, item["content"], self.settings, item["input"], item["seen"])
            record |= {"units": len(case.encoded.units), "nodes": len(case.units)}
            record |= {"probability": _rounded(case.tries.original[case.tries.prediction])}
        except (ValueError, RuntimeError) as error:
            return record | {"error": _sentence(error), "rows": {n: _failed(error) for n in self.rows}}
        found, rows = {}, {}
        for name, function in self.rows.items():
            try:
                found[name] = _as_found(function(case))
            except Exception as error:  # your own row may raise anything: it fails, the others go on
                rows[name] = _failed(error)
        # what is left without the sets that are measured runs in one go
        case.tries.run(others(case.encoded, s) for f in found.values() for s in _first_sets(case, f))
        for name, draws in found.items():
            try:
                rows[name] = _averaged([_measured(case, draw) for draw in draws])
            except ValueError as error:
                rows[name] = _failed(error)
        return record | {"rows": {name: rows[name] for name in self.rows}}


@contextmanager
def _one_thread():
    """One PyTorch thread for a worker, and as many as before afterwards."""
    try:
        import torch
    except ModuleNotFoundError:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _as_found(result) -> list[Found]:
    """What a row returned, as a list of draws."""
    if isinstance(result, Explanation):
        if result.stopped is Stopped.INTERRUPTED:
            raise KeyboardInterrupt
        result = Found(tuple(s.positions for s in result.sets), result.model_calls, (*result.failures, "")[0])
    draws = [result] if isinstance(result, Found) else result
    if not isinstance(draws, list) or not draws or not all(isinstance(draw, Found) for draw in draws):
        raise TypeError(f"a row returns Found, a list of Found, or Explanation: got {type(result).__name__}")
    return draws


def _first_sets(case, draws):
    """The sets that are measured: the first of each draw, if it fits the input and the cap."""
    firsts = {tuple(sorted({int(u) for u in draw.sets[0]})) for draw in draws if draw.sets}
    units = range(len(case.encoded.units))
    return [s for s in sorted(firsts) if len(s) <= case.settings.max_size and all(u in units for u in s)]


def _measured(case, found):
    """Check the first set by the model and measure it; a set beyond the cap is a failure."""
    row = {"success": bool(found.sets), "calls": int(found.calls), "note": found.note}
    if not found.sets:
        return row
    first, count = tuple(sorted({int(u) for u in found.sets[0]})), len(case.encoded.units)
    if not all(0 <= u < count for u in first):
        raise ValueError(f"positions must be among 0 … {count - 1}: got {list(first)}")
    if len(first) > case.settings.max_size:
        limit = case.settings.max_size
        return row | {"success": False, "note": f"its set has {len(first)} units, more than {limit}"}
    tries = case.tries
    if not tries.run([first]):
        raise ValueError("the reported set does not change the prediction")
    without = others(case.encoded, first)
    tries.run([without])
    whole = tries.original[case.encoded.target]
    return row | {
        "size": len(first),
        "sets": len(found.sets),
        "rank": tries.found(first, head=None, found_by=FoundBy.RANKING, within_graph=False).rank,
        "comprehensiveness": _rounded(whole - tries.remaining(first)),
        "sufficiency": _rounded(whole - tries.remaining(without)),
        "positions": list(first),
    }


def _averaged(draws):
    """One row of several draws: means over all draws, and over those that succeeded of what a set has."""
    if len(draws) == 1:
        return draws[0]
    good = [draw for draw in draws if draw["success"]]
    row = {"success": _rounded(len(good) / len(draws)), "draws": len(draws), "note": draws[0]["note"]}
    row["calls"] = _rounded(np.mean([draw["calls"] for draw in draws]))
    for name in ("size", "sets", "rank", "comprehensiveness", "sufficiency") if good else ():
        row[name] = _rounded(np.mean([draw[name] for draw in good]))
    return row


def _failed(error):
    return {"success": False, "calls": 0, "note": f"error: {_sentence(error)}"}


def _sentence(error):
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"[:200]


def _rounded(value):
    return round(float(value), 5)
