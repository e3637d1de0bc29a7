"""One causal graph per head, over the units of interest and the outcome (CLEANN: steps 1-3, order of 4)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from ..attention.sem import words_attention
from ..attention.words import is_content_word
from ..causal.discovery import learn_pag
from ..causal.graphs import PAG
from ..causal.pds import PDSGraph, pds_distances, pds_sets
from ..models.protocol import Encoded, Model, is_whole
from .settings import GraphSettings

Graphs = tuple[dict[int, PAG], tuple[int, ...], tuple[str, ...]]  # of each head, units in them, notes


def learn_graphs(
    model: Model, encoded: Encoded, settings: GraphSettings | None = None, **fields: Any
) -> Graphs:
    """Learn one PAG per head over the units of interest and the outcome.

    Parameters
    ----------
    model, encoded
        See :mod:`cleann_lite.models.protocol`.
    settings
        How; or, without it, its fields by name: alpha=0.1, heads=0, words="all", …

    Returns
    -------
    pags : dict of int to PAG
        Their last node is the outcome.
    in_graph : tuple of int
        The unit of each other node, by position.
    notes : tuple of str

    Raises
    ------
    ValueError
        Settings that do not fit the model or the input, or settings and fields together: one sentence each.

    Examples
    --------
    >>> model = cl.load_model("pocket-sentiment")  # doctest: +SKIP
    >>> pags, in_graph, notes = cl.learn_graphs(model, model.encode("A dull film."))  # doctest: +SKIP
    """
    if settings is not None and fields:
        raise ValueError(f"settings are given whole or by name: got both, and {', '.join(fields)} by name")
    settings = GraphSettings(**fields) if settings is None else settings
    if not isinstance(encoded, Encoded):
        raise ValueError(f"learn_graphs takes what model.encode gives: got {type(encoded).__name__}")
    return graphs_of(settings.read(model, encoded), model, encoded, settings)


def graphs_of(
    attention: np.ndarray,
    model: Model,
    encoded: Encoded,
    settings: GraphSettings,
    tell: Callable[[], object] = lambda: None,
) -> Graphs:
    """As ``learn_graphs``, from attention that was read, (heads, tokens, tokens); ``tell`` before each."""
    settings = settings.of(model)
    heads = read_heads(settings.heads, len(attention))
    chosen, notes = _in_graph(encoded, settings, attention[list(heads)])
    groups, index = _group_tokens(encoded, attention.shape[1])
    outcome, units = index["outcome"], [index[u] for u in chosen]
    labels = [encoded.units[u] for u in chosen] + [encoded.outcome]
    pags = {}
    for head in heads:
        tell()
        words = words_attention(attention[head], groups)
        if settings.learner is not None:
            pags[head] = _checked_pag(
                settings.learner(words, [*units, outcome], labels), [*units, outcome], labels
            )
            continue
        assert settings.method is not None  # a model has one
        ordered = settings.method == "ordered-icd"
        earlier = sorted(units if settings.outcome_last else [*units, outcome])
        pags[head] = learn_pag(
            settings.test_of(words),
            method=settings.method,
            nodes=[*units, outcome],
            labels=labels,
            order=[*earlier, *[outcome] * settings.outcome_last] if ordered else None,
            tiers=[units, [outcome]] if units and settings.outcome_last and not ordered else None,
            max_tests=settings.max_tests,
        )
    return pags, chosen, (*notes, *_notes_of(pags))


def _notes_of(pags: dict[int, PAG]) -> Iterator[str]:
    """What the searches for the graphs left, each sentence once, with its heads."""
    heads: dict[str, list[int]] = {}
    for head, pag in pags.items():
        for note in pag.notes:
            heads.setdefault(note, []).append(head)
    for note, those in heads.items():
        many = "s" * (len(those) > 1)
        yield f"graph{many} of head{many} {', '.join(map(str, those))}: {note}"


def _checked_pag(pag: Any, variables: Sequence[int], labels: Sequence[str]) -> PAG:
    if not isinstance(pag, PAG) or len(pag.marks) != len(labels):
        got = f"one over {len(pag.marks)}" if isinstance(pag, PAG) else type(pag).__name__
        raise ValueError(f"learner must return a PAG over its {len(labels)} variables: got {got}")
    moved = set(pag.nodes) == set(variables) and pag.nodes not in (
        tuple(variables),
        tuple(range(len(labels))),
    )
    if moved or (pag.labels is not None and list(pag.labels) != list(labels)):
        told = f"got the nodes {pag.nodes} for {list(variables)}"
        raise ValueError(f"learner must keep the order of its variables, the outcome last: {told}")
    return pag


def read_heads(heads: Any, count: int) -> tuple[int, ...]:
    """Heads by number: all, or those named, each once; ValueError for one that the model does not have."""
    if isinstance(heads, str):
        if heads != "all":
            raise ValueError(f"heads must be 'all', a head or a list of heads: got {heads!r}")
        return tuple(range(count))
    chosen = tuple(heads) if isinstance(heads, Iterable) else (heads,)
    if not chosen or any(not is_whole(h) or not 0 <= int(h) < count for h in chosen):
        raise ValueError(f"heads must be among 0 … {count - 1}: got {heads!r}")
    return tuple(dict.fromkeys(int(h) for h in chosen))


def _group_tokens(encoded: Encoded, n_tokens: int) -> tuple[list[list[int]], dict[Any, int]]:
    """Tokens grouped into units, the outcome and the rest (special tokens), in the order of the text."""
    owner: dict[Any, tuple[int, ...]] = {"outcome": encoded.outcome_tokens}
    owner |= {unit: encoded.tokens[unit] for unit in maskable(encoded)}
    taken = {token for own in owner.values() for token in own}
    owner |= {("rest", t): (t,) for t in range(n_tokens) if t not in taken}
    ordered = sorted(owner, key=lambda name: owner[name][0])
    return [list(owner[name]) for name in ordered], {name: i for i, name in enumerate(ordered)}


def maskable(encoded: Encoded) -> list[int]:
    """The units that may be masked: all but the outcome's own."""
    outcome = set(encoded.outcome_tokens)
    return [u for u, p in enumerate(encoded.tokens) if not outcome & set(p)]


