"""Where things go: the size of a label and the place of each node.

Everything is in px, y downwards, and every function is pure. Graphviz places nodes in layers; `spread` places
them where Graphviz is missing, where layers would be a tower, and in pictures that change while one looks at
them: all nodes once, so that they can stay put.

References: E. Gansner et al., A technique for drawing directed graphs, IEEE TSE 19, 1993 (layers, order by
barycentres); E. Gansner, Y. Koren, S. North, Graph drawing by stress majorization, GD 2004.
"""

import unicodedata
from importlib import import_module

import networkx as nx
import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

FONT_SIZE = 13
LINE = 16  # px from one line of a label to the next
PAD_X, PAD_Y = 11, 6
GAP_X, GAP_Y = 26, 50  # px between neighbours in a layer, and between layers
MARGIN = 18  # px around a picture
MAX_CHARACTERS = 20  # a longer label is wrapped, then cut
WIDE = 780  # px: a layout that would be wider grows to the right instead of downwards
MOST_IN_LAYERS = 300  # edges: Graphviz needs seconds for so many among 25 nodes, minutes for 1,000

_WIDTHS = {
    0.24: "ijl'|",
    0.30: "ftI.,:;/!\\[] ",
    0.36: 'r-()"`{}*',
    0.52: "ckszvxyJ",
    0.60: "FLTZ",
    0.68: "ABEKPSVXY&",
    0.74: "wCDHNRU",
    0.80: "GOQ",
    0.88: "mM",
    0.96: "W@%",
}
_WIDTH = {character: width for width, characters in _WIDTHS.items() for character in characters}


def text_width(text, size=FONT_SIZE, bold=False):
    """Width in px that a sans-serif font of this size needs for the text, a little generous.

    >>> text_width("plot") < text_width("wonderful") < text_width("精彩的电影精彩")
    True
    """
    width = 0.0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Me", "Mn"):
            continue
        if unicodedata.east_asian_width(character) in "WF":
            width += 1.1
        else:
            plain = 0.57 if character.islower() or character.isdigit() else 0.66
            width += _WIDTH.get(character, plain)
    return width * size * (1.12 if bold else 1.06)


def wrap(label, limit=MAX_CHARACTERS, max_lines=2):
    """Break a label into at most two lines of about ``limit`` characters; what does not fit ends in "…".

    >>> wrap("Lord of the Rings: The Fellowship of the Ring, The (2001)")
    ('Lord of the Rings:', 'The Fellowship of t…')
    """
    words = " ".join(str(label).split()).split(" ")
    lines = [""]
    for number, word in enumerate(words):
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) <= limit or not lines[-1]:
            lines[-1] = longer
        elif len(lines) < max_lines:
            lines.append(word)
        else:
            lines[-1] = " ".join([lines[-1], *words[number:]])
            break
    return tuple(line if len(line) <= limit else line[: limit - 1] + "…" for line in lines)


def box_size(label, bold=False):
    """Lines of a label and the width and height in px of the box around them."""
    lines = wrap(label)
    width = max(text_width(line, bold=bold) for line in lines) + 2 * PAD_X
    return lines, max(34.0, round(width, 1)), float(LINE * len(lines) + 2 * PAD_Y)


def distances_from(root, n, pairs):
    """Number of edges from ``root`` to each of n nodes (n if it cannot be reached)."""
    graph: nx.Graph = nx.Graph(pairs)
    graph.add_node(root)
    far = nx.single_source_shortest_path_length(graph, root)
    return [far.get(node, n) for node in range(n)]


def parents_from(root, pairs):
    """Node -> the node before it on a shortest way from ``root``, which has None: breadth-first search."""
    near: dict = {}
    for a, b in pairs:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    parent, ring = {root: None}, [root]
    while ring:
        found = {v: u for u in reversed(ring) for v in near.get(u, ()) if v not in parent}
        parent |= found
        ring = list(found)
    return parent


# --- layers --------------------------------------------------------------------------------------


def in_layers(sizes, arcs, gap=GAP_X):
    """Place boxes in layers by Graphviz, downwards, or to the right where that would become too wide.

    From sizes (n, 2) and arcs (above, below) without a cycle to positions (n, 2) and a curve per arc, from
    box to box; None for both without pygraphviz. ``gap`` is the room between neighbours in a layer.
    """
    sizes = np.asarray(sizes, dtype=float).reshape(-1, 2)
    library = graphviz_library()
    if library is None:
        return None, None
    if not len(sizes):
        return sizes, []
    answer = _by_dot(library, sizes, arcs, (gap, GAP_Y))
    if np.ptp(answer[0][:, 0]) > WIDE:
        turned = _by_dot(library, sizes[:, ::-1], arcs, (14, 70))
        if np.ptp(turned[0][:, 1]) < WIDE:
            answer = turned[0][:, ::-1], [curve[:, ::-1] for curve in turned[1]]
    return answer


def graphviz_library():
    """The module pygraphviz, whose wheels bring Graphviz along; None if it is missing."""
    try:
        return import_module("pygraphviz")
    except ImportError:
        return None


