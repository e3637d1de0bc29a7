"""Graphs from tables, beside causal-learn: speed, skeletons, marks, legal graphs, stability.

    python -m benchmarks tables, or python benchmarks/tables.py [--sizes 20 40 80 160 320] [--limit 20]

causal-learn (its FCI with Fisher's z, the same α and samples) runs in an environment of its own, which is
made in ``build/causal-learn`` the first time; where that fails its columns say so. CPU seconds of one thread.
A case that takes it longer than the limit is stopped, and larger ones of that degree are not tried.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import cleann_lite as cl
from cleann_lite.attention.sem import planted_sem
from cleann_lite.causal.legality import legality_of
from cleann_lite.causal.marks import Legality
from cleann_lite.causal.orientation import pag_of_mag
from cleann_lite.causal.random_graphs import random_latent_dag
from cleann_lite.causal.stability import stability
from cleann_lite.evaluation.statistics import hamming_distance, right_marks, skeleton_f1

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
ALPHA = 0.01
_WORKER = """
import json, signal, sys, time
import numpy as np
from causallearn.search.ConstraintBased.FCI import fci
path, alpha, limit = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
mark = {0: 0, 1: 2, -1: 3, 2: 1}
with np.load(path) as tables:
    for name in tables:
        signal.alarm(limit)
        signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
        start = time.process_time()
        try:
            graph, _ = fci(tables[name], "fisherz", alpha, verbose=False, show_progress=False)
            marks = [[mark[int(m)] for m in row] for row in graph.graph.T]
        except TimeoutError:
            marks = None
        except Exception as error:
            marks = repr(error)
        finally:
            signal.alarm(0)
        print("RESULT", json.dumps([name, time.process_time() - start, marks]), flush=True)
"""


def causal_learn():
    """The interpreter that has causal-learn, or why there is none."""
    folder = ROOT / "build" / "causal-learn"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    try:
        if subprocess.run([python, "-c", "import causallearn"], capture_output=True).returncode == 0:
            return python, None
    except OSError:
        pass
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True, timeout=120)
        install = [python, "-m", "pip", "install", "--quiet", "--prefer-binary", "causal-learn"]
        subprocess.run(install, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"its environment could not be made: {type(error).__name__}"
    return python, None


def theirs(python, tables, limit):
    """name -> (CPU seconds, marks; None over the limit, a text where it failed)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tables.npz"
        np.savez(path, **tables)
        command = [python, "-c", _WORKER, path, str(ALPHA), str(limit)]
        done = subprocess.run(command, capture_output=True, text=True)
    lines = [line.removeprefix("RESULT") for line in done.stdout.splitlines() if line.startswith("RESULT")]
    return {name: (taken, marks) for name, taken, marks in map(json.loads, lines)}


def ours(data, method):
    """CPU seconds and marks."""
    start = time.process_time()
    pag = cl.learn_pag(cl.PartialCorrelation.from_data(data, ALPHA), method)
    return time.process_time() - start, pag


def table(seed, n, degree, samples):
    """Data of a random linear model, half of the eligible roots hidden, and the true PAG."""
    rng = np.random.default_rng(seed)
    example = random_latent_dag(n, degree, rng)
    return planted_sem(example.dag, rng).sample(samples, rng)[:, example.observed], example


def speed(python, sizes, limit):
    """Print the table of times."""
    print("N = 1000. Each cell: seconds; F1 of the skeleton against the true PAG's; share of marks that are")
    print("the true PAG's, on the edges that both have; structural Hamming distance.")
    print("* a cap on candidate sets ended the search.")
    print(f"causal-learn is stopped after {limit} s, and then gets no larger table of that degree.")
    print(f"{'':25}{'ICD':>24}{'FCI':>24}{'causal-learn FCI':>24}   marks alike, FCI")
    stopped = set()
    for n in sizes:
        for degree in (2, 4, 6):
            data, example = table(0, n, degree, 1000)
            truth = pag_of_mag(example.mag)
            line, found = f"{n:4d} variables, degree {degree}", {}
            for method in ("icd", "fci"):
                taken, pag = ours(data, method)
                found[method] = pag.marks
                line += _cell(taken, pag.marks, truth, "" if pag.complete else "*")
            if python is None or degree in stopped:
                line += f"{'not run':>24}"
            else:
                taken, marks = theirs(python, {"one": data}, limit).get("one", (0, "failed"))
                if isinstance(marks, list):
                    line += _cell(taken, np.array(marks), truth, "")
                    line += f"{right_marks(found['fci'], np.array(marks)):12.2f}"
                else:
                    stopped.add(degree)
                    line += f"{f'over {limit} s' if marks is None else marks[:20]:>24}"
            print(line, flush=True)