def paid(attention: np.ndarray, encoded: Encoded) -> np.ndarray:
    """Attention that the outcome pays to each unit: (…, tokens, tokens) -> (…, units)."""
    row = attention[..., list(encoded.outcome_tokens), :].mean(axis=-2)
    return np.moveaxis(np.array([row[..., list(own)].sum(axis=-1) for own in encoded.tokens]), 0, -1)


def _in_graph(
    encoded: Encoded, settings: GraphSettings, attention: np.ndarray
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Units of the graph, and the notes to tell."""
    allowed = range(len(encoded.units)) if encoded.eligible is None else encoded.eligible
    eligible = sorted(set(allowed) & set(maskable(encoded)))
    rule: Any = settings.words
    notes: list[str] = []
    if callable(rule):
        chosen = [u for u in eligible if rule(encoded.units[u])]
    elif isinstance(rule, Iterable) and not isinstance(rule, str):
        chosen = _named_units(encoded.units, eligible, rule)
    elif rule == "all":
        chosen = eligible
    elif rule == "content":
        chosen = [u for u in eligible if is_content_word(encoded.units[u])]
        if eligible and not chosen:
            chosen = eligible
            notes.append("no content word here: all words are in the graph")
    else:
        raise ValueError(f"words must be 'content', 'all', a function or a list of units: got {rule!r}")
    if len(chosen) > settings.max_nodes:
        weight = paid(attention.mean(axis=0), encoded)
        kept = sorted(chosen, key=lambda u: (-weight[u], u))[: settings.max_nodes]
        notes.append(
            f"{len(chosen)} units are too many for a graph: it holds the {settings.max_nodes} that the "
            f"outcome attends to most (mean over heads); the others stay in the text and are latent"
        )
        chosen = sorted(kept)
    return tuple(chosen), tuple(notes)


def _named_units(units: Sequence[str], eligible: Sequence[int], names: Iterable) -> list[int]:
    chosen = []
    for name in names:
        if not isinstance(name, str):
            matches = [u for u in eligible if is_whole(name) and u == name]
        else:
            matches = [u for u in eligible if units[u].lower() == name.lower()]
        if not matches:
            raise ValueError(f"words must name units of the input: {name!r} is not one (or is the outcome)")
        chosen += matches
    return sorted(set(chosen))


def tree_distances(pag: PAG, in_graph: Sequence[int]) -> dict[int, int]:
    """Distance of each unit from the outcome (the last node) in the PDS-tree, if there is one (step 3)."""
    root = len(pag.marks) - 1
    return {in_graph[i]: d for i, d in pds_distances(pag.marks, root).items() if i != root and d > 0}


def candidates(
    pags: dict[int, PAG],
    in_graph: Sequence[int],
    size: int,
    limit: int,
    effects: dict[int, float] | None = None,
) -> tuple[dict, bool]:
    """Legal sets of ``size`` units over all heads, by summed distance (step 4).

    The papers leave ties open, and a graph can have thousands. Here they go to the units with the largest
    ``effects`` (unit -> how much masking it alone lowered the outcome), which the search knows from size 1.

    Returns
    -------
    dict of tuple of int to (int, list of int)
        Units -> (smallest summed distance, heads by distance), in the order in which they are tried.
    bool
        Whether ``limit`` (sets per head) cut the list.
    """
    found: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    cut, effects = False, effects or {}
    # pds_sets breaks ties by node number: number the strongest unit first.
    numbered = sorted(range(len(in_graph)), key=lambda i: -effects.get(in_graph[i], 0.0))
    place = np.array([*numbered, len(in_graph)])
    for head, pag in pags.items():
        sets = list(islice(pds_sets(pag.marks[np.ix_(place, place)], len(in_graph), size), limit + 1))
        cut |= len(sets) > limit
        for members, distance in sets[:limit]:
            units = tuple(sorted(in_graph[place[i]] for i in members))
            found.setdefault(units, []).append((int(distance), head))
    ranked = {units: (min(by)[0], [h for _, h in sorted(by)]) for units, by in found.items()}
    strength = {units: -sum(effects.get(u, 0.0) for u in units) for units in ranked}
    return dict(sorted(ranked.items(), key=lambda item: (item[1][0], strength[item[0]], item[0]))), cut


@dataclass(frozen=True)
class HeadGraphs:
    """The graphs of one input, as ``learn_graphs`` gives them, and which sets of units they allow."""

    pags: dict[int, PAG] = field(default_factory=dict)
    in_graph: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def distances(self) -> dict[int, dict[int, int]]:
        """Head -> {unit: distance from the outcome in the PDS-tree}."""
        return {head: tree_distances(pag, self.in_graph) for head, pag in self.pags.items()}

    @property
    def reach(self) -> int:
        """Units in the largest tree."""
        return max((len(by) for by in self.distances.values()), default=0)

    @cached_property
    def _graphs(self) -> dict[int, PDSGraph]:
        return {head: PDSGraph(pag.marks) for head, pag in self.pags.items()}

    def place(self, units: Iterable[int]) -> dict:
        """Heads that allow a set, the nearest first, and its distance there, as fields of ExplanationSet."""
        units, number = tuple(units), {unit: i for i, unit in enumerate(self.in_graph)}
        by = []
        if all(unit in number for unit in units):
            bits = sum(1 << number[unit] for unit in units)
            for head, graph in self._graphs.items():
                if graph.legal(len(self.in_graph), bits):
                    by.append((sum(self.distances[head][unit] for unit in units), head))
        by.sort()
        return {
            "head": by[0][1] if by else None,
            "heads": tuple(sorted(head for _, head in by)),
            "distance": by[0][0] if by else None,
            "within_graph": bool(by),
        }
