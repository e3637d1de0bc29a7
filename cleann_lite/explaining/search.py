"""From a causal graph to an explanation: the CLEANN search.

1. Put the outcome into the input and read the attention of the last layer, one matrix per head.
2. Learn a PAG per head over the units of interest and the outcome.
3. Root a potential-influence tree (PDS-tree) at the outcome: units at distance 1, 2, … of it.
4. For sizes r = 1, 2, …: take the legal sets of r units by summed distance, mask each, and run the model.
5. Stop after the first size at which a set changes the prediction, and report every set of that size.
6. On long inputs no small set suffices: then a larger legal one is grown (:mod:`cleann_lite.growth`).

Source: Rohekar, Gurwicz, Nisimov. Causal Interpretation of Self-Attention in Pre-Trained Transformers.
NeurIPS 2023; Nisimov et al. CLEAR. CONSEQUENCES at RecSys 2022. What the papers leave open (alpha, sample
size, heads, how to mask, words or pieces) is a parameter here and stands in ``Explanation.settings``.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, islice
from math import comb
from numbers import Integral
from os import PathLike

import numpy as np

from ..attention.sem import attention_correlation, words_attention
from ..attention.words import is_content_word
from ..causal.discovery import learn_pag
from ..causal.graphs import PAG
from ..causal.independence import PartialCorrelation
from ..causal.pds import pds_distances, pds_sets
from ..models.protocol import Encoded, Model
from .explanation import Explanation, ExplanationSet
from .growth import grow

_BATCH = 64


class Interventions:
    """The model under masking: every set of units runs once, in batches, and is counted.

    Parameters
    ----------
    model, encoded
        See :mod:`cleann_lite.protocol`.
    max_calls : int
        Inputs that may be run; ``run`` stops short of it and sets ``exhausted``.
    """

    def __init__(self, model: Model, encoded: Encoded, max_calls=1000, batch_size=_BATCH):
        self.model, self.encoded, self.max_calls, self.batch_size = model, encoded, max_calls, batch_size
        self.original = np.asarray(model.predict(encoded, [()])[0], dtype=np.float64)
        if not np.isfinite(self.original).all():
            raise ValueError(f"{model.name} predicts numbers that are not finite: are its weights sound?")
        self.calls = 1
        self.exhausted = False
        self._seen = {}

    @property
    def prediction(self) -> int:
        """Index of the untouched prediction."""
        return int(self.original.argmax())

    def run(self, masks: Iterable[Sequence[int]], until_first=False) -> list[tuple[int, ...]]:
        """Mask each set and return those that change the prediction, in the order given."""
        flips, masks = [], iter(tuple(sorted(m)) for m in masks)
        batch_size = min(8, self.batch_size) if until_first else self.batch_size
        while chunk := list(islice(masks, batch_size)):
            fresh = [m for m in dict.fromkeys(chunk) if m not in self._seen]
            room = self.max_calls - self.calls
            if len(fresh) > room:
                self.exhausted = True
                fresh = fresh[: max(room, 0)]
            if fresh:
                rows = self.model.predict(self.encoded, fresh)
                self.calls += len(fresh)
                for mask, row in zip(fresh, rows, strict=True):
                    top = int(row.argmax())
                    self._seen[mask] = (top, float(row[top]), float(row[self.encoded.target]))
            flips += self.flipped(chunk)
            if self.exhausted or (until_first and flips):
                break
        return flips

    def flipped(self, masks: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Those of some (sorted) sets that were run and change the prediction."""
        return [m for m in masks if m in self._seen and self._seen[m][0] != self.encoded.target]

    def remaining(self, mask) -> float:
        """Probability of the outcome with a set masked that was run; NaN if the cap kept it from running."""
        return self._seen.get(tuple(sorted(mask)), (0, 0.0, float("nan")))[2]

    def found(self, mask, heads=(), distance=None) -> ExplanationSet:
        """The record of a set that was run."""
        mask = tuple(sorted(mask))
        top, probability, left = self._seen[mask]
        masked = self.model.masked_input(self.encoded, mask)
        return ExplanationSet(
            units=tuple(self.encoded.units[u] for u in mask),
            positions=mask,
            head=heads[0] if heads else None,
            heads=tuple(sorted(heads)),
            distance=distance,
            replacement=self.model.label(top),
            probability=probability,
            rank=int((self.original > self.original[top]).sum()) + 1,
            target_probability=left,
            masked=masked if isinstance(masked, str) else tuple(masked),
        )


