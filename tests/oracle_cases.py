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
