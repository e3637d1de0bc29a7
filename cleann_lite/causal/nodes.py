"""Nodes, orders and tiers as a caller gives them, by number or by name."""

from collections.abc import Iterable, Sequence

import numpy as np

from .batched import BatchedTest


def numbers(test: BatchedTest) -> dict[str, int]:
    """Name -> number of each variable."""
    return {name: i for i, name in enumerate(test.names or ())}


def checked_nodes(test: BatchedTest, nodes: Iterable | None) -> tuple[int, ...]:
    """The variables that are nodes, by number."""
    n = test.n_variables
    if nodes is None:
        return tuple(range(n))
    named, number = tuple(nodes), numbers(test)
    unknown = [name for name in named if isinstance(name, str) and name not in number]
    if unknown:
        raise ValueError(f"unknown node {unknown[0]!r}: the test has {', '.join(number) or 'no names'}")
    found = tuple(int(number.get(name, name)) for name in named)
    if len(set(found)) != len(found):
        raise ValueError(f"each node may be named once: got {named}")
    if any(not 0 <= node < n for node in found):
        raise ValueError(f"nodes must be variables 0 … {n - 1}: got {named}")
    return found


def checked_rank(
    nodes: tuple[int, ...], order: Sequence | None, method: str, number: dict[str, int]
) -> np.ndarray | None:
    """Rank of each node in the causal order, or None without one."""
    if method != "ordered-icd":
        if order is not None:
            raise ValueError(f"an order belongs to method='ordered-icd': got it with {method!r}")
        return None
    if order is None:
        raise ValueError("method='ordered-icd' needs order: the nodes, earliest first")
    rank = {number.get(node, node): position for position, node in enumerate(order)}
    if len(rank) != len(order) or not set(nodes) <= set(rank):
        wanted = f"got {_listed(order, {})} for {_listed(nodes, number)}"
        raise ValueError(f"order must name each node once, earliest first: {wanted}")
    return np.array([rank[node] for node in nodes])


def checked_tiers(
    nodes: tuple[int, ...],
    tiers: Sequence[Sequence],
    order: Sequence | None,
    method: str,
    number: dict[str, int],
) -> np.ndarray:
    """The number of each node's tier."""
    if order is not None or method == "ordered-icd":
        raise ValueError("tiers belong to method 'icd' or 'fci' without an order: name one or the other")
    tier_of: dict[int, int] = {}
    for tier, group in enumerate(tiers):
        if isinstance(group, (str, int)):
            raise ValueError(f"tiers must be groups of nodes, earliest first: got {group!r} as a group")
        if not len(group):
            raise ValueError(f"each tier needs a node: tier {tier} is empty")
        for name in group:
            node = number.get(name, name)
            if node not in nodes:
                known = _listed(nodes, number)
                raise ValueError(f"tiers name {name!r}, which is not a node of this graph: {known}")
            if node in tier_of:
                raise ValueError(f"each node belongs to one tier: {name!r} is named twice")
            tier_of[node] = tier
    missing = [node for node in nodes if node not in tier_of]
    if missing:
        raise ValueError(f"each node needs a tier: none has {_listed(missing, number)}")
    return np.array([tier_of[node] for node in nodes])


def _listed(nodes: Iterable, number: dict[str, int]) -> str:
    """Nodes in a message, by name if they have names."""
    names = {i: name for name, i in number.items()}
    return ", ".join(str(names.get(node, node)) for node in nodes)
