"""The recorded oracle cases, read once; absent where ``../shared`` is."""

import json
from functools import cache
from pathlib import Path

import networkx as nx

from cleann_lite import DSeparation

SHARED = Path(__file__).resolve().parents[2] / "shared"


@cache
def oracle_cases():
    return json.loads((SHARED / "cases" / "oracle_cases.json").read_text())


def dag_of(case):
    dag = nx.DiGraph()
    dag.add_nodes_from(case["observed"] + case["latents"] + case["selection"])
    dag.add_edges_from(case["dag_edges"])
    return dag


def oracle_of(case):
    return DSeparation(dag_of(case), case["observed"], case["selection"])


def network(path):
    """The true DAG of a well-known network, nodes numbered 0 … n−1 as listed in its file."""
    import re

    nodes, edges = path.read_text().split("Graph Nodes:")[1].split("Graph Edges:")
    number = {name: i for i, name in enumerate(nodes.strip().split(";"))}
    dag = nx.DiGraph()
    dag.add_nodes_from(range(len(number)))
    dag.add_edges_from((number[a], number[b]) for a, b in re.findall(r"\d+\. (\S+) --> (\S+)", edges))
    return dag
