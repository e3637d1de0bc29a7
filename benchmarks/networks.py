"""How exact the discovery engine is on well-known networks with hidden variables.

    python -m benchmarks networks, or python benchmarks/networks.py [NAME ...] [--draws 20] [--share 0.1]

Each draw hides a share of a network's variables, at least one; the test is a perfect one (d-separation); the
truth is the PAG of the MAG that the network has over the rest, found without a search. "exact" counts draws
where every mark is right, "capped" those where the cap on candidate sets ended the search; tests are means.
The networks come from ``../shared``.
"""

import argparse
import re
import time
from pathlib import Path

import networkx as nx
import numpy as np

import cleann_lite as cl
from cleann_lite.causal.orientation import pag_of_mag
from cleann_lite.causal.random_graphs import LatentDAG

NETWORKS = Path(__file__).resolve().parents[2] / "shared" / "data" / "causal" / "dags"
METHODS = ("fci", "icd")


def network(path):
    """The DAG of one network, nodes numbered 0 … n−1 as its file lists them."""
    nodes, edges = path.read_text(encoding="utf-8").split("Graph Nodes:")[1].split("Graph Edges:")
    number = {name: i for i, name in enumerate(nodes.strip().split(";"))}
    dag = nx.DiGraph()
    dag.add_nodes_from(range(len(number)))
    dag.add_edges_from((number[a], number[b]) for a, b in re.findall(r"\d+\. (\S+) --> (\S+)", edges))
    return dag


def draw(dag, seed, share=0.1):
    """The network with a share of its variables hidden, one at least."""
    n = len(dag)
    hidden = np.random.default_rng(seed).permutation(n)[: max(1, int(n * share))]
    latents = tuple(sorted(hidden.tolist()))
    return LatentDAG(dag, tuple(v for v in range(n) if v not in latents), latents)


def measure(example, method):
    """(exact, capped, tests, CPU seconds) of one search."""
    truth = pag_of_mag(example.mag)
    test = cl.DSeparation(example.dag, example.observed)
    start = time.process_time()
    pag = cl.learn_pag(test, method)
    taken = time.process_time() - start
    return bool((pag.marks == truth).all()), not pag.complete, test.n_tests, taken


def main(arguments=()):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="networks; all by default")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.1, help="share of variables that are hidden")
    args = parser.parse_args(list(arguments))
    if not NETWORKS.exists():
        print("not measured: needs ../shared")
        return
    paths = [NETWORKS / f"{name}.txt" for name in args.names] or list(NETWORKS.glob("*.txt"))
    dags = sorted(((path.stem, network(path)) for path in paths), key=lambda named: len(named[1]))
    columns = "".join(f"{m + ' exact':>11}{'capped':>8}{'tests':>11}{'seconds':>9}" for m in METHODS)
    print(f"{'network':<12}{'nodes':>6}{'draws':>6}{columns}")
    for name, dag in dags:
        examples = [draw(dag, seed, args.share) for seed in range(args.draws)]
        line = f"{name:<12}{len(dag):>6}{len(examples):>6}"
        for method in METHODS:
            exact, capped, tests, seconds = zip(*(measure(e, method) for e in examples), strict=True)
            line += f"{sum(exact):>11}{sum(capped):>8}{np.mean(tests):>11,.0f}{sum(seconds):>9.1f}"
        print(line, flush=True)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
