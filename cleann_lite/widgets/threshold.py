"""The threshold explorer: what α, the sample size and the test do to the causal graph of one head.

The pure part is `ThresholdState -> View`: `GraphSource` learns (and remembers) a PAG per setting, the
functions below compare, describe and draw it.
"""

from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ..attention.sem import attention_correlation, words_attention
from ..causal.discovery import learn_pag
from ..causal.graphs import distinct
from ..causal.independence import PartialCorrelation
from ..drawing.draw import draw
from ..drawing.edges import Given, edges_of
from ..drawing.layout import box_size, spread
from ..drawing.view import MOST_EDGES, NEAR_EDGES, View, choice, moved, parse_key, slider, switch
from ..explaining.settings import ANY_ALPHA
from .explorer import AGAIN, Explorer, checked_among

ALPHAS = (*(float(f"{10.0**e:.2g}") for e in np.arange(-10, -1, 0.25)), 0.1, 0.15, 0.2)
SAMPLES = (
    8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096, 10_000, 100_000, 1_000_000
)  # fmt: skip
METHODS = {"icd": "ICD", "fci": "FCI"}
FEW = 12  # edges that went and are drawn without being asked for
SETTINGS = ("alpha", "n", "sided", "method", "layer", "head")


class GraphSource:
    """PAGs over the words of one input, learned on demand and remembered.

    Parameters
    ----------
    correlations : array (layers, heads, k, k)
    words : sequence of k str
    ordered : bool
        The words have a causal order (GPT-like models): ordered ICD can be chosen.
    """

    def __init__(self, correlations, words, ordered=False):
        self.correlations = np.asarray(correlations, dtype=np.float64)
        self.words, self.ordered = list(words), ordered
        self.labels = distinct(self.words)
        if self.correlations.ndim != 4 or self.correlations.shape[2:] != (len(self.words),) * 2:
            raise ValueError(
                f"correlations must be (layers, heads, {len(self.words)}, {len(self.words)}) for "
                f"{len(self.words)} words: got shape {self.correlations.shape}"
            )
        self.test = lru_cache(maxsize=64)(self._test)
        self.pag = lru_cache(maxsize=512)(self._pag)
        self.positions = lru_cache(maxsize=32)(self._positions)

    def _test(self, n, sided, layer, head):
        for name, value, known in (
            ("sided", sided, ("two", "one")),
            ("layer", layer, range(self.correlations.shape[0])),
            ("head", head, range(self.correlations.shape[1])),
        ):
            checked_among(name, value, known)
        return PartialCorrelation(self.correlations[layer, head], n, one_sided=sided == "one")

    def _pag(self, alpha, n, sided, method, layer, head):
        test = self.test(n, sided, layer, head).with_alpha(alpha)
        order = range(len(self.words)) if method == "ordered-icd" else None
        return learn_pag(test, method=method, order=order, labels=self.labels)

    def _positions(self, *settings):
        pag = self.pag(*settings)
        sizes = [box_size(label, bold=True)[1:] for label in self.labels]
        weights = np.abs(self.correlations[settings[4], settings[5]])
        return tuple(map(tuple, spread(sizes, [(a, b) for a, b, *_ in pag.edges()], weights).round(1)))


def as_correlations(attention=None, correlation=None):
    """Correlations (layers, heads, k, k) from attention or correlation of 2, 3 or 4 axes.

    Raises
    ------
    ValueError
        For none or both, or another number of axes.
    """
    if (attention is None) == (correlation is None):
        raise ValueError("give either attention or correlation")
    given = np.asarray(attention if correlation is None else correlation, dtype=np.float64)
    if not 2 <= given.ndim <= 4 or given.shape[-1] != given.shape[-2]:
        raise ValueError(
            f"attention or correlation must be (k, k), (heads, k, k) or (layers, heads, k, k): got shape "
            f"{given.shape}"
        )
    given = given.reshape((1,) * (4 - given.ndim) + given.shape)
    if correlation is not None:
        return given
    return np.array([[attention_correlation(head) for head in layer] for layer in given])


def settings_of(state):
    """The settings on which the graph depends, in their order."""
    return tuple(state[name] for name in SETTINGS)