@dataclass(frozen=True)
class GraphSettings:
    """How a graph is learned from attention; the defaults are those of ``explain``."""

    alpha: float = 0.01
    n_samples: int | None = None
    method: str | None = None
    one_sided: bool = False
    layer: int = -1
    nodes: str | Callable | Sequence = "content"
    max_nodes: int = 64
    max_tests: int = 200_000
    correlation: Callable = attention_correlation
    learner: Callable | None = None

    def describe(self) -> dict:
        """JSON-ready settings; functions by name."""
        return {k: _plain(v) for k, v in vars(self).items() if v is not None}


def _plain(value):
    """A setting as JSON holds it: functions by name, numpy's numbers as Python's, collections as lists."""
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, str) or not isinstance(value, Iterable) else [_plain(v) for v in value]


def check_count(name, value, least=1):
    """Raise ValueError for a cap that is no whole number from ``least`` on."""
    if not isinstance(value, Integral):
        raise ValueError(f"{name} must be a whole number: got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}: got {value}")


def learn_graphs(model: Model, encoded: Encoded, heads="all", **settings):
    """Learn one PAG per head over the units of interest and the outcome (steps 1 and 2).

    Parameters
    ----------
    model, encoded
        See :mod:`cleann_lite.protocol`.
    heads : "all", int or sequence of int
    **settings
        Fields of :class:`GraphSettings`.

    Returns
    -------
    pags : dict of int to PAG
        Their last node is the outcome.
    nodes : tuple of int
        The unit of each other node.
    notes : tuple of str
    """
    settings = GraphSettings(**settings)
    check_count("max_nodes", settings.max_nodes)
    check_count("max_tests", settings.max_tests)
    attention = np.asarray(model.attention(encoded, settings.layer), dtype=np.float64)
    if attention.ndim != 3 or attention.shape[1] != attention.shape[2]:
        raise ValueError(f"attention must be (heads, tokens, tokens): got shape {attention.shape}")
    heads = _read_heads(heads, len(attention))
    nodes, notes = _choose_nodes(encoded, settings, attention[list(heads)])
    groups, index = _group_tokens(encoded, attention.shape[1])
    variables = [index[u] for u in nodes] + [index["outcome"]]
    labels = [encoded.units[u] for u in nodes] + [encoded.outcome]
    n_samples = model.hidden_size if settings.n_samples is None else settings.n_samples
    method = _method(settings.method, model)
    pags = {}
    for head in heads:
        words = words_attention(attention[head], groups)
        if settings.learner is not None:
            pags[head] = _checked_pag(settings.learner(words, variables, labels), labels)
            continue
        correlation = np.asarray(settings.correlation(words))
        if correlation.shape != words.shape:
            raise ValueError(f"correlation must give shape {words.shape}: got shape {correlation.shape}")
        test = PartialCorrelation(correlation, n_samples, alpha=settings.alpha, one_sided=settings.one_sided)
        order = sorted(variables) if method == "ordered-icd" else None
        pags[head] = learn_pag(
            test, method=method, nodes=variables, order=order, labels=labels, max_tests=settings.max_tests
        )
    return pags, nodes, (*notes, *_notes_of(pags))


def _notes_of(pags):
    """What the searches for the graphs left, each sentence once, with its heads."""
    heads = {}
    for head, pag in pags.items():
        for note in pag.notes:
            heads.setdefault(note, []).append(head)
    for note, those in heads.items():
        many = "s" * (len(those) > 1)
        yield f"graph{many} of head{many} {', '.join(map(str, those))}: {note}"


def _method(method, model):
    return ("ordered-icd" if model.causal else "icd") if method is None else method


def _checked_pag(pag, labels):
    if not isinstance(pag, PAG) or len(pag.marks) != len(labels):
        got = f"one over {len(pag.marks)}" if isinstance(pag, PAG) else type(pag).__name__
        raise ValueError(f"learner must return a PAG over its {len(labels)} variables: got {got}")
    return pag


