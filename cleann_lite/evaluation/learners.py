"""How well FCI, ICD and ordered ICD (and your own learner) recover random graphs with latent variables.

Each random DAG loses some of its variables from sight, a linear Gaussian model is planted in it, and each
learner sees the correlations of a sample. The truth is the PAG that FCI learns with a perfect test
(d-separation): an oracle that is independent of ICD. For ordered ICD, which knows the causal order, it is
the PAG under that order. causal-learn's FCI is one more row where that package is installed.
"""

import contextlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import networkx as nx
import numpy as np

from ..attention.sem import planted_sem
from ..causal.discovery import learn_pag
from ..causal.graphs import PAG
from ..causal.independence import DSeparation, PartialCorrelation
from ..causal.nodes import checked_count
from .journal import FORMAT, JOURNAL, Journal, read_journal
from .parallel import run_all
from .report import save_benchmark
from .statistics import bootstrap_mean, right_marks, sign_flip_p, skeleton_f1, wilson


@dataclass(frozen=True)
class Problem:
    """One random graph with its sample.

    Attributes
    ----------
    dag
        The true graph over 0 … n−1; a causal order is 0, 1, 2, ….
    observed
        Its observed nodes, in causal order.
    data
        (samples, observed) float64.
    alpha
        Level of the independence test.
    """

    dag: nx.DiGraph
    observed: tuple[int, ...]
    data: np.ndarray = field(repr=False)
    alpha: float = 0.01

    @property
    def correlation(self) -> np.ndarray:
        """(observed, observed) correlation of the sample."""
        return np.corrcoef(self.data, rowvar=False)

    def test(self) -> PartialCorrelation:
        """A fresh test on the sample, with nothing counted yet."""
        return PartialCorrelation(self.correlation, len(self.data), alpha=self.alpha)

    def truth(self, ordered=False) -> PAG:
        """The PAG over the observed nodes; ``ordered`` under their known causal order."""
        perfect = DSeparation(self.dag, self.observed)
        if ordered:
            return learn_pag(perfect, "ordered-icd", order=range(len(self.observed)), selection_bias=False)
        return learn_pag(perfect, "fci", selection_bias=False)


def random_problem(seed, n_nodes=15, degree=2.0, latent_share=0.5, n_samples=1000, alpha=0.01) -> Problem:
    """A random DAG with latent variables, a planted linear model with weights ±U[0.5, 2], and a sample.

    Parameters
    ----------
    seed : int or sequence of int
    n_nodes : int
        Nodes of the DAG, latent ones included.
    degree : float
        Expected number of neighbours.
    latent_share : float
        Share of the parentless nodes with two or more children that become latent.
    n_samples : int
    alpha : float

    Examples
    --------
    >>> problem = random_problem(0, n_nodes=8)
    >>> problem.data.shape[0], len(problem.observed) <= 8
    (1000, True)
    """
    if n_nodes < 3 or not 0 < degree < n_nodes or not 0 <= latent_share <= 1:
        raise ValueError(
            f"3 or more nodes, a degree below their number and a share in 0 … 1 are needed: got "
            f"{n_nodes}, {degree}, {latent_share}"
        )
    rng = np.random.default_rng(seed)
    above = np.triu(rng.random((n_nodes, n_nodes)) < degree / (n_nodes - 1), 1)
    dag: nx.DiGraph = nx.DiGraph()
    dag.add_nodes_from(range(n_nodes))
    dag.add_edges_from((int(i), int(j)) for i, j in np.argwhere(above))
    eligible = [v for v in dag if not dag.in_degree(v) and dag.out_degree(v) >= 2]
    hidden = rng.permutation(eligible)[: round(latent_share * len(eligible))]
    observed = tuple(v for v in range(n_nodes) if v not in set(hidden.tolist()))
    data = planted_sem(dag, rng).sample(n_samples, rng)[:, list(observed)]
    return Problem(dag, observed, data, alpha)


# --- learners --------------------------------------------------------------------------------------------


def _learned(problem, method):
    test = problem.test()
    order = range(len(problem.observed)) if method == "ordered-icd" else None
    pag = learn_pag(test, method, order=order, selection_bias=False)
    return pag, test.tests_by_size()


