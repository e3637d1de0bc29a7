"""Random DAGs, with hidden and selection variables."""

from dataclasses import dataclass

import networkx as nx
import numpy as np

from .mags import mag_of_dag


@dataclass(frozen=True)
class LatentDAG:
    """A DAG over 0 … n−1 of which some nodes are hidden; selection nodes are always conditioned on."""

    dag: nx.DiGraph
    observed: tuple[int, ...]
    latents: tuple[int, ...] = ()
    selection: tuple[int, ...] = ()

    @property
    def mag(self) -> np.ndarray:
        """Marks of its MAG over ``observed``."""
        return mag_of_dag(self.dag, self.observed, self.selection)


def random_dag(n_nodes: int, degree: float, rng: np.random.Generator, connected: bool = False) -> nx.DiGraph:
    """A random DAG over 0 … n−1: each pair has an arrow with probability degree / (n − 1).

    Parameters
    ----------
    n_nodes
        Number of nodes.
    degree
        Expected number of neighbours of a node.
    rng
        Source of chance; the causal order is random.
    connected
        Draw until the graph is connected.

    Raises
    ------
    ValueError
        If no connected graph came in 10,000 draws.

    Examples
    --------
    >>> dag = random_dag(10, 2.0, np.random.default_rng(0), connected=True)
    >>> nx.is_directed_acyclic_graph(dag), nx.is_weakly_connected(dag)
    (True, True)
    """
    probability = min(1.0, degree / max(1, n_nodes - 1))
    for _ in range(10_000):
        order = rng.permutation(n_nodes)
        arrows = np.argwhere(np.triu(rng.random((n_nodes, n_nodes)) < probability, 1))
        dag = nx.empty_graph(n_nodes, create_using=nx.DiGraph)
        dag.add_edges_from((int(order[i]), int(order[j])) for i, j in arrows)
        if not connected or nx.is_weakly_connected(dag):
            return dag
    raise ValueError(
        f"no connected graph of {n_nodes} nodes came in 10,000 draws: raise degree above {degree}"
    )


def random_latent_dag(
    n_nodes: int,
    degree: float,
    rng: np.random.Generator,
    n_latents: int | None = None,
    n_selection: int = 0,
    connected: bool = False,
) -> LatentDAG:
    """A random DAG with hidden variables.

    Parameters
    ----------
    n_nodes, degree, connected
        As for ``random_dag``; hidden and selection nodes count.
    rng
        Source of chance.
    n_latents
        How many nodes are hidden, any of them. None: half (rounded down) of those without parents and with
        two children or more, as in the ICD paper.
    n_selection
        How many nodes, of those with a parent, are conditioned on.
    """
    dag = random_dag(n_nodes, degree, rng, connected)
    effects = [v for v in dag if dag.in_degree(v)]
    selection = rng.permutation(effects)[:n_selection].tolist() if n_selection else []
    if n_latents is None:
        eligible = [v for v in dag if not dag.in_degree(v) and dag.out_degree(v) > 1 and v not in selection]
        n_latents = len(eligible) // 2
    else:
        eligible = [v for v in dag if v not in selection]
    latents = rng.permutation(np.array(eligible, dtype=int))[:n_latents].tolist()
    observed = [v for v in range(n_nodes) if v not in latents and v not in selection]
    return LatentDAG(dag, tuple(observed), tuple(sorted(latents)), tuple(sorted(selection)))