def _read_heads(heads, count):
    if isinstance(heads, str):
        if heads != "all":
            raise ValueError(f"heads must be 'all', a head or a list of heads: got {heads!r}")
        return tuple(range(count))
    chosen = tuple(heads) if isinstance(heads, Iterable) else (heads,)
    if not chosen or any(not isinstance(h, Integral) or not 0 <= h < count for h in chosen):
        raise ValueError(f"heads must be among 0 … {count - 1}: got {heads!r}")
    return tuple(dict.fromkeys(int(h) for h in chosen))


def _group_tokens(encoded, n_tokens):
    """Tokens grouped into units, the outcome and the rest (special tokens), in the order of the text."""
    owner = {"outcome": encoded.outcome_positions}
    outcome = set(encoded.outcome_positions)
    owner |= {u: p for u, p in enumerate(encoded.positions) if not outcome & set(p)}
    taken = {p for positions in owner.values() for p in positions}
    owner |= {("rest", t): (t,) for t in range(n_tokens) if t not in taken}
    ordered = sorted(owner, key=lambda name: owner[name][0])
    return [list(owner[name]) for name in ordered], {name: i for i, name in enumerate(ordered)}


def _choose_nodes(encoded, settings, attention):
    """Units that stand in the graph, and the notes to tell."""
    eligible = range(len(encoded.units)) if encoded.eligible is None else encoded.eligible
    eligible = [u for u in eligible if not set(encoded.positions[u]) & set(encoded.outcome_positions)]
    rule, notes = settings.nodes, []
    if callable(rule):
        nodes = [u for u in eligible if rule(encoded.units[u])]
    elif isinstance(rule, Iterable) and not isinstance(rule, str):
        nodes = _named_units(encoded.units, eligible, rule)
    elif rule == "all":
        nodes = eligible
    elif rule == "content":
        nodes = [u for u in eligible if is_content_word(encoded.units[u])]
        if eligible and not nodes:
            nodes = eligible
            notes.append("no content word here: all words stand in the graph")
    else:
        raise ValueError(f"nodes must be 'content', 'all', a function or a list of units: got {rule!r}")
    if len(nodes) > settings.max_nodes:
        received = attention[:, list(encoded.outcome_positions)].mean(axis=(0, 1))
        weight = {u: received[list(encoded.positions[u])].sum() for u in nodes}
        kept = sorted(nodes, key=lambda u: (-weight[u], u))[: settings.max_nodes]
        notes.append(
            f"{len(nodes)} units are too many for a graph: it holds the {settings.max_nodes} that the "
            f"outcome attends to most (mean over heads); the others stay in the text and are latent"
        )
        nodes = sorted(kept)
    return tuple(nodes), tuple(notes)


def _named_units(units, eligible, names):
    nodes = []
    for name in names:
        if isinstance(name, Integral):
            matches = [u for u in eligible if u == name]
        else:
            matches = [u for u in eligible if units[u].lower() == str(name).lower()]
        if not matches:
            raise ValueError(f"nodes must name units of the input: {name!r} is not one (or is the outcome)")
        nodes += matches
    return sorted(set(nodes))


def tree_distances(pag: PAG, nodes: Sequence[int]) -> dict[int, int]:
    """Distance of each unit from the outcome (the last node) in the PDS-tree, where there is one."""
    root = len(pag.marks) - 1
    distances = pds_distances(pag.marks, root)
    items = distances.items() if isinstance(distances, dict) else enumerate(distances)
    return {nodes[i]: int(d) for i, d in items if i != root and np.isfinite(d) and d > 0}


def candidates(pags: dict[int, PAG], nodes: Sequence[int], size: int, limit: int, effects=None):
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
    found, cut, effects = {}, False, effects or {}
    # pds_sets breaks ties by node number: number the strongest unit first.
    numbered = sorted(range(len(nodes)), key=lambda i: -effects.get(nodes[i], 0.0))
    place = np.array([*numbered, len(nodes)])
    for head, pag in pags.items():
        sets = list(islice(pds_sets(pag.marks[np.ix_(place, place)], len(nodes), size), limit + 1))
        cut |= len(sets) > limit
        for members, distance in sets[:limit]:
            units = tuple(sorted(nodes[place[i]] for i in members))
            found.setdefault(units, []).append((int(distance), head))
    ranked = {units: (min(by)[0], [h for _, h in sorted(by)]) for units, by in found.items()}
    strength = {units: -sum(effects.get(u, 0.0) for u in units) for units in ranked}
    return dict(sorted(ranked.items(), key=lambda item: (item[1][0], strength[item[0]], item[0]))), cut