def causal_learn_fci(problem: Problem):
    """FCI of causal-learn (Zheng et al. JMLR 2024), a peer: its marks, and no count of tests."""
    from causallearn.search.ConstraintBased.FCI import fci

    with contextlib.redirect_stdout(io.StringIO()):  # it prints edges whatever it is asked
        graph, _ = fci(problem.data, "fisherz", problem.alpha, verbose=False, show_progress=False)
    # graph.graph[j, i]: the end at j of i *-* j, −1 tail, 1 arrowhead, 2 circle
    ends = np.asarray(graph.graph).T
    return np.select([ends == 2, ends == 1, ends == -1], [1, 2, 3], 0).astype(np.int8), []


LEARNERS: dict[str, Callable] = {
    "fci": lambda problem: _learned(problem, "fci"),
    "icd": lambda problem: _learned(problem, "icd"),
    "ordered-icd": lambda problem: _learned(problem, "ordered-icd"),
}


def learners(methods: Sequence[str | Callable] | None = None) -> dict[str, Callable]:
    """Learners by name; None takes all, with causal-learn where it is installed.

    Your own learner is a function from a `Problem` to a PAG (or its marks), or to a pair of that and
    the number of tests by size of the conditioning set.
    """
    known = dict(LEARNERS)
    try:
        import causallearn  # noqa: F401

        known["causal-learn-fci"] = causal_learn_fci
    except ImportError:
        pass
    chosen = {}
    for entry in known if methods is None else methods:
        if not callable(entry) and entry not in known:
            raise ValueError(f"a learner must be one of {', '.join(known)}, or a function: got {entry!r}")
        name = getattr(entry, "__name__", "own").replace("_", "-") if callable(entry) else entry
        if name in chosen:
            raise ValueError(f"each learner is one row: {name!r} was named twice")
        chosen[name] = entry if callable(entry) else known[entry]
    if not chosen:
        raise ValueError("at least one learner is needed: got none")
    return chosen


@dataclass(frozen=True)
class BenchmarkSettings:
    """What the benchmark depends on; see `random_problem`."""

    n: int = 50
    methods: tuple[str, ...] = ()
    seed: int = 0
    n_nodes: int = 15
    degree: float = 2.0
    latent_share: float = 0.5
    n_samples: int = 1000
    alpha: float = 0.01


@dataclass(frozen=True)
class _Worker:
    settings: BenchmarkSettings
    rows: dict[str, Callable] = field(repr=False)

    def __call__(self, item):
        s = self.settings
        problem = random_problem(
            (s.seed, item["input"]), s.n_nodes, s.degree, s.latent_share, s.n_samples, s.alpha
        )
        truth = {False: problem.truth().marks, True: problem.truth(ordered=True).marks}
        rows: dict[str, dict] = {}
        for name, learn in self.rows.items():
            start = time.perf_counter()
            try:
                result = learn(problem)
                seconds = time.perf_counter() - start
                graph, tests = result if isinstance(result, tuple) else (result, [])
                marks = np.asarray(graph.marks if isinstance(graph, PAG) else graph)
                true = truth[name == "ordered-icd"]
                if marks.shape != true.shape:
                    raise ValueError(f"marks must have shape {true.shape}: got {marks.shape}")
                right = right_marks(marks, true)
                rows[name] = {
                    "f1": round(skeleton_f1(marks, true), 5),
                    "marks": None if np.isnan(right) else round(right, 5),
                    "exact": bool((marks == true).all()),
                    "tests": [int(t) for t in tests],
                    "seconds": round(seconds, 4),
                }
            except Exception as error:  # a user's learner may raise anything: it fails, the others go on
                rows[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
        return {"input": item["input"], "observed": len(problem.observed), "rows": rows}


def benchmark(
    n: int = 50,
    *,
    methods: Sequence[str | Callable] | None = None,
    out=None,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = False,
    **settings,
) -> "Benchmark":
    """Let each learner recover ``n`` random graphs.

    Parameters
    ----------
    n : int
    methods
        See `learners`.
    out, workers, cluster, progress
        As for `cleann_lite.evaluation.experiment.evaluate`.
    **settings
        Further fields of `BenchmarkSettings`.

    Examples
    --------
    >>> run = benchmark(3, n_nodes=6, methods=("icd", "fci"))
    >>> [row["method"] for row in run.summary()]
    ['icd', 'fci']
    """
    rows = learners(methods)
    unknown = sorted(set(settings) - set(BenchmarkSettings.__dataclass_fields__))
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]} of the benchmark of causal discovery")
    plan = BenchmarkSettings(n, tuple(rows), **settings)
    checked_count("n", plan.n)
    checked_count("seed", plan.seed, 0)
    PartialCorrelation(np.eye(2), plan.n_samples, plan.alpha)  # refuses what no test could use
    random_problem(plan.seed, plan.n_nodes, plan.degree, plan.latent_share, 10, plan.alpha)
    header = {"format": FORMAT, "task": "discovery", **asdict(plan), "methods": list(rows)}
    items = [{"input": i} for i in range(n)]
    with Journal(None if out is None else Path(out) / JOURNAL, header) as journal:
        records = run_all(
            _Worker(plan, rows), items, journal, workers=workers, cluster=cluster, progress=progress
        )
        run = Benchmark(header, records)
        if out is not None:
            save_benchmark(run, out)
    return run