def is_tower(positions):
    """Whether layers came out so high and slim that the picture would not fit a page."""
    if len(positions) < 3:
        return False
    width, height = np.ptp(positions, axis=0)
    return height > 460 and height > 1.4 * width


def _by_dot(library, sizes, arcs, gaps):
    graph = library.AGraph(directed=True, nodesep=gaps[0] / 72, ranksep=gaps[1] / 72)
    for i, (w, h) in enumerate(sizes):
        graph.add_node(i, shape="box", fixedsize="true", label="", width=w / 72, height=h / 72)
    for a, b in arcs:
        graph.add_edge(a, b, dir="none")
    graph.layout(prog="dot")

    def points(text):
        return np.array([point.split(",") for point in text.split()], dtype=float) * (1, -1)

    positions = np.concatenate([points(graph.get_node(i).attr["pos"]) for i in range(len(sizes))])
    return positions, [points(graph.get_edge(a, b).attr["pos"]) for a, b in arcs]


# --- a layout that can stay ----------------------------------------------------------------------


def spread(sizes, pairs, weights=None, aspect=1.7, max_width=820, top=None, upper=True, iterations=120):
    """Positions (n, 2) by stress majorisation, boxes pushed apart: a place for every node that can stay.

    From sizes (n, 2) and edges (a, b); the strongest links of ``weights`` (n, n), such as correlations,
    connect what these leave apart. ``aspect`` is width to height; the outermost centres are at most
    ``max_width`` px apart, unless the boxes need more room. The node ``top`` should be in the upper half, or
    in the lower.
    """
    sizes = np.asarray(sizes, dtype=float).reshape(-1, 2)
    n = len(sizes)
    if n < 2:
        return sizes / 2 + MARGIN
    distance = _graph_distances(n, pairs, weights)
    angle = 2 * np.pi * np.arange(n) / n
    place = np.column_stack([np.cos(angle), np.sin(angle)]) * distance.max() / 2
    weight = 1 / distance**2
    np.fill_diagonal(weight, 0)
    solve = np.linalg.pinv(np.diag(weight.sum(1)) - weight)
    for _ in range(iterations):
        step = place[:, None] - place[None]
        length = np.sqrt((step**2).sum(-1)) + np.eye(n) + 1e-9
        ratio = weight * distance / length
        place = solve @ (place * ratio.sum(1)[:, None] - ratio @ place)
    place = _turn_flat(place)
    if top is not None and (place[top, 1] > 0) == upper:
        place[:, 1] *= -1
    extent = np.maximum(np.ptp(place, axis=0), 1e-9)
    wide = min(1.6 * sizes[:, 0].mean() + 80, max_width / extent[0])
    high = np.clip(wide * extent[0] / (aspect * extent[1]), 0.55 * wide, 1.3 * wide)
    return push_apart(place * np.array([wide, high]), sizes) + MARGIN


def _graph_distances(n, pairs, weights):
    length = np.full((n, n), np.inf)
    np.fill_diagonal(length, 0)
    for a, b in _spanning_tree(weights):
        length[a, b] = length[b, a] = 1.4
    for a, b in pairs:
        length[a, b] = length[b, a] = 1.0
    for k in range(n):
        length = np.minimum(length, length[:, k, None] + length[None, k])
    length[~np.isfinite(length)] = 1 + length[np.isfinite(length)].max()
    np.fill_diagonal(length, 1)
    return length


def _spanning_tree(weights):
    """The heaviest tree that connects all nodes."""
    if weights is None:
        return []
    dear = 1 + np.max(weights) - np.asarray(weights, dtype=float)  # no weight is 0, which would mean no link
    return np.argwhere(minimum_spanning_tree(dear).toarray()).tolist()


def _turn_flat(place):
    """Turn the longest direction of a cloud of points to the horizontal, the first node to the upper left."""
    place = place - place.mean(0)
    _, _, axes = np.linalg.svd(place, full_matrices=False)
    place = place @ axes.T
    return place * np.where(place[0] > 0, -1, 1)


def push_apart(place, sizes, gap=(28, 36), rounds=300):
    """Move boxes until none overlaps another, each pair along the way that needs the smaller step."""
    place, sizes = np.array(place, dtype=float), np.asarray(sizes, dtype=float)
    half = (sizes + gap) / 2
    tie = np.sign(np.arange(len(place))[:, None] - np.arange(len(place)))[..., None]
    for _ in range(rounds):
        step = place[:, None] - place[None]
        need = half[:, None] + half[None] - np.abs(step)
        clash = (need > 0.5).all(-1)
        np.fill_diagonal(clash, False)
        if not clash.any():
            break
        side = np.where(step == 0, tie, np.sign(step))
        along_x = need[..., 0] <= need[..., 1]
        move = np.where(np.stack([along_x, ~along_x], -1), need * side, 0) * clash[..., None]
        place += 0.5 * move.sum(1) / np.sqrt(np.maximum(1, clash.sum(1)))[:, None]
    return place - (place - sizes / 2).min(0)