def explain(
    model: Model,
    input,
    *,
    target=None,
    heads="all",
    alpha: float = 0.01,
    n_samples: int | None = None,
    method: str | None = None,
    one_sided: bool = False,
    layer: int = -1,
    units: str = "words",
    nodes="content",
    max_size: int = 5,
    max_candidates: int = 200,
    max_calls: int = 1000,
    max_nodes: int = 64,
    max_tests: int = 200_000,
    max_grown: int = 40,
    certify: bool | int = True,
    correlation: Callable = attention_correlation,
    learner: Callable | None = None,
    progress: bool = False,
) -> Explanation:
    """Find the smallest sets of words (or films) in the model's own causal graph that make its prediction.

    Parameters
    ----------
    model
        From ``load_model``, or any object that fulfils :class:`cleann_lite.protocol.Model`.
    input : str or list of str
        A text, or a history of titles.
    target
        The outcome to explain: a class, the word (or its index) whose choice is explained, a film. None
        takes the model's prediction.
    heads : "all", int or sequence of int
        Heads whose graphs are searched; each masked input runs once however many heads propose it.
    alpha : float
        Level of the independence test, in (0, 1): edges with p > alpha are removed.
    n_samples : int, optional
        Effective sample size of the test; None takes the hidden size, as the CLEANN notebook does.
    method : "icd", "fci" or "ordered-icd", optional
        None takes ICD, and ordered ICD for decoders.
    one_sided : bool
        Call every negative partial correlation independent, as the code of 2023 did.
    layer : int
        Whose attention is read; -1 is the deepest.
    units : "words" or "pieces"
    nodes : "content", "all", callable or list
        Units that stand in the graph: words that are not function words (default), all, those for which a
        function of the label is true, or those named. The others stay in the input and become latent.
    max_size, max_candidates, max_calls, max_nodes, max_tests : int
        Caps on the size up to which all sets are tried, on the sets per head and size, on the inputs run by
        the search, on the units in a graph and on the candidate sets of one size that a graph is learned
        with. A cap that was hit is named in ``Explanation.notes``.
    max_grown : int
        Where all small sets fail, larger ones are grown up to this size (:mod:`cleann_lite.growth`), with
        half of the inputs; 0 grows none.
    certify : bool or int
        Prove by running every smaller set that none works; an int is the budget of that proof in inputs
        (True: 500). Where more sets exist, those of the units that matter most alone are run, with a quarter
        of it: they can refute that the set is smallest, not prove it.
    correlation, learner : callable, optional
        A covariance of one's own, (words, words) attention -> correlation; a learner of one's own,
        (attention of words, variables, labels) -> PAG whose last node is the outcome.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        Empty input, an unknown target, heads or settings out of range: one sentence each.

    Examples
    --------
    >>> model = cl.load_model("pocket-sentiment")  # doctest: +SKIP
    >>> cl.explain(model, "A dull film with a boring plot.").sets[0].units  # doctest: +SKIP
    ('dull', 'boring')
    """
    start = time.perf_counter()
    if isinstance(model, str | PathLike):
        raise ValueError(f"explain takes a model, not its name: load_model({str(model)!r}) gives one")
    caps = {"max_size": max_size, "max_candidates": max_candidates, "max_calls": max_calls}
    for name, value in {**caps, "max_nodes": max_nodes, "max_tests": max_tests}.items():
        check_count(name, value)
    check_count("max_grown", max_grown, least=0)
    budget = certify if not isinstance(certify, bool | np.bool_) else 500 if certify else 0
    if not isinstance(budget, Integral) or budget < 0:
        raise ValueError(f"certify must be True, False or a number of inputs: got {certify!r}")
    if isinstance(nodes, Iterator):
        nodes = list(nodes)  # it is read twice, for the graph and for the settings
    graph_settings = {
        "alpha": alpha, "n_samples": n_samples, "method": method, "one_sided": one_sided, "layer": layer,
        "nodes": nodes, "max_nodes": max_nodes, "max_tests": max_tests, "correlation": correlation,
        "learner": learner,
    }  # fmt: skip
    encoded = model.encode(input, target=target, units=units)
    tries = Interventions(model, encoded, max_calls)
    search = _Search(model, encoded, tries, max_size, max_candidates, max_grown)
    try:
        search.learn(heads, graph_settings)
        search.run(progress)
        search.certify(int(budget), progress)
    except KeyboardInterrupt:
        search.notes.append("the search was interrupted: this is what it had found so far")
        if not search.sets:
            search.failures.append("the search was interrupted")
    used = {
        "n_samples": model.hidden_size if n_samples is None else n_samples, "method": _method(method, model),
        "heads": list(search.pags), "units": units, **caps, "max_grown": max_grown, "certify": certify,
    }  # fmt: skip
    settings = GraphSettings(**graph_settings).describe() | {k: _plain(v) for k, v in used.items()}
    asked = {"target": target, "heads": heads, "units": units, **caps, "max_grown": max_grown}
    again = partial(explain, model, input, **asked, certify=certify, **graph_settings)
    return replace(search.result(input, settings, time.perf_counter() - start), again=again)