class Benchmark:
    """Results of `benchmark`."""

    def __init__(self, settings, records):
        self.settings, self.records = settings, records

    @classmethod
    def read(cls, folder) -> "Benchmark":
        """Results from a folder or a journal.

        Raises
        ------
        ValueError
            There is no journal, its first line is damaged, or it is of another kind or version.
        """
        settings, records = read_journal(folder)
        if settings["task"] != "discovery":
            raise ValueError(f"{Path(folder)} holds no results of causal discovery")
        return cls(settings, records)

    def values(self, method, column) -> np.ndarray:
        """(graphs,) float64 of "f1", "marks", "exact", "seconds" or "tests" (a sum); NaN after an error."""
        rows = [record["rows"][method] for record in self.records]
        if column == "tests":
            return np.array([sum(row["tests"]) if row.get("tests") else np.nan for row in rows], dtype=float)
        return np.array([row.get(column, np.nan) for row in rows], dtype=float)

    def tests_by_size(self, method) -> list[float]:
        """Mean number of tests by size of the conditioning set."""
        counts = [record["rows"][method].get("tests", []) for record in self.records]
        width = max(map(len, counts), default=0)
        table = [c + [0] * (width - len(c)) for c in counts if c]
        return np.mean(table, axis=0).tolist() if table else []

    def summary(self) -> list[dict]:
        """One row per learner: means with intervals over graphs, and medians (hard graphs rule means)."""
        rows = []
        for method in self.settings["methods"]:
            row = {"method": method}
            for column in ("f1", "marks", "exact", "tests", "seconds"):
                values = self.values(method, column)
                row[column] = bootstrap_mean(values)
                known = values[~np.isnan(values)]
                row[f"{column}_median"] = float(np.median(known)) if len(known) else float("nan")
                if column == "exact":
                    row[column] = wilson(int(known.sum()), len(known))
            row["errors"] = sum("error" in record["rows"][method] for record in self.records)
            rows.append(row)
        return rows

    def verdicts(self) -> list[str]:
        """What the table says, in words."""
        sentences = []
        for row in self.summary():
            tests = (
                f"{row['tests']} tests (median {row['tests_median']:.0f})"
                if row["tests"].n
                else "tests not counted"
            )
            sentences.append(
                f"{row['method']}: skeleton F1 {row['f1']}, marks right on shared edges {row['marks']}, "
                f"{tests}, {row['seconds_median'] * 1000:.1f} ms (median)."
            )
        if {"icd", "fci"} <= set(self.settings["methods"]):
            for column, what in (("f1", "skeleton F1"), ("tests", "number of tests")):
                difference = self.values("icd", column) - self.values("fci", column)
                p = sign_flip_p(difference)
                sentences.append(f"ICD minus FCI, {what}: {bootstrap_mean(difference)} (p = {p:.2g}).")
        return sentences
