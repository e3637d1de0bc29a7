"""The course of an edge: Bézier curves around boxes, cut so that their marks keep clear of the nodes.

A curve is an array (3k + 1, 2) of k cubic pieces, in px, y downwards. A box is (centre x, centre y, width,
height). Every function is pure, and those that run per picture take all edges at once.
"""

from dataclasses import dataclass

import numpy as np

from ..causal.graphs import Mark

HEAD = 10.0  # px length of an arrowhead; a circle is as long
# mark -> px from its centre to the frame of a node, from its centre to its tip, from its tip to the line
_ROOM = {Mark.CIRCLE: (HEAD / 2 + 0.3, HEAD / 2, HEAD - 1.2), Mark.ARROW: (4.0, 3.5, HEAD - 1.0)}
_NO_MARK = (0.2, 0.0, 0.0)

# how far a curve bends off its chord, and how far the bend lies from the middle, in shares of the length
_SMALL = [(0.0, 0.0)]
_SMALL += [(side * bend, 0.0) for bend in (0.13, 0.22, 0.34, 0.48) for side in (1, -1)]
_SMALL += [(side * b, skew) for b in (0.22, 0.34, 0.48) for skew in (-0.25, 0.25) for side in (1, -1)]
_BENDS = np.array([*_SMALL, (0.65, 0.0), (-0.65, 0.0), (0.9, 0.0), (-0.9, 0.0)])
_T = np.linspace(0.04, 0.96, 24)
_FINE = np.linspace(0, 1, 65)