def describe_changes(pag, before):
    """Lists of sentences: edges that came, edges that went, edges whose marks changed."""
    told: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}
    for a, b, _, _, state, _ in edges_of(Given.of(pag), before, (), lambda a, b: None):
        if state in told:
            told[state].append(f"{pag.label(pag.nodes[a])} and {pag.label(pag.nodes[b])}")
    return tuple(told.values())


def p_text(p):
    """A p-value as text.

    >>> p_text(0.0312), p_text(3.2e-9), p_text(0.0)
    ('0.031', '3.2e-09', 'below 1e-300')
    """
    return "below 1e-300" if p < 1e-300 else f"{p:.2g}"


def edge_details(pag, test, pairs):
    """What to say of each pair (indices): p-values for an edge, separating set for a pair without one."""
    if not pairs:
        return {}
    label = [pag.label(node) for node in pag.nodes]
    edges = [pair for pair in pairs if pag.marks[pair]]
    doubts = dict(zip(edges, strongest_doubts(test, edges), strict=True))
    alone = [p_text(p) for p in test.p_values(*np.reshape(pairs, (-1, 2)).T, np.empty((len(pairs), 0), int))]
    said = {}
    for (a, b), p0 in zip(pairs, alone, strict=True):
        if (a, b) in doubts:
            p, z = doubts[a, b]
            more = "" if z is None else f"; given any one other word at most {p_text(p)} (given {label[z]})"
            said[a, b] = (
                f"{label[a]} and {label[b]}: adjacent. p = {p0} with nothing held fixed{more}. "
                f"No separating set was found at α = {test.alpha:g}."
            )
        else:
            given = pag.separating_set(pag.nodes[a], pag.nodes[b])
            free = f" (p = {p0} with nothing held fixed)" if given else ""
            said[a, b] = (
                f"{label[a]} and {label[b]}: no edge. Separating set {_set_text(pag, given)}: "
                f"p = {p_text(test.p_value(a, b, given))} > α = {test.alpha:g}{free}."
            )
    return said


def _set_text(pag, nodes):
    return "{" + ", ".join(map(pag.label, nodes)) + "}" if nodes else "nothing"


def strongest_doubts(test, pairs):
    """Per pair, the largest p-value given one other variable, and that variable: [(p, z)]."""
    k = test.n_variables
    if k < 3 or not pairs or test.n_samples <= 4:
        return [(0.0, None)] * len(pairs)
    others = np.array([[z for z in range(k) if z not in pair] for pair in pairs])
    x, y = (np.repeat([pair[i] for pair in pairs], k - 2) for i in (0, 1))
    r = np.nan_to_num(test.partial_correlations(x, y, others.reshape(-1, 1)), nan=1.0).reshape(others.shape)
    best = others[np.arange(len(pairs)), (r if test.one_sided else np.abs(r)).argmin(1)]
    p = test.p_values(*np.transpose(pairs), best[:, None])
    return list(zip(p.tolist(), best.tolist(), strict=True))


def node_detail(pag, test, i, limit=5):
    """What to say of a word: its edges, and what separates it from the words nearest to it."""
    near = np.flatnonzero(pag.marks[i])
    apart = np.flatnonzero((pag.marks[i] == 0) & (np.arange(len(pag.nodes)) != i))
    alone = test.p_values(np.full(len(apart), i), apart, np.empty((len(apart), 0), int))
    apart = apart[np.argsort(alone, kind="stable")].tolist()
    text = f"{pag.label(pag.nodes[i])}: {len(near)} edge{'s' * (len(near) != 1)}."
    parts = []
    for j in apart[:limit]:
        given = pag.separating_set(pag.nodes[i], pag.nodes[j])
        p = p_text(test.p_value(i, j, given))
        held = f" given {_set_text(pag, given)}" if given else ""
        parts.append(f"{pag.label(pag.nodes[j])}{held} (p = {p})")
    more = f" and {len(apart) - limit} more" if len(apart) > limit else ""
    return f"{text} Independent of {'; '.join(parts)}{more}." if parts else text


def setting_text(state):
    """The settings in words."""
    sided = {"two": "two-sided", "one": "one-sided"}[state["sided"]]
    return f"α = {state['alpha']:g}, n = {state['n']}, {sided}, {state['method'].upper()}"


