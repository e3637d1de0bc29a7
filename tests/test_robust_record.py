"""The record of robust graphs: its groups, its means and what it says of chance."""

import csv

import numpy as np
import pytest

from cleann_lite.course import robustness_record as robust_record
from cleann_lite.datasets.shipped import data_path

nan = float("nan")


def line(review, samples=4, tokens=60.0, reach=0.1, edge=0.7, sets=0.5, chance=0.2):
    return {
        "review": review, "tokens": tokens, "samples": float(samples), "reach": reach, "distance": 0.1,
        "edge_share": edge, "chance_share": chance, "mark_share": 0.5,
        "set_share": sets, "chance_set_share": 0.5 if sets == sets else nan,
        "overlap": nan, "chance_overlap": nan, "found_share": 1.0, "chance_found_share": 1.0,
    }  # fmt: skip


LINES = [line("short", samples=0)] + [
    line(name, tokens=tokens, reach=reach, edge=edge, sets=sets)
    for reach in (0.1, 1.0)
    for name, tokens, edge, sets in (("a", 70.0, 0.6, nan), ("b", 66.0, 0.7, 0.4), ("c", 58.0, 0.8, 0.6))
]


def test_what_is_written_is_read(tmp_path):
    with open(tmp_path / "record.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(LINES[0]))
        writer.writeheader()
        writer.writerows(LINES)
    read = robust_record.read(tmp_path / "record.csv")
    assert [{k: str(v) for k, v in row.items()} for row in read] == [
        {k: str(v) for k, v in row.items()} for row in LINES
    ]


def test_means_leave_out_what_is_not_known():
    part = robust_record.groups(LINES)["other weights, 10 % of the way"]
    assert [row["review"] for row in part] == ["a", "b", "c"]
    assert robust_record.mean(part, "set_share") == pytest.approx((0.5, 12.706204736 * 0.1, 2))
    assert robust_record.mean(part, "edge_share", less="chance_share")[0] == pytest.approx(0.5)
    assert robust_record.mean(part, "overlap")[2] == 0


def test_the_table_puts_chance_beside_each_figure():
    rows = robust_record.as_text(LINES).splitlines()
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| weights determined",
        "| other weights, 10 % of the way",
        "| other weights, 100 % of the way",
    ]
    assert "| 3 | 58–70 | 10 ± 0 % | 70 ± 25 % (20 %) | 50 ± 0 % | 50 ± 127 % (50 %) | – |" in rows[3]
    assert len({row.count("|") for row in rows}) == 1


def test_the_verdict_follows_the_interval():
    said = robust_record.verdict(LINES)
    assert "survival of edges against chance: **better** (+50 ± 25 points, 3 reviews)" in said[0]
    assert "survival of explanations against chance: **not decided** (+0 ± 127 points, 2 reviews)" in said[1]
    worse = [line(name, edge=edge, chance=0.9) for name, edge in (("a", 0.2), ("b", 0.3))]
    assert (
        "survival of edges against chance: **not decided**"
        in robust_record.verdict(worse[:1] + worse[:1] + [line("c", edge=0.9, chance=0.5)])[0]
    )
    assert "survival of edges against chance: **worse**" in robust_record.verdict([*worse, *worse])[0]
    assert robust_record.verdict(LINES[:1]) == []


def test_the_record_that_ships_tells_of_twenty_real_reviews():
    lines = robust_record.read(data_path("recorded", "robust_graphs.csv"))
    real = {row["review"] for row in lines if row["samples"] and row["review"].startswith("imdb")}
    assert len(real) >= 20
    for name, part in robust_record.groups(lines).items():
        shares = [
            row[column]
            for row in part
            for column in ("edge_share", "mark_share")
            if not np.isnan(row[column])
        ]
        assert shares and all(0 <= share <= 1 for share in shares)
        if name == "weights determined":
            assert set(shares) == {1.0}
