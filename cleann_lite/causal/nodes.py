"""Nodes, orders, tiers, counts and switches as a caller gives them; nodes by number or by name."""

from collections.abc import Iterable, Sequence, Set
from numbers import Integral
from typing import Any

import numpy as np

from .batched import BatchedTest

MOST_NODES = 30_000  # their marks alone take 900 MB


def checked_count(name: str, value: Any, least: int = 1) -> None:
    """Raise ValueError unless a value is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be a whole number: got {value!r}")
    if int(value) < least:
        raise ValueError(f"{name} must be at least {least}: got {value}")


def checked_switches(**switches: Any) -> None:
    """Raise ValueError unless each value is True or False."""
    for name, value in switches.items():
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} must be True or False: got {value!r}")


def _listed(name: str, values: Any) -> tuple:
    if not isinstance(values, Iterable) or (name == "order" and isinstance(values, Set)):
        raise ValueError(f"{name} must be a list of nodes: got {values!r}")
    return tuple(values)


def _node(name: str, value: Any, number: dict[str, int]) -> Any:
    """Number of a node; a name that nobody has stays as it is."""
    if isinstance(value, str):
        return number.get(value, value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be numbers or names of nodes: got {value!r}")
    return int(value)


def numbers(test: BatchedTest) -> dict[str, int]:
    """Name -> number of each variable."""
    return {name: i for i, name in enumerate(test.names or ())}


def checked_nodes(test: BatchedTest, nodes: Iterable | None) -> tuple[int, ...]:
    """The variables that are nodes, by number."""
    n = test.n_variables
    if nodes is None:
        if n > MOST_NODES:
            raise ValueError(f"a graph has at most {MOST_NODES:,} nodes: the test has {n:,} variables")
        return tuple(range(n))
    named, number = _listed("nodes", nodes), numbers(test)
    found = tuple(_node("nodes", name, number) for name in named)
    unknown = [name for name in found if isinstance(name, str)]
    if unknown:
        raise ValueError(f"unknown node {unknown[0]!r}: the test has {', '.join(number) or 'no names'}")
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
    order = _listed("order", order)
    rank = {_node("order", node, number): position for position, node in enumerate(order)}
    if len(rank) != len(order) or not set(nodes) <= set(rank):
        wanted = f"got {_told(order, {})} for {_told(nodes, number)}"
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
    for tier, group in enumerate(_listed("tiers", tiers)):
        if isinstance(group, str) or not isinstance(group, Iterable):
            raise ValueError(f"tiers must be groups of nodes, earliest first: got {group!r} as a group")
        group = tuple(group)
        if not group:
            raise ValueError(f"each tier needs a node: tier {tier} is empty")
        for name in group:
            node = _node("tiers", name, number)
            if node not in nodes:
                known = _told(nodes, number)
                raise ValueError(f"tiers name {name!r}, which is not a node of this graph: {known}")
            if node in tier_of:
                raise ValueError(f"each node belongs to one tier: {name!r} is named twice")
            tier_of[node] = tier
    missing = [node for node in nodes if node not in tier_of]
    if missing:
        raise ValueError(f"each node needs a tier: none has {_told(missing, number)}")
    return np.array([tier_of[node] for node in nodes])


def _told(nodes: Iterable, number: dict[str, int]) -> str:
    """Nodes in a message, by name if they have names."""
    names = {i: name for name, i in number.items()}
    return ", ".join(str(names.get(node, node)) for node in nodes)