def threshold_view(source, state, every=False):
    """The picture of one state: the PAG, what changed since the last one, and what its tests say.

    ``every`` word is told, not only the chosen one; without ``since`` there is nothing to compare.
    """
    settings = settings_of(state)
    pag = source.pag(*settings)
    before = source.pag(*(state["since"] or settings))
    alpha, n, sided, _, layer, head = settings
    test = source.test(n, sided, layer, head).with_alpha(alpha)
    chosen = parse_key(state["selected"])
    chosen = chosen if all(i < len(pag.nodes) for i in chosen) else ()
    centre = pag.nodes[chosen[0]] if state["around"] and chosen else None
    new, gone, changed = describe_changes(pag, before)
    seen = state["gone"] or len(gone) <= FEW
    kept = before if seen else replace(before, marks=np.where(pag.marks > 0, before.marks, 0))
    places = dict(zip(pag.nodes, source.positions(*state["arranged"]), strict=True))
    drawing = draw(
        pag,
        before=kept,
        focus=() if len(chosen) < 2 or not pag.marks[chosen] else [tuple(pag.nodes[i] for i in chosen)],
        max_edges=MOST_EDGES if centre is None else NEAR_EDGES,
        around=centre,
        positions=moved(places, pag.nodes, state["placed"]),
        title=f"Causal graph, layer {layer}, head {head}, α = {alpha:g}",
    )
    pairs: dict[tuple, None] = {(curve.a, curve.b): None for curve in drawing.scene.curves}
    pairs |= {chosen: None} if len(set(chosen)) == 2 else {}  # also when its edge went long ago
    details = {f"e{a}-{b}": text for (a, b), text in edge_details(pag, test, list(pairs)).items()}
    told = range(len(pag.nodes)) if every else chosen if len(chosen) == 1 else ()
    details |= {f"n{i}": node_detail(pag, test, i) for i in told}
    count = int(np.count_nonzero(np.triu(pag.marks)))
    status = f"{setting_text(state)}: {count} edge{'s' * (count != 1)}."
    if state["since"] not in (None, settings):
        status += (
            f" Since the last setting: {len(new)} new, {len(gone)} gone, {len(changed)} with other marks."
        )
    if not seen:
        status += f" The {len(gone)} that went are not drawn: tick “Edges that went”."
    removed = sum(curve.state == "removed" for curve in drawing.scene.curves)
    shown = len(drawing.words) - removed
    words_title = (
        f"{shown} edge{'s' * (shown != 1)} in words{f', and {removed} that went' if removed else ''}"
    )
    panels = [
        {"kind": "list", "title": title, "items": items[:12] + ["…"] * (len(items) > 12)}
        for title, items in (("New", new), ("Gone", gone), ("Other marks", changed))
        if items
    ]
    if state["since"] and not panels:
        panels = [{"kind": "text", "title": "Since the last setting", "text": "No edge has changed."}]
    panels += [{"kind": "text", "title": "Note", "text": note} for note in pag.notes]
    hint = "Point at an edge, or choose it with the arrow keys, to see its p-value and separating set."
    return View.of(
        drawing,
        words_title=words_title,
        controls=threshold_controls(source, state),
        panels=tuple(panels),
        details=details,
        detail=details.get(state["selected"], hint),
        selected=state["selected"] if chosen else None,
        status=status + (f" {drawing.caption}" if drawing.caption else ""),
        data={"settings": dict(zip(SETTINGS, settings, strict=True)), "details": details},
    )


def threshold_controls(source, state):
    """The controls of the threshold explorer in one state."""
    layers, heads = source.correlations.shape[:2]
    methods = METHODS | ({"ordered-icd": "ordered ICD"} if source.ordered else {})
    return (
        slider("alpha", "Significance level α", ALPHAS, state["alpha"], "{:g}".format),
        slider("n", "Sample size n", SAMPLES, state["n"], "{:,}".format),
        choice("sided", "Test", ("two", "one"), state["sided"], ("two-sided", "one-sided")),
        choice("method", "Method", tuple(methods), state["method"], tuple(methods.values())),
        choice("layer", "Layer", range(layers), state["layer"], hidden=layers == 1),
        choice("head", "Head", range(heads), state["head"], hidden=heads == 1),
        switch("around", "Only around the chosen word", state["around"], at="picture"),
        switch("gone", "Edges that went", state["gone"], at="picture"),
        AGAIN,
    )