def _cell(taken, marks, truth, star):
    quality = f"{skeleton_f1(marks, truth):5.2f}{right_marks(marks, truth):5.2f}"
    return f"{f'{taken:.3f}{star} {quality}{hamming_distance(marks, truth):5d}':>24}"


def legal(python, limit):
    """Print which graphs from finite data and from attention are the PAG of some model."""
    groups = {"30 tables of 15 variables, N = 300": [table(s, 15, 3, 300)[0] for s in range(30)]}
    path = SHARED / "attention" / "minilm_imdb_last_layer.npz"
    if path.exists():
        with np.load(path) as recorded:
            correlations = [cl.attention_correlation(head) for head in recorded["attention_24"]]
        groups["12 heads of 24 tokens, n = 384"] = [_with_correlation(c, 384) for c in correlations]
    for what, tables in groups.items():
        line = f"{what:36}"
        for legality in (True, False):
            graphs = [
                cl.learn_pag(cl.PartialCorrelation.from_data(t, ALPHA), legal=legality).marks for t in tables
            ]
            line += f"  {'ours' if legality else 'ours, legal=False'}: {_share_legal(graphs)}"
        if python is not None:
            found = theirs(python, {str(i): t for i, t in enumerate(tables)}, 1 + limit // 5).values()
            graphs = [np.array(marks, dtype=np.int8) for _, marks in found if isinstance(marks, list)]
            line += f"  causal-learn: {_share_legal(graphs)} (others over {1 + limit // 5} s)"
        print(line, flush=True)


def _share_legal(graphs):
    return f"{sum(legality_of(marks) is Legality.LEGAL for marks in graphs)} of {len(graphs)}"


def _with_correlation(correlation, n):
    """(n, k) samples whose correlation is this one."""
    noise = np.random.default_rng(0).normal(size=(n, len(correlation)))
    whitened, _ = np.linalg.qr(noise - noise.mean(axis=0))
    values, vectors = np.linalg.eigh(correlation)
    return whitened @ (vectors * np.sqrt(values.clip(0))).T


def asia(draws):
    """Print whether edges of the truth come back more often than others."""
    from benchmarks.networks import NETWORKS, network

    if not NETWORKS.exists():
        print("asia: not measured, needs ../shared")
        return
    dag = network(NETWORKS / "asia.txt")
    areas, taken = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        data = planted_sem(dag, rng).sample(500, rng)
        start = time.process_time()
        edges = stability(data, draws, seed=seed).edges[np.triu_indices(len(dag), 1)]
        taken.append(time.process_time() - start)
        true = np.array(
            [dag.has_edge(i, j) or dag.has_edge(j, i) for i, j in zip(*np.triu_indices(8, 1), strict=True)]
        )
        wins = edges[true][:, None] - edges[~true]
        areas.append(float(((wins > 0) + (wins == 0) / 2).mean()))
    each = ", ".join(f"{area:.3f}" for area in areas)
    print(
        f"asia, N = 500, {draws} bootstrap graphs: AUC of an edge's share, true against false adjacencies "
        f"{np.mean(areas):.3f} (five tables: {each}); {np.median(taken):.2f} s"
    )


def main(arguments=()):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 40, 80, 160, 320])
    parser.add_argument("--limit", type=int, default=20, help="seconds that causal-learn gets for one graph")
    parser.add_argument("--draws", type=int, default=200)
    args = parser.parse_args(list(arguments))
    began = time.monotonic()
    asia(args.draws)
    data, _ = table(0, 20, 3, 1000)
    start = time.process_time()
    stability(data, args.draws)
    print(f"{args.draws} bootstrap graphs of {data.shape[1]} variables: {time.process_time() - start:.2f} s")
    python, why = causal_learn()
    if python is None:
        print(f"causal-learn: skipped, {why}")
    legal(python, args.limit)
    speed(python, args.sizes, args.limit)
    print(f"all of this: {(time.monotonic() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main(sys.argv[1:])
