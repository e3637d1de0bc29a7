"""Pictures of graphs: what they show, in every form, with and without Graphviz."""

import io
import itertools
import json
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import networkx as nx
import numpy as np
import pytest

from cleann_lite.causal.graphs import PAG, Mark
from cleann_lite.drawing import layout
from cleann_lite.drawing.curves import HEAD, bezier, courses, part, route
from cleann_lite.drawing.draw import draw
from cleann_lite.drawing.heatmap import describe_attention, heat_map
from cleann_lite.drawing.html import escape
from cleann_lite.drawing.svg import EDGE_LOOK, Curve, edge_look

SVG = "{http://www.w3.org/2000/svg}"
WORDS = ["The", "plot", "is", "thin", "but", "the", "actors", "are", "wonderful"]


def graph(edges, labels, nodes=None):
    """A PAG from (a, mark at a, mark at b, b)."""
    marks = np.zeros((len(labels), len(labels)), dtype=np.int8)
    for a, at_a, at_b, b in edges:
        marks[b, a], marks[a, b] = at_a, at_b
    return PAG(marks, nodes=nodes, labels=tuple(labels))


def random_graph(seed, k=9, share=0.3, labels=None):
    rng = np.random.default_rng(seed)
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k) if rng.random() < share]
    ends = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 2), (3, 3), (1, 3)]
    chosen = [ends[i] for i in rng.integers(len(ends), size=len(pairs))]
    edges = [(a, at_a, at_b, b) for (a, b), (at_a, at_b) in zip(pairs, chosen, strict=True)]
    return graph(edges, labels or [f"word{i}" for i in range(k)])


def tags(text):
    """Every tag of an HTML text with the names of its attributes, as a browser would split it."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, [name for name, _ in attrs]))

    Reader().feed(text)
    return found


@pytest.fixture
def without_graphviz(monkeypatch):
    monkeypatch.setattr(layout, "graphviz_library", lambda: None)


def parse(drawing):
    return ET.fromstring(drawing.svg)


def marks_shown(drawing, k):
    """Read the marks back from the SVG: for each end the mark's shape and the box that it touches."""
    root, found = parse(drawing), np.zeros((k, k), dtype=np.int8)
    number = {"none": 0, "circle": 1, "arrowhead": 2, "tail": 3}
    boxes = {}
    for group in root.iter(f"{SVG}g"):
        if "data-node" in group.attrib:
            frame = group.findall(f"{SVG}rect")[-1]
            x, y, w, h = (float(frame.get(key)) for key in ("x", "y", "width", "height"))
            boxes[int(group.get("data-node"))] = (x + w / 2, y + h / 2, w, h)
    for group in root.iter(f"{SVG}g"):
        if "data-a" not in group.attrib:
            continue
        a, b = int(group.get("data-a")), int(group.get("data-b"))
        marks = [child for child in group if child.get("data-mark")]
        assert len(marks) == 2
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", group.find(f"{SVG}path").get("d"))]
        for mark, end, other, tip in ((marks[0], a, b, numbers[:2]), (marks[1], b, a, numbers[-2:])):
            found[other, end] = number[mark.get("data-mark")]
            if mark.get("points"):
                tip = [float(n) for n in mark.get("points").split()[0].split(",")]
            x, y, w, h = boxes[end]
            gap = np.hypot(*np.maximum(np.abs(np.subtract(tip, (x, y))) - np.divide((w, h), 2), 0))
            assert gap < HEAD + 9, f"the mark at {end} is {gap:.0f} px from its node"
    return found