class ThresholdExplorer(Explorer):
    """Move α and watch the edges: the PAG of one head, its tests and what each setting changes.

    Parameters
    ----------
    attention : array (k, k), (heads, k, k) or (layers, heads, k, k), optional
        Rows sum to 1.
    words : sequence of k str
    correlation : array, optional
        A correlation matrix instead of attention, same axes.
    n : int
        Effective sample size of the test.
    alpha, sided, method, layer, head
        First values of the controls; layer and head count from 0, and -1 is the last.
    ordered : bool
        The words have a causal order: ordered ICD can be chosen.

    Examples
    --------
    >>> attention = [[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]
    >>> explorer = ThresholdExplorer(attention, ["a", "fine", "film"])
    >>> explorer.set(alpha=0.1).state["alpha"]
    0.1
    """

    name = "thresholds"
    title = "Thresholds of the causal graph"
    hint = (
        "Move α and watch edges come and go. Words stay in place; what changed since the last setting is "
        "marked + (new), − (gone) or ~ (other marks)."
    )

    page_hint = "Move α and watch edges come and go. Words stay in place."
    kept: ClassVar = {"alpha": 13, "head": 12, "sided": 2, "layer": 6}

    def __init__(
        self, attention=None, words=None, *, correlation=None, n=64, alpha=ANY_ALPHA, sided="two",
        method="icd", layer=-1, head=0, ordered=False,
    ):  # fmt: skip
        correlations = as_correlations(attention, correlation)
        words = [f"X{i + 1}" for i in range(correlations.shape[-1])] if words is None else words
        self.source = GraphSource(correlations, words, ordered)
        layers, heads = correlations.shape[:2]
        state = {"alpha": float(alpha), "n": int(n), "sided": sided, "method": method}
        state |= {"layer": layers - 1 if layer == -1 else layer, "head": heads - 1 if head == -1 else head}
        settings = settings_of(state)
        state |= {"around": False, "gone": False, "selected": None, "placed": {}}
        super().__init__(**state, was=settings, since=settings, arranged=settings)

    @classmethod
    def of_model(cls, model, text, **settings):
        """The explorer for a text and a model: all layers and heads, words made of their word-pieces."""
        encoded = model.encode(text)
        groups, words = named_groups(encoded)
        layers: list[list[np.ndarray]] = []
        for layer in range(-1, -100, -1):
            try:
                attention = model.attention(encoded, layer)
            except (ValueError, IndexError):
                if not layers:
                    raise
                break
            layers.insert(0, [words_attention(head, groups) for head in attention])
        # the covariance is that of the whole matrix; what is left out of the graph is latent
        k = len(words)
        correlation = [[attention_correlation(head)[:k, :k] for head in layer] for layer in layers]
        settings = {"n": model.hidden_size, "ordered": model.causal, **settings}
        return cls(correlation=np.array(correlation), words=words, **settings)

    def started(self, state, shown):
        return {**state, "was": settings_of(shown)}

    def changed(self, state, name):
        return {**state, "since": state["was"]} if name in SETTINGS else state

    def reduce(self, state, event):
        if event["name"] == "select":
            same = event["item"] == state["selected"]
            return {**state, "selected": None if same else event["item"]}
        if event["name"] == "arrange":
            return {**state, "arranged": settings_of(state)}
        return state

    def page_view(self, state):
        return threshold_view(self.source, {**state, "since": None}, every=True)

    def render(self, state):
        past = {name: tuple(state[name]) for name in ("since", "arranged")}
        return threshold_view(self.source, {**state, **past})


def named_groups(encoded):
    """Tokens of each unit and of the outcome, in reading order, and their labels."""
    named = list(zip(encoded.tokens, encoded.units, strict=True))
    taken = {token for own in encoded.tokens for token in own}
    if not taken & set(encoded.outcome_tokens):
        named.append((tuple(encoded.outcome_tokens), encoded.outcome))
    named.sort()
    return [list(own) for own, _ in named], [label for _, label in named]