class _Search:
    """State of one search; ``explain`` turns it into an Explanation."""

    def __init__(self, model, encoded, tries, max_size, max_candidates, max_grown):
        self.model, self.encoded, self.tries = model, encoded, tries
        self.max_size, self.max_candidates, self.max_grown = max_size, max_candidates, max_grown
        self.pags, self.nodes, self.distances = {}, (), {}
        self.sets, self.smaller, self.certified = [], [], None
        self.failures, self.notes = [], list(encoded.notes)

    def learn(self, heads, settings):
        """The graphs and their trees (steps 1 to 3)."""
        self.pags, self.nodes, notes = learn_graphs(self.model, self.encoded, heads, **settings)
        self.distances = {h: tree_distances(pag, self.nodes) for h, pag in self.pags.items()}
        self.notes += notes

    def run(self, progress=False):
        """Sizes 1, 2, … until one succeeds (steps 4 and 5)."""
        if self.tries.prediction != self.encoded.target:
            predicted = self.model.label(self.tries.prediction)
            self.failures.append(f"the model predicts {predicted!r}, not {self.encoded.outcome!r}")
            return
        if not self.nodes:
            self.failures.append("no unit of the input stands in the graph")
            return
        if not any(self.distances.values()):
            self.failures.append(
                "no unit is linked to the outcome in any graph: a larger alpha keeps more edges"
            )
            return
        reach = max(len(by) for by in self.distances.values())
        tries, ranked, legal, whole = self.tries, {}, {}, 0
        budget = tries.max_calls
        if self.max_grown:
            tries.max_calls = max(1, budget // 2)
        for size in _progress(range(1, min(self.max_size, reach) + 1), "set size", progress):
            ranked, cut = candidates(self.pags, self.nodes, size, self.max_candidates, self.effects())
            legal = {units: heads[0] for units, (_, heads) in ranked.items()} or legal
            if cut:
                self.notes.append(
                    f"only the {self.max_candidates} nearest sets of size {size} per head were tried"
                )
            try:
                tries.run(ranked)
            finally:  # what was found before an interruption counts
                self.sets = [tries.found(m, ranked[m][1], ranked[m][0]) for m in tries.flipped(ranked)]
            whole += whole == size - 1 and not cut and not tries.exhausted
            if self.sets or tries.exhausted:
                break
        stopped, tries.exhausted, tries.max_calls = tries.exhausted, False, budget
        if stopped:
            share = "half of the" if self.max_grown else "the"
            self.notes.append(
                f"not all sets of size {size} were tried: {share} cap of {budget} inputs is for them"
            )
        grows = min(reach, self.max_grown) > size
        if not self.sets and grows:
            self.grow(legal, size, stopped)
        if tries.exhausted:
            self.notes.append(f"the search ended at its cap of {tries.max_calls} inputs")
        if not self.sets:
            self.failures.append(self.verdict(whole, reach, grows))

    def verdict(self, whole, reach, grows):
        """Why nothing was found: sets of up to ``whole`` units were all run, the trees hold ``reach``."""
        graphs = f"the graph{'s' * (len(self.pags) > 1)} of {len(self.pags)} head{'s' * (len(self.pags) > 1)}"
        if not whole:
            return f"no set in {graphs} that was tried changes the prediction"
        small = f"all of {'up to ' * (whole > 1)}{whole} unit{'s' * (whole > 1)}"
        tried = f"{small} were tried" if whole < reach else "all were tried"
        grown = ", and larger ones grown from them" if grows else ""
        return f"no set in {graphs} changes the prediction: {tried}{grown}"

    def grow(self, legal, size, stopped):
        """Go on from the best sets by a beam search (see :mod:`cleann_lite.growth`)."""
        grown = grow(self.tries, self.pags, self.nodes, legal.items(), self.max_grown)
        if grown is None:
            return
        units, head = grown
        distance = sum(self.distances[head][u] for u in units)
        self.sets = [self.tries.found(units, [head], distance)]
        self.notes.append(
            f"sets of more than {size - stopped} units were grown from smaller ones: every unit of this set "
            f"is needed, but not every other set was tried"
        )

    def effects(self, units=None):
        """How much masking each unit alone lowered the outcome, for the units that were run alone."""
        whole = self.tries.original[self.encoded.target]
        left = {u: self.tries.remaining((u,)) for u in (self.nodes if units is None else units)}
        return {u: whole - value for u, value in left.items() if np.isfinite(value)}

    def certify(self, budget, progress=False):
        """Run every smaller set of units, in the graph or not; where there are too many, the likeliest."""
        if not self.sets or not budget:
            return
        size = len(self.sets[0].positions)
        outcome = set(self.encoded.outcome_positions)
        units = [u for u, p in enumerate(self.encoded.positions) if not outcome & set(p)]
        proof = self.tries
        proof.exhausted, proof.max_calls = False, proof.calls + budget
        for smaller in _progress(range(1, size), "certify size", progress):
            whole = comb(len(units), smaller) <= proof.max_calls - proof.calls
            pool = units if whole else self._likeliest(units, smaller, budget // 4)
            flips = proof.run(combinations(pool, smaller), until_first=True)
            if flips:
                self.certified = False
                self.smaller = [proof.found(m) for m in flips]
                return
            if not whole or proof.exhausted:
                needed = sum(comb(len(units), s) for s in range(1, size))
                self.notes.append(
                    f"not certified: {needed:,} smaller sets exist and the proof may run {budget:,} inputs"
                )
                return
        self.certified = True

    def _likeliest(self, units, size, most):
        """The units that lowered the outcome most alone: as many as have at most ``most`` sets of a size."""
        effects = self.effects(units)
        count = max(k for k in range(len(units) + 1) if comb(k, size) <= most)
        return sorted(sorted(units, key=lambda u: -effects.get(u, 0.0))[:count])

    def result(self, input, settings, seconds):
        tries = self.tries
        return Explanation(
            input=recorded_input(input, self.encoded),
            task=self.model.task,
            model=self.model.name,
            prediction=self.model.label(tries.prediction),
            probability=float(tries.original[tries.prediction]),
            target=self.encoded.outcome,
            success=bool(self.sets),
            certified=self.certified,
            sets=tuple(self.sets),
            smaller=tuple(self.smaller),
            units=self.encoded.units,
            nodes=self.nodes,
            pags=self.pags,
            distances=self.distances,
            model_calls=tries.calls + 2,
            seconds=seconds,
            failures=tuple(self.failures),
            notes=tuple(self.notes),
            settings=settings,
        )


def recorded_input(input, encoded):
    """What ``Explanation.input`` holds: the text, the titles, or else the labels of the units."""
    if isinstance(input, str):
        return input
    return tuple(str(item) for item in input) if isinstance(input, list | tuple) else encoded.units


def _progress(steps, label, show):
    if not show:
        return steps
    from tqdm.auto import tqdm

    return tqdm(steps, desc=label)