@pytest.mark.parametrize("way", ["own", "auto", "given"])
@pytest.mark.parametrize("seed", range(4))
def test_every_mark_of_the_graph_stands_at_the_right_node(seed, way):
    pag = random_graph(seed)
    positions = {i: (60 + 110 * (i % 3), 40 + 90 * (i // 3)) for i in range(9)} if way == "given" else None
    drawing = draw(
        pag, positions=positions, max_edges=None, layout="auto" if way == "given" else way, outcome=2
    )
    assert np.array_equal(marks_shown(drawing, 9), pag.marks)
    assert drawing.layout == (way if way != "auto" else drawing.layout)


def test_the_same_marks_without_graphviz(without_graphviz, recwarn):
    pag = random_graph(7)
    drawing = draw(pag, max_edges=None)
    assert drawing.layout == "own" and not recwarn.list
    assert np.array_equal(marks_shown(drawing, 9), pag.marks)
    with pytest.raises(ValueError, match="needs pygraphviz"):
        draw(pag, layout="dot")


@pytest.mark.parametrize("seed", range(6))
def test_boxes_never_overlap_and_edges_keep_off_other_boxes(seed, without_graphviz):
    for positions in (None, "spread"):
        pag = random_graph(seed, k=14, share=0.16, labels=[f"a longer word {i}"[: 4 + i] for i in range(14)])
        if positions:
            sizes = [layout.box_size(label)[1:] for label in pag.labels]
            at = layout.spread(sizes, [(a, b) for a, b, *_ in pag.edges()]) + 20
            positions = dict(enumerate(at.tolist()))
        scene = draw(pag, positions=positions, max_edges=None).scene
        boxes = scene.boxes
        for i, one in enumerate(boxes):
            for other in boxes[i + 1 :]:
                apart = (
                    abs(one.x - other.x) - (one.w + other.w) / 2,
                    abs(one.y - other.y) - (one.h + other.h) / 2,
                )
                assert max(apart) > 3
            assert one.x - one.w / 2 >= 0 and one.x + one.w / 2 <= scene.width
            assert one.y - one.h / 2 >= 0 and one.y + one.h / 2 <= scene.height
        hits = 0
        for curve in scene.curves:
            line = curve.course.line
            pieces = [line[i : i + 4] for i in range(0, len(line) - 1, 3)]
            points = np.concatenate([bezier(piece, np.linspace(0, 1, 20)) for piece in pieces])
            for box in boxes:
                if box.index not in (curve.a, curve.b):
                    inside = np.abs(points - (box.x, box.y)) < np.divide((box.w, box.h), 2) - 1
                    hits += bool(inside.all(1).any())
        assert hits <= len(scene.curves) / 8


def test_positions_stay_put_while_edges_come_and_go():
    before = random_graph(1)
    marks = before.marks.copy()
    gone = next((a, b) for a, b, *_ in before.edges())
    marks[gone], marks[gone[::-1]] = 0, 0
    new = next((a, b) for a in range(9) for b in range(a) if not before.marks[a, b])
    marks[new], marks[new[::-1]] = Mark.CIRCLE, Mark.ARROW
    turned = next((a, b) for a, b, *_ in before.edges() if (a, b) != gone)
    marks[turned], marks[turned[::-1]] = (Mark.CIRCLE, Mark.CIRCLE)
    if (before.marks[turned], before.marks[turned[::-1]]) == (Mark.CIRCLE, Mark.CIRCLE):
        marks[turned] = Mark.ARROW
    first = draw(before, max_edges=None)
    second = draw(PAG(marks, labels=before.labels), before=before, positions=first.positions, max_edges=None)
    assert second.positions == first.positions
    states = {frozenset((c.a, c.b)): c.state for c in second.scene.curves}
    assert states.pop(frozenset(gone)) == "removed"
    assert states.pop(frozenset(new)) == "added"
    assert states.pop(frozenset(turned)) == "changed"
    assert set(states.values()) <= {"same"}
    assert sum("(gone)" in sentence for sentence in second.words) == 1
    assert sum("(new)" in sentence for sentence in second.words) == 1


def test_a_large_graph_shows_the_neighbourhood_of_the_outcome_and_says_so():
    chain = [(i, Mark.CIRCLE, Mark.ARROW, i + 1) for i in range(59)]
    pag = graph(chain, [f"w{i}" for i in range(60)])
    drawing = draw(pag, outcome=30)
    assert len(drawing.scene.curves) == 25 and "25 of 59 edges" in drawing.caption
    assert {c.a for c in drawing.scene.curves} <= set(range(17, 43))
    assert "“w30”" in drawing.caption and drawing.caption in drawing.alt
    everything = draw(pag, outcome=30, max_edges=None)
    assert len(everything.scene.curves) == 59 and everything.caption == ""
    far = draw(pag, outcome=30, focus=[(0, 1)], max_edges=3)
    assert (0, 1) in {(c.a, c.b) for c in far.scene.curves}


@pytest.mark.parametrize("kept", [False, True], ids=["placed here", "places are given"])
def test_a_complete_graph_of_48_nodes_is_drawn_whole_in_seconds(kept):
    pag = graph([(a, 1, 2, b) for b in range(48) for a in range(b)], [f"w{i}" for i in range(48)])
    places = {i: (60 + 90 * (i % 8), 40 + 70 * (i // 8)) for i in range(48)} if kept else None
    started = time.process_time()
    picture = draw(pag, outcome=47, max_edges=None, positions=places)
    assert time.process_time() - started < 10  # Graphviz alone needs minutes, and is not asked
    assert (len(picture.words), len(picture.positions), picture.caption) == (48 * 47 // 2, 48, "")
    assert picture.layout == ("given" if kept else "spread")
    for a, b in itertools.combinations(picture.scene.boxes, 2):
        assert abs(a.x - b.x) >= (a.w + b.w) / 2 or abs(a.y - b.y) >= (a.h + b.h) / 2


def test_the_edges_that_link_a_set_to_the_outcome_come_first():
    star = [(0, Mark.ARROW, Mark.ARROW, leaf) for leaf in range(1, 40)]
    chain = [(39 + i, Mark.ARROW, Mark.ARROW, 40 + i) for i in range(1, 6)]  # 40 … 45
    around = [
        (0, Mark.ARROW, Mark.ARROW, 40),
        (41, Mark.ARROW, Mark.ARROW, 1),
        (45, Mark.ARROW, Mark.ARROW, 2),
    ]
    pag = graph([*star, *chain, *around], [f"w{i}" for i in range(46)])

    def pairs(nodes, most):
        return {(c.a, c.b) for c in draw(pag, outcome=0, sets=[nodes], max_edges=most).scene.curves}

    inside = [(0, 40), (40, 41), (41, 42), (42, 43), (43, 44), (44, 45)]
    assert pairs((40, 41, 42, 43, 44, 45), 6) == set(inside)  # not by the shorter way over 2
    assert pairs((40, 41, 42, 43, 44, 45), 7) - set(inside) == {(0, 1)}
    assert pairs((45,), 2) == {(0, 2), (2, 45)}  # no way inside the set: the shortest one
    drawing = draw(pag, outcome=0, sets=[(40, 41)], max_edges=6)
    assert drawing.caption == ("6 of 47 edges, those that link the marked sets, then those nearest to “w0”.")


def test_a_set_out_of_reach_is_shown_without_edges():
    pag = graph([*[(i, Mark.CIRCLE, Mark.CIRCLE, i + 1) for i in range(9)]], [f"w{i}" for i in range(12)])
    drawing = draw(pag, outcome=0, sets=[(11,)], max_edges=4)
    assert len(drawing.scene.curves) == 4 and any(box.letters == ("A",) for box in drawing.scene.boxes)


def test_every_set_keeps_its_letter_and_its_place():
    many = draw(graph([], [f"w{i}" for i in range(30)]), sets=[(i,) for i in range(30)])
    assert [box.letters[0] for box in many.scene.boxes][25:28] == ["Z", "A1", "B1"]
    crowded = draw(graph([(0, 1, 2, 1)], ["no", "b"]), sets=[(0,)] * 7)
    circles = [e for e in ET.fromstring(crowded.svg).iter(f"{SVG}circle") if e.get("r") == "8"]
    assert min(float(e.get("cx")) - 8 for e in circles) >= 0


@pytest.mark.parametrize("seed", range(8))
def test_a_letter_hides_no_mark_where_a_corner_is_free(seed):
    drawing = draw(random_graph(seed, share=0.35), sets=[range(0, 9, 2), range(0, 9, 3)])
    root, around = ET.fromstring(drawing.svg), []
    for circle in root.iter(f"{SVG}circle"):
        if circle.get("data-mark"):
            around.append([float(circle.get("cx")), float(circle.get("cy"))])
    for head in root.iter(f"{SVG}polygon"):
        corners = [[float(v) for v in corner.split(",")] for corner in head.get("points").split()]
        around.append(np.mean(corners, axis=0))
    boxes = {box.index: box for box in drawing.scene.boxes}
    for node in (g for g in root.iter(f"{SVG}g") if g.get("data-node") and int(g.get("data-node")) >= 0):
        box = boxes[int(node.get("data-node"))]
        discs = [[float(c.get("cx")), float(c.get("cy"))] for c in node.iter(f"{SVG}circle")]
        assert len(discs) == len(box.letters)
        if discs and min(np.linalg.norm(np.subtract(d, m)) for d in discs for m in around) < 11:
            assert not any(clear(box, corner, around) for corner in ((1, -1), (-1, -1), (1, 1), (-1, 1)))


def kept_places(seed):
    """A graph at the places of a sparser one, as an explorer shows it after α has moved."""
    pag, sparse = (random_graph(seed, k=14, share=share) for share in (0.2, 0.12))
    sizes = [layout.box_size(f"word{i}")[1:] for i in range(14)]
    at = layout.spread(sizes, [(a, b) for a, b, *_ in sparse.edges()]) + 20
    return draw(pag, positions=dict(enumerate(at.tolist())), max_edges=None).scene


def crossed_boxes(scene):
    """Edges that run through the box of a third node."""
    found = []
    for curve in scene.curves:
        line = curve.course.line
        pieces = [bezier(line[i : i + 4], np.linspace(0, 1, 40)) for i in range(0, len(line) - 1, 3)]
        for box in scene.boxes:
            inside = np.abs(np.concatenate(pieces) - (box.x, box.y)) < np.divide((box.w, box.h), 2) - 1
            if box.index not in (curve.a, curve.b) and inside.all(1).any():
                found.append((curve.a, curve.b))
    return found


def marks_that_overlap(scene):
    """Pairs of arrowheads or circles at one node whose centres are nearer than a mark is long."""
    at, count = {}, 0
    for c in scene.curves:
        ends = (
            (c.a, c.mark_a, c.course.tip_a, c.course.way_a),
            (c.b, c.mark_b, c.course.tip_b, c.course.way_b),
        )
        for node, mark, tip, way in ends:
            if mark != Mark.TAIL:
                at.setdefault(node, []).append(tip - HEAD / 2 * way)
    for centres in map(np.array, at.values()):
        distance = np.hypot(*np.moveaxis(centres[:, None] - centres[None], -1, 0))
        count += int((distance[np.triu_indices(len(centres), 1)] < HEAD - 1).sum())
    return count


def test_edges_go_round_words_and_marks_stand_apart_when_places_are_kept():
    kept = [kept_places(seed) for seed in range(16)]
    placed = [
        draw(random_graph(seed, k=14, share=0.2), outcome=0, max_edges=None).scene for seed in range(16)
    ]
    edges = sum(len(scene.curves) for scene in kept)
    assert edges > 250
    assert sum(len(crossed_boxes(scene)) for scene in kept) <= edges / 200
    assert sum(map(marks_that_overlap, kept)) <= edges / 100  # a node may have more marks than room
    assert sum(map(marks_that_overlap, placed)) == 0
    if layout.graphviz_library():
        assert sum(len(crossed_boxes(scene)) for scene in placed) == 0


def test_an_outcome_that_causes_nothing_stands_below_its_causes():
    pag = graph([(0, 1, 2, 3), (1, 3, 2, 3), (2, 1, 1, 1)], ["a", "b", "c", "outcome"])
    for way in ("auto", "own"):
        at = draw(pag, outcome=3, layout=way).positions
        assert at[3][1] > max(at[0][1], at[1][1]), way
    assert draw(graph([(0, 1, 1, 3), (1, 3, 2, 3)], "abcd"), outcome=3).positions[3][1] < 60


def test_a_node_in_two_groups_is_refused():
    with pytest.raises(ValueError, match="each node belongs to one group: 'b' is in two"):
        draw(nx.DiGraph([("a", "b"), ("b", "c")]), groups={"A": ["a", "b"], "B": ["b", "c"]})


@pytest.mark.parametrize("seed", range(4))
def test_groups_stand_on_grounds_of_their_own_with_their_names(seed):
    pag = random_graph(seed, k=12, labels=[*"abcdefghijk", "outcome"])
    groups = {"Text 1": range(7), "Text <2>": range(7, 11)}
    first = draw(pag, outcome=11, groups=groups, max_edges=None)
    again = draw(pag, outcome=11, groups=groups, max_edges=8, positions=first.positions)
    for picture in (first, again):
        bands = {band.name: band for band in picture.scene.bands}
        assert list(bands) == list(groups)
        for box in picture.scene.boxes:
            inside = [
                name
                for name, b in bands.items()
                if b.x < box.x - box.w / 2 and box.x + box.w / 2 < b.x + b.w
                and b.y < box.y - box.h / 2 and box.y + box.h / 2 < b.y + b.h
            ]  # fmt: skip
            assert inside == [name for name, nodes in groups.items() if box.index in nodes]
        upper, lower = bands.values()
        assert upper.y + upper.h < lower.y, "one below the other"
        assert (
            min(b.x for b in bands.values()) >= 0
            and max(b.x + b.w for b in bands.values()) <= picture.scene.width
        )
        root = ET.fromstring(picture.svg)
        grounds = [g.get("data-group") for g in root.iter(f"{SVG}g") if g.get("data-group")]
        assert grounds == list(groups)
        assert "Text 1: a, b, c, d, e, f, g." in first.alt and "Text <2>: h, i, j, k." in first.alt
        told = {n["label"]: n.get("group") for n in json.loads(first.to_json())["nodes"]}
        assert told == dict.fromkeys("abcdefg", "Text 1") | dict.fromkeys("hijk", "Text <2>") | {
            "outcome": None
        }
        assert 'label="Text 1"' in first.dot
    overlaps = [
        (a.label, b.label)
        for a, b in itertools.combinations(first.scene.boxes, 2)
        if abs(a.x - b.x) < (a.w + b.w) / 2 and abs(a.y - b.y) < (a.h + b.h) / 2
    ]
    assert not overlaps
    with pytest.raises(ValueError, match="'z' is not a node of this graph"):
        draw(pag, groups={"Text 1": "z"})


def test_equal_words_are_told_apart_everywhere():
    pag = graph([(0, 1, 2, 2), (1, 3, 2, 2)], ["great", "great", "negative"])
    drawing = draw(pag, outcome=2)
    assert [box.label for box in drawing.scene.boxes] == ["great₁", "great₂", "negative"]
    assert "great₁" in drawing.words[0] and "great₂" in drawing.words[1] and "great₂" in drawing.alt
    assert 'label="great₁"' in drawing.dot and "great₂" in drawing.to_json()


def test_the_legend_fits_and_shows_an_end_as_the_picture_does():
    dag = nx.DiGraph([("U", "X")])
    drawing = draw(dag, latent=["U"])
    assert drawing.scene.width >= max(
        x + 34 + 4 + layout.text_width(t, 11) for _, t, x, _ in drawing.scene.legend
    )
    tail = draw(graph([(0, 3, 3, 1)], "ab"))
    sample = next(g for g in parse(tail).iter(f"{SVG}g") if g.get("data-legend", "").startswith("tail"))
    assert len(list(sample.iter(f"{SVG}path"))) == 1, "a line that ends at a node, without a separate bar"
    assert len(list(sample.iter(f"{SVG}rect"))) == 1


def test_labels_of_a_png_need_no_system_font(monkeypatch):
    resvg = pytest.importorskip("resvg_py")
    image = pytest.importorskip("PIL.Image")
    paint = resvg.svg_to_bytes
    monkeypatch.setattr(resvg, "svg_to_bytes", lambda *a, **k: paint(*a, **k, skip_system_fonts=True))
    drawing = draw(graph([(0, 1, 2, 1)], ["wonderful", "negative"]), outcome=1)

    def dark(scene):
        """Dark pixels inside the first box, two to a px."""
        box = scene.scene.boxes[0]
        pixels = np.asarray(image.open(io.BytesIO(scene.png)).convert("L"))
        assert pixels.shape == (2 * int(np.ceil(scene.scene.height)), 2 * int(np.ceil(scene.scene.width)))
        top, left = round(2 * (box.y - box.h / 2)) + 6, round(2 * (box.x - box.w / 2)) + 6
        return int((pixels[top : top + 2 * int(box.h) - 12, left : left + 2 * int(box.w) - 12] < 100).sum())

    assert dark(drawing) > 150


def clear(box, corner, marks):
    """Whether no mark is near the letters of a node at this corner."""
    x, y = box.x + corner[0] * (box.w / 2 - 4), box.y + corner[1] * box.h / 2
    discs = [(x - corner[0] * 15 * number, y) for number in range(len(box.letters))]
    return min(np.linalg.norm(np.subtract(d, m)) for d in discs for m in marks) > 14.5


def test_user_text_is_escaped_everywhere():
    nasty = ['<img src=x onerror="alert(1)">', "<script>alert(2)</script>", "a\x00b\x1b\ud800&amp;"]
    pag = graph([(0, 1, 2, 1), (1, 3, 2, 2)], nasty)
    drawing = draw(pag, outcome=0, sets=[(1,)], title=nasty[1], edge_labels={(0, 1): nasty[0]})
    for text in (drawing.svg, drawing._repr_html_(), drawing.as_image()):
        assert "<script" not in text and "<img src=x" not in text
        assert not {name for _, attributes in tags(text) for name in attributes if name.startswith("on")}
    root = ET.fromstring(drawing.svg)
    names = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert names == {"svg", "title", "desc", "rect", "g", "path", "polygon", "circle", "text"}
    assert not any("href" in key or key.startswith("on") for e in root.iter() for key in e.attrib)
    assert root.find(f"{SVG}title").text == nasty[1]
    assert '\\"' in drawing.dot and nasty[1] in drawing.dot
    assert "\x00" not in drawing.dot and drawing.dot.encode()


def test_a_picture_says_in_words_what_it_shows():
    pag = graph(
        [(0, Mark.CIRCLE, Mark.ARROW, 2), (1, Mark.TAIL, Mark.ARROW, 2)], ["thin", "plot", "negative"]
    )
    drawing = draw(pag, outcome=2, sets=[(0, 1), (1,)], masked=[0])
    for told in (
        "3 nodes and 2 edges",
        "outcome “negative”",
        "Set A: thin, plot",
        "Set B: plot",
        "o-> negative",
    ):
        assert told in drawing.alt
    assert list(drawing.words) == pag.describe()
    root = parse(drawing)
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("aria-labelledby").split() == [title.get("id"), description.get("id")]
    assert description.text == drawing.alt
    sentences = [g.find(f"{SVG}title").text for g in root.iter(f"{SVG}g") if "data-a" in g.attrib]
    assert sorted(sentences) == sorted(drawing.words)
    assert all(escape(sentence) in drawing._repr_html_() for sentence in drawing.words)
    struck = [t.text for t in root.iter(f"{SVG}text") if t.get("text-decoration")]
    assert struck == ["thin"]
    assert drawing.svg.count("<title id=") == 1
    assert draw(pag, outcome=1).scene.boxes[1].role == "outcome"


def test_the_title_is_read_below_the_picture():
    shown = draw(PAG([[0, 2], [3, 0]], labels=("a", "b")), title="What a & b tell")._repr_html_()
    assert "What a &amp; b tell." in shown.partition("<figcaption>")[2]


def test_a_digraph_in_words_claims_no_more_than_its_arrows():
    drawing = draw(nx.DiGraph([("rain", "wet"), ("wet", "slippery")]), edge_labels={("rain", "wet"): "0.9"})
    assert drawing.words == ("“rain” --> “wet” (0.9)", "“wet” --> “slippery”")


def test_ids_of_different_pictures_do_not_clash():
    one, two = draw(random_graph(1)), draw(random_graph(2))
    assert not set(re.findall(r'id="([^"]+)"', one.svg)) & set(re.findall(r'id="([^"]+)"', two.svg))


def luminance(colour):
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_no_meaning_hangs_on_colour_alone():
    looks = {state: edge_look(Curve(0, 1, None, 1, 1, state))[1:] for state in EDGE_LOOK}
    assert len(set(looks.values())) == len(looks), "two states differ in colour only"
    for colour, *_ in EDGE_LOOK.values():
        assert 1.05 / (luminance(colour) + 0.05) >= 3, f"{colour} is too pale on white"
    faint, strong = (edge_look(Curve(0, 1, None, 1, 1, share=s)) for s in (0.1, 1.0))
    assert faint[2] and not strong[2] and faint[1] < strong[1]


def test_shares_fade_edges_and_are_told_in_words():
    pag = graph([(0, 1, 1, 1), (1, 1, 1, 2)], "abc")
    drawing = draw(pag, share={(1, 0): 0.25, (1, 2): 1})
    assert drawing.words[0].endswith("(25%)") and drawing.words[1].endswith("(100%)")
    table = np.array([[0, 0.25, 0], [0, 0, 1], [0, 0, 0]])
    assert draw(pag, share=table).words == drawing.words
    for wrong in ({(0, 1): 1.5}, np.full((3, 3), -1), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="share must"):
            draw(pag, share=wrong)


def test_nodes_are_addressed_by_their_own_names():
    pag = graph([(0, 1, 2, 1)], ["film", "negative"], nodes=(17, 4))
    assert draw(pag, outcome=4).scene.boxes[1].role == "outcome"
    with pytest.raises(ValueError, match=r"1 is not a node of this graph, which has 17, 4"):
        draw(pag, outcome=1)
    with pytest.raises(ValueError, match=r"draw needs a PAG or a networkx\.DiGraph: got list"):
        draw([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="layout must be"):
        draw(pag, layout="neato")
    with pytest.raises(ValueError, match="before must have the same 2 nodes: got 9"):
        draw(pag, before=random_graph(1))


@pytest.mark.parametrize("k", [0, 1, 2])
def test_tiny_and_empty_graphs_are_drawn(k, without_graphviz):
    drawing = draw(graph([], [f"w{i}" for i in range(k)]))
    assert parse(drawing) is not None and drawing.words == ()
    assert drawing.png.startswith(b"\x89PNG")
    assert "No edge" in drawing.alt


def test_a_directed_graph_with_latents():
    dag = nx.DiGraph([("X", "Y"), ("U", "X"), ("U", "Y")])
    dag.nodes["U"]["latent"] = True
    drawing = draw(dag, edge_labels={("X", "Y"): "0.83"})
    roles = {box.label: box.role for box in drawing.scene.boxes}
    assert roles == {"X": "word", "Y": "word", "U": "latent"}
    assert "0.83" in drawing.svg
    height = {node: y for node, (_, y) in drawing.positions.items()}
    assert height["U"] < height["X"] < height["Y"], "causes are above their effects"


def test_files(tmp_path):
    drawing = draw(random_graph(3), outcome=0)
    for ending in ("svg", "png", "dot", "json"):
        assert drawing.save(tmp_path / f"picture.{ending}").stat().st_size > 200
    content = json.loads((tmp_path / "picture.json").read_text(encoding="utf-8"))
    assert len(content["edges"]) == len(drawing.words) and content["words"] == list(drawing.words)
    assert content["edges"][0]["mark_at_a"] in ("circle", "arrowhead", "tail")
    with pytest.raises(ValueError, match=r"saved as \.svg, \.png, \.dot or \.json: got 'picture\.pdf'"):
        drawing.save(tmp_path / "picture.pdf")


def test_a_full_disk_leaves_the_old_picture(tmp_path, monkeypatch):
    drawing = draw(PAG([[0, 2], [3, 0]]))
    path = drawing.save(tmp_path / "picture.svg")
    before = path.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for ending in ("svg", "dot"):
        with pytest.raises(OSError, match="No space left"):
            draw(PAG([[0, 2], [2, 0]])).save(tmp_path / f"picture.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == ["picture.svg"] and path.read_bytes() == before


def test_a_graph_draws_itself_in_a_notebook():
    pytest.importorskip("IPython")
    code = (
        "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance();"
        "import sys, cleann_lite; assert 'cleann_lite.drawing.draw' not in sys.modules;"
        "pag = cleann_lite.PAG([[0, 2], [3, 0]], labels=('<b>rain', 'wet'));"
        "data, _ = shell.display_formatter.format(pag); print(data['text/html'])"
    )
    shown = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert shown.strip() == draw(PAG([[0, 2], [3, 0]], labels=("<b>rain", "wet")))._repr_html_().strip()
    assert 'role="img"' in shown and "&lt;b&gt;rain" in shown and "<b>" not in shown


def test_dot_text_carries_the_marks():
    pag = graph([(0, Mark.CIRCLE, Mark.ARROW, 1), (1, Mark.TAIL, Mark.ARROW, 2)], ["a", 'say "b"', "c"])
    text = draw(pag).dot
    assert "n0 -> n1 [arrowtail=odot arrowhead=normal" in text
    assert "n1 -> n2 [arrowtail=none arrowhead=normal" in text
    assert r"""[label="say \"b\""]""" in text
    read = pytest.importorskip("pygraphviz").AGraph(text)
    assert read.get_node("n1").attr["label"] == 'say "b"'
    assert read.get_edge("n0", "n1").attr["arrowtail"] == "odot"


# --- geometry ------------------------------------------------------------------------------------


def test_labels_are_wrapped_and_cut():
    assert layout.wrap("wonderful") == ("wonderful",)
    assert layout.wrap("") == ("",)
    lines = layout.wrap("x" * 100)
    assert lines == ("x" * 19 + "…",)
    assert layout.wrap("One Flew Over the Cuckoo's Nest (1975)") == (
        "One Flew Over the",
        "Cuckoo's Nest (1975)",
    )


def test_a_last_piece_inside_the_clearance_is_dropped():
    line = np.concatenate([np.linspace((200, 0), (46, 0), 4), np.linspace((46, 0), (41, 0), 4)[1:]])
    box = [(0, 0, 80, 28)]
    (course,) = courses([line], [(900, 900, 10, 10)], box, [(Mark.TAIL, Mark.CIRCLE)], [(0, 4.2)])
    centre = course.tip_b - HEAD / 2 * course.way_b
    assert len(course.line) == 4 and centre[0] - 40 >= 4.2 + HEAD / 2


@pytest.mark.parametrize("frame", [0.6, 4.2])
def test_marks_stand_clear_of_their_box_at_any_angle(frame):
    angles = np.linspace(0, 2 * np.pi, 37)
    lines = [np.linspace((200 * np.cos(a), 200 * np.sin(a)), (0, 0), 4) for a in angles]
    far, box = [(900, 900, 10, 10)] * 37, [(0, 0, 80, 28)] * 37
    for course in courses(lines, far, box, [(Mark.TAIL, Mark.CIRCLE)] * 37, [(0, frame)] * 37):
        centre = course.tip_b - HEAD / 2 * course.way_b
        gap = np.hypot(*np.maximum(np.abs(centre) - (40, 14), 0))
        assert HEAD / 2 <= gap - frame < HEAD / 2 + 3
    for course in courses(lines, far, box, [(Mark.TAIL, Mark.ARROW)] * 37, [(0, frame)] * 37):
        gap = np.hypot(*np.maximum(np.abs(course.tip_b) - (40, 14), 0))
        assert 0 <= gap - frame < 5
        back = np.hypot(*(course.tip_b - course.line[-1]))
        assert HEAD - 3 < back < HEAD + 1, "the line ends inside its arrowhead"


def test_a_route_bends_around_a_box_in_its_way():
    positions, sizes = [(0, 0), (300, 0), (150, 0)], [(40, 28)] * 3
    curve = route(positions, sizes, [(0, 1)])[0]
    points = bezier(curve, np.linspace(0, 1, 99))
    assert not (np.abs(points - (150, 0)) < (20, 14)).all(1).any()
    straight = route([(0, 0), (300, 0), (150, 200)], sizes, [(0, 1)])[0]
    assert np.allclose(straight[:, 1], 0)


def test_a_part_of_a_curve_lies_on_the_curve():
    piece = np.array([(0, 0), (30, 90), (70, -40), (100, 20)], dtype=float)
    t = np.linspace(0, 1, 7)
    for end in (0.2, 0.7, 1.0):
        assert np.allclose(bezier(part([piece], [end])[0], t), bezier(piece, t * end))


def test_a_heat_map_writes_no_negative_zero():
    written = {text.get_text() for text in heat_map([[-0.001, 0.001], [-1, -0.25]], "ab").axes[0].texts}
    assert written == {".00", "-1", "-.25"}


# --- attention -----------------------------------------------------------------------------------


def test_heat_map_shows_the_matrix_with_its_words(tmp_path):
    rng = np.random.default_rng(0)
    attention = rng.dirichlet(np.ones(4), 4)
    words = ["good", "$x$", "<b>", "film"]
    figure = heat_map(attention, words, title="layer 6, head 2")
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == words
    assert np.allclose(axes.images[0].get_array(), attention)
    figure.savefig(tmp_path / "heat.png")
    with pytest.raises(ValueError, match=r"got a matrix of shape \(4, 4\) and 3 by 3 words"):
        heat_map(attention, words[:3])
    sentences = describe_attention(attention, words)
    best = attention[2].argmax()
    assert sentences[2] == f"<b> attends to {words[best]} ({attention[2, best]:.2f})"


def test_heat_map_leaves_no_figure_open():
    import matplotlib.pyplot as plt

    heat_map(np.eye(20), [f"w{i}" for i in range(20)])
    assert not plt.get_fignums()
