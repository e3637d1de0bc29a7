"""How fast, how frugal and how right the discovery engine is: ``python benchmarks/discovery.py``.

CPU seconds of one process, medians. The recorded times of the papers' released code and the recorded
attention come from ``../shared``; without it only what can be drawn at random is measured.
"""

import json
import resource
import time
from pathlib import Path

import numpy as np

import cleann_lite as cl
from cleann_lite.attention.sem import planted_sem
from cleann_lite.causal.independence import PartialCorrelation
from cleann_lite.causal.orientation import pag_of_mag
from cleann_lite.causal.random_graphs import random_dag, random_latent_dag

SHARED = Path(__file__).resolve().parents[2] / "shared"
ALPHA, N_SAMPLES = 0.01, 384  # as in the recorded times


def seconds(action, repeat: int = 3) -> float:
    """Median CPU seconds of an action."""
    taken = []
    for _ in range(repeat):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return float(np.median(taken))


def on_attention():
    """(what, figure, note) for recorded attention: ICD on every head, all tokens."""
    path = SHARED / "data" / "attention" / "minilm_imdb_last_layer.npz"
    if not path.exists():
        return [("real attention", "not measured", "needs ../shared")]
    released = json.loads((SHARED / "cases" / "reference_times.json").read_text())["cases"]
    rows = []
    with np.load(path) as recorded:
        for length in (12, 24, 32, 40, 64, 128, 256):
            correlations = [cl.attention_correlation(head) for head in recorded[f"attention_{length}"]]
            ours, again, n_tests = {}, [], []
            for head, correlation in enumerate(correlations[:: 1 if length < 256 else 3]):
                test = PartialCorrelation(correlation, N_SAMPLES, ALPHA)
                cl.learn_pag(test)
                n_tests.append(test.n_tests)
                fresh = lambda c=correlation: cl.learn_pag(PartialCorrelation(c, N_SAMPLES, ALPHA))  # noqa: E731
                ours[head if length < 256 else 3 * head] = seconds(fresh, 3 if length < 128 else 1)
                again.append(seconds(lambda t=test: cl.learn_pag(t.with_alpha(2 * ALPHA)), 1))
            note = f"{np.median(n_tests):,.0f} tests; at a new alpha {1e3 * np.median(again):.1f} ms"
            if length == 40:
                note += f"; all 12 heads {sum(ours.values()):.2f} s"
            theirs = {c["head"]: c["seconds"] or 100.0 for c in released if c["T"] == length}
            if length <= 40 and theirs:
                ratio = np.median([theirs[h] / ours[h] for h in theirs])
                of_medians = np.median(list(theirs.values())) / np.median([ours[h] for h in theirs])
                note += f"; released code takes {ratio:,.0f} times as long (medians: {of_medians:,.0f})"
            rows.append(
                (f"one head of {length} tokens", f"{1e3 * np.median(list(ours.values())):.1f} ms", note)
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*rows, ("peak memory so far", f"{peak:.0f} MB", "whole process")]


def on_sparse_problems(n_graphs: int = 10):
    """(what, figure, note) for linear Gaussian data with hidden variables, N = 1000."""
    rows = []
    for n_nodes in (20, 40, 80):
        for degree in (2, 3):
            taken = {"icd": [], "fci": []}
            n_tests = {"icd": [], "fci": []}
            for seed in range(n_graphs):
                rng = np.random.default_rng(seed)
                example = random_latent_dag(n_nodes, degree, rng)
                data = planted_sem(example.dag, rng).sample(1000, rng)[:, example.observed]
                for method in taken:
                    test = PartialCorrelation.from_data(data, ALPHA)
                    taken[method].append(seconds(lambda t=test, m=method: cl.learn_pag(t, m), 1))
                    n_tests[method].append(test.n_tests)
            icd, fci = (1e3 * np.median(taken[m]) for m in ("icd", "fci"))
            few, more = (np.median(n_tests[m]) for m in ("icd", "fci"))
            note = f"{few:,.0f} tests; FCI {fci:.0f} ms, {more:,.0f} tests"
            rows.append((f"{n_nodes} variables, degree {degree}", f"{icd:.1f} ms", note))
    return rows


def of_batched_tests(n_tests: int = 20_000):
    """(what, figure, note): one partial-correlation test among many."""
    rng = np.random.default_rng(0)
    test = PartialCorrelation.from_data(rng.normal(size=(1000, 20)))
    rows = []
    for size in (1, 2, 4, 6):
        asked = np.array([rng.permutation(20)[: size + 2] for _ in range(n_tests)])
        taken = seconds(lambda a=asked: test.p_values(a[:, 0], a[:, 1], a[:, 2:]))
        rows.append((f"one test given {size}", f"{1e6 * taken / n_tests:.2f} µs", f"{n_tests:,} in one call"))
    return rows


def of_planted_truth(n_graphs: int = 60):
    """(what, figure, note): exact skeletons when attention is a planted model of 10 nodes, degree 2."""
    rows = []
    for n_samples in (768, 10**5, 10**8):
        exact = {False: 0, True: 0}
        for seed in range(n_graphs):
            rng = np.random.default_rng(seed)
            sem = planted_sem(random_dag(10, 2, rng), rng)
            edges = (sem.weights != 0) | (sem.weights != 0).T
            for one_sided in exact:
                pag = cl.learn_pag(PartialCorrelation(sem.correlation, n_samples, ALPHA, one_sided))
                exact[one_sided] += bool(((pag.marks > 0) == edges).all())
        note = f"one-sided: {exact[True]} of {n_graphs}"
        rows.append((f"planted truth, n = {n_samples:.0e}", f"{exact[False]} of {n_graphs} exact", note))
    return rows


def of_quality(n_graphs: int = 50):
    """(what, figure, note): 15 nodes, degree 2, half of the eligible roots hidden, N = 1000."""
    rows = []
    for method in ("icd", "fci"):
        figures = []
        for seed in range(n_graphs):
            rng = np.random.default_rng(seed)
            example = random_latent_dag(15, 2, rng, connected=True)
            data = planted_sem(example.dag, rng).sample(1000, rng)[:, example.observed]
            test = PartialCorrelation.from_data(data, ALPHA)
            learned, true = cl.learn_pag(test, method).marks, pag_of_mag(example.mag)
            both = ((learned > 0) & (true > 0)).sum()
            f1 = 2 * both / ((learned > 0).sum() + (true > 0).sum())
            figures.append((f1, ((learned == true) & (true > 0)).sum() / (true > 0).sum(), test.n_tests))
        mean, error = np.mean(figures, axis=0), np.std(figures, axis=0) / np.sqrt(n_graphs)
        note = f"marks right {mean[1]:.3f} ± {error[1]:.3f}; tests {mean[2]:.0f} ± {error[2]:.0f}"
        rows.append(
            (f"{method}, {n_graphs} random graphs", f"skeleton F1 {mean[0]:.3f} ± {error[0]:.3f}", note)
        )
    return rows


def run() -> list[tuple[str, str, str]]:
    """Every row of the table: (what was measured, the figure, a note)."""
    return [*on_attention(), *on_sparse_problems(), *of_batched_tests(), *of_planted_truth(), *of_quality()]


def main() -> None:
    """Print the table."""
    for what, figure, note in run():
        print(f"{what:34} {figure:>28}   {note}", flush=True)


if __name__ == "__main__":
    main()