@dataclass(frozen=True)
class Course:
    """An edge as it is drawn: the visible line, and tip and direction of the mark at both ends.

    A direction is a unit vector that points at the node.
    """

    line: np.ndarray
    tip_a: np.ndarray
    way_a: np.ndarray
    tip_b: np.ndarray
    way_b: np.ndarray

    @property
    def middle(self):
        """The point halfway along the line."""
        pieces = (len(self.line) - 1) // 3
        piece = self.line[3 * (pieces // 2) :][:4]
        return bezier(piece, np.array([0.5]))[0] if pieces % 2 else piece[0]


def _weights(t):
    """Of the four points of a cubic piece, at parameters t (…,): (…, 4)."""
    return np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=-1)


def bezier(piece, t):
    """Points at parameters t (m,) of one cubic piece (4, 2), or of many (e, 4, 2): (m, 2) or (e, m, 2)."""
    return _weights(t) @ np.asarray(piece, dtype=float)


def part(pieces, end):
    """The beginning of cubic pieces (e, 4, 2), each up to its own parameter ``end`` (e,) (de Casteljau)."""
    a, b, c, d = np.moveaxis(np.asarray(pieces, dtype=float), 1, 0)
    t = np.asarray(end, dtype=float)[:, None]
    ab, bc, cd = a + t * (b - a), b + t * (c - b), c + t * (d - c)
    abc, bcd = ab + t * (bc - ab), bc + t * (cd - bc)
    return np.stack([a, ab, abc, abc + t * (bcd - abc)], axis=1)


def route(positions, sizes, pairs, bounds=None):
    """One curve of one piece per pair, centre to centre, bent as little as keeps it off other boxes.

    ``positions`` and ``sizes`` are (n, 2); a curve should stay in ``bounds`` (left, top, right, bottom).
    """
    if not len(pairs):
        return []
    positions, half = np.asarray(positions, dtype=float), np.asarray(sizes, dtype=float) / 2 + 4
    ends = np.asarray(pairs)
    start, chord = positions[ends[:, 0]], positions[ends[:, 1]] - positions[ends[:, 0]]
    straight = start[:, None] + _T[:, None] * chord[:, None]  # (edges, samples, 2)
    inside = _inside(straight, positions, half)
    inside[np.arange(len(ends))[:, None], :, ends] = False
    control = start + chord / 2
    for number in np.flatnonzero(inside.any((1, 2))):
        control[number] = _bend(ends[number], positions, half, bounds)
    end = start + chord
    return list(np.stack([start, (start + 2 * control) / 3, (end + 2 * control) / 3, end], axis=1))


def _bend(pair, positions, half, bounds):
    """The control point of the smallest bend that touches the fewest boxes."""
    start, end = positions[pair]
    chord = end - start
    length = np.hypot(*chord) or 1.0
    normal = np.array([-chord[1], chord[0]]) / length
    bend, skew = _BENDS.T[..., None]
    control = (start + end) / 2 + skew * chord + 2 * bend * min(length, 420) * normal
    t = _T[:, None, None]
    points = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end  # (samples, bends, 2)
    inside = _inside(points, positions, half)
    inside[:, :, pair] = False
    cost = 3 * inside.any(0).sum(1) + inside.sum((0, 2)) + 0.02 * np.arange(len(_BENDS))
    if bounds is not None:
        cost += 3 * ((points < bounds[:2]) | (points > bounds[2:])).any(-1).sum(0)
    return control[int(np.argmin(cost))]


def _inside(points, positions, half):
    """Which points (…, 2) lie in which boxes: (…, n) bool."""
    x = np.abs(points[..., 0, None] - positions[:, 0]) < half[:, 0]
    return x & (np.abs(points[..., 1, None] - positions[:, 1]) < half[:, 1])


def courses(curves, boxes_a, boxes_b, marks, frames):
    """Cut curves at their boxes and make room for their marks: a `Course` each.

    Each curve leads from inside (or the rim of) box a to box b, rows of (e, 4); ``marks`` are pairs (at a, at
    b), ``frames``, (e, 2), how far the frame of either node reaches beyond its box, px.
    """
    curves = [np.asarray(curve, dtype=float) for curve in curves]
    if not curves:
        return []
    lines, tips_b, ways_b = _finish(
        curves, np.asarray(boxes_b), [m[1] for m in marks], np.asarray(frames)[:, 1]
    )
    lines, tips_a, ways_a = _finish(
        [line[::-1] for line in lines], np.asarray(boxes_a), [m[0] for m in marks], np.asarray(frames)[:, 0]
    )
    return [
        Course(line[::-1], *ends) for line, *ends in zip(lines, tips_a, ways_a, tips_b, ways_b, strict=True)
    ]


CLEAR = HEAD + 1.5  # px between two marks at one node, so that they do not overlap
MOST_APART = 500  # edges: among more there is no room to move


def apart(curves, ends, boxes, marks, frames, rounds=9):
    """`courses`, the curves moved along the frames of their nodes until no two marks there overlap.

    More than `MOST_APART` curves stay where they are. ``ends`` are pairs of nodes, ``boxes`` node -> box.
    """
    curves = [np.array(curve, dtype=float) for curve in curves]
    first, second = (np.array([boxes[pair[side]] for pair in ends]).reshape(-1, 4) for side in (0, 1))
    at_node: dict = {}
    for edge, pair in enumerate(ends):
        for side, node in enumerate(pair):
            at_node.setdefault(node, []).append((edge, side))
    crowded = {node: meet for node, meet in at_node.items() if len(meet) > 1}
    found = courses(curves, first, second, marks, frames)
    for _ in range(rounds - 1 if len(curves) <= MOST_APART else 0):
        moved = sorted({e for node, meet in crowded.items() for e in _push(curves, meet, found, boxes[node])})
        if not moved:
            break
        fresh = courses(
            [curves[e] for e in moved],
            first[moved],
            second[moved],
            [marks[e] for e in moved],
            np.asarray(frames)[moved],
        )
        for edge, course in zip(moved, fresh, strict=True):
            found[edge] = course
    return found


def _push(curves, meet, found, box):
    """Move the ends of the curves that meet at a node; the edges that had to move."""
    box = np.array(box)
    tips = np.array([found[e].tip_b if side else found[e].tip_a for e, side in meet])
    ways = np.array([found[e].way_b if side else found[e].way_a for e, side in meet])
    centres = tips - HEAD / 2 * ways
    distance = np.hypot(*np.moveaxis(centres[:, None] - centres[None], -1, 0))
    pairs = np.argwhere(np.triu(distance < CLEAR, 1)).tolist()
    for i, j in pairs:
        way = ways[i] + ways[j]
        along = np.array([-way[1], way[0]]) / max(np.hypot(*way), 1e-9)
        order = (centres[i] - centres[j]) @ along
        if not order:
            order = (found[meet[i][0]].middle - found[meet[j][0]].middle) @ along
        step = 0.6 * (CLEAR - distance[i, j]) * along * (1 if order >= 0 else -1)
        for (edge, side), move in ((meet[i], step), (meet[j], -step)):
            near, control = (-1, -2) if side else (0, 1)
            half = box[2:] / 2 - 3
            moved = np.clip(curves[edge][near] + move, box[:2] - half, box[:2] + half)
            curves[edge][control] += moved - curves[edge][near]
            curves[edge][near] = moved
    return {meet[k][0] for pair in pairs for k in pair}


def _finish(curves, boxes, marks, frames):
    """Cut the last end of every curve: a mark's centre stays clear of the box, whatever the angle."""
    room = np.array([_ROOM.get(mark, _NO_MARK) for mark in marks])
    heads, pieces = [], np.empty((len(curves), 4, 2))
    for number, curve in enumerate(curves):
        clear = frames[number] + room[number, 0]
        while len(curve) > 4 and _gap(curve[-4], boxes[number]) < clear:
            curve = curve[:-3]
        heads.append(curve[:-4])
        pieces[number] = curve[-4:]
    points = bezier(pieces, _FINE)
    gap = _gap(points, boxes[:, None])
    centre_at = _crossing(gap, frames + room[:, 0])
    centre = np.einsum("ek,ekd->ed", _weights(centre_at), pieces)
    away = np.hypot(*np.moveaxis(points - centre[:, None], -1, 0))
    away[centre_at[:, None] > _FINE] = 0.0
    tip_at = np.where(room[:, 1] > 0, _first(away, room[:, 1]), centre_at)
    tip = np.einsum("ek,ekd->ed", _weights(tip_at), pieces)
    away = np.hypot(*np.moveaxis(points - tip[:, None], -1, 0))
    away[tip_at[:, None] < _FINE] = 0.0
    line_at = np.where(room[:, 2] > 0, _crossing(away, room[:, 2]), tip_at)
    cut = part(pieces, np.maximum(line_at, 0.02))
    step = np.where((room[:, 2] > 0)[:, None], tip - cut[:, -1], cut[:, -1] - cut[:, -2])
    way = step / np.maximum(np.hypot(*step.T), 1e-9)[:, None]
    return [np.concatenate([head, piece]) for head, piece in zip(heads, cut, strict=True)], tip, way


def _gap(points, box):
    """Distance in px from points to a box, 0 inside."""
    return np.hypot(*np.moveaxis(np.maximum(np.abs(points - box[..., :2]) - box[..., 2:] / 2, 0), -1, 0))


def _crossing(values, level):
    """Per row, the last parameter at which the sampled values come down through the level."""
    above = values >= level[:, None]
    last = np.where(above.any(1), values.shape[1] - 1 - above[:, ::-1].argmax(1), 0)
    return _between(values, level, last, np.minimum(last + 1, values.shape[1] - 1))


def _first(values, level):
    """Per row, the first parameter at which the sampled values rise through the level (1 if never)."""
    above = values >= level[:, None]
    first = np.where(above.any(1), above.argmax(1), values.shape[1] - 1)
    return _between(values, level, np.maximum(first - 1, 0), first)


def _between(values, level, low, high):
    row = np.arange(len(values))
    v0, v1 = values[row, low], values[row, high]
    share = np.divide(level - v0, v1 - v0, out=np.zeros(len(values)), where=np.abs(v1 - v0) > 1e-9)
    return _FINE[low] + np.clip(share, 0, 1) * (_FINE[high] - _FINE[low])
