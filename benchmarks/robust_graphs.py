"""How much of a causal graph, and of its explanations, survives other attention with the same output?

    python benchmarks/robust_graphs.py [--data ../shared/data] [--out data/recorded/robust_graphs.csv]

Reads the example reviews that ship and, where --data holds them, IMDB test reviews of 60 to 100 word-pieces,
with pocket-sentiment. For each review and reach (how far towards the corners of what the output allows) one
line: how long the text is, how many heads are determined by their output, how far the other attentions are,
and the shares of edges, marks and explanation sets that survive, mean over heads and samples. Only figures
are recorded. A review that stands in the file is not done again.
"""

import argparse
import csv
import time
from itertools import islice
from pathlib import Path

import numpy as np

import cleann_lite as cl
from cleann_lite.datasets import data_path
from cleann_lite.encoder import text_heads
from cleann_lite.robustness import explanation_robustness, layer_corners

REACHES = (0.1, 1.0)
SHARES = ("edge_share", "chance_share", "mark_share", "robust_share")
CAPS = {"max_size": 3, "max_calls": 300, "max_candidates": 100}


def reviews(data, model, count, seed=0):
    """(id, text): our own reviews and IMDB test reviews of 60 to 100 word-pieces, the longest last."""
    with open(data_path("reviews.csv"), encoding="utf-8", newline="") as file:
        found = [(row["id"], row["text"]) for row in csv.DictReader(file)]
    if (data / "imdb").exists():
        from cleann_lite.training import corpus

        texts = [example.text for example in corpus.reviews(data, "test")]
        order = (i for i in np.random.default_rng(seed).permutation(len(texts)) if len(texts[i]) < 900)
        fitting = (i for i in order if 60 <= len(model.encode(texts[i]).data.ids) <= 100)
        found += [(f"imdb-test-{i}", texts[i]) for i in islice(fitting, count)]
    return sorted(found, key=lambda pair: len(pair[1]))


def lines(model, name, text, samples):
    """The lines of one review: one for each reach."""
    encoded, heads = model.encode(text), text_heads(model, text)
    attention = model.attention(encoded)
    fixed = [cl.identifiability.null_space_dimension(v, sum_to_one=True) == 0 for v in heads.value]
    start = time.perf_counter()
    corners = layer_corners(attention, heads.value, samples)
    for reach in REACHES:
        found = explanation_robustness(model, text, corners, reach, **CAPS)
        graphs = [graph for graph in found.graphs.values() if (graph.pag.marks != 0).any()]
        shares = {name: np.mean([getattr(g, name) for g in graphs]) for name in SHARES}
        yield {
            "review": name,
            "tokens": attention.shape[1],
            "value_size": heads.value.shape[2],
            "heads": len(attention),
            "determined_heads": sum(fixed),
            "samples": len(corners),
            "reach": reach,
            "distance": np.mean([g.distance.mean() for g in graphs]) if len(corners) else 0.0,
            "edges": sum(np.count_nonzero(np.triu(graph.pag.marks)) for graph in graphs),
            **shares,
            "sets": len(found.shares),
            "set_share": np.mean(found.shares) if len(corners) and found.shares else np.nan,
            "found_share": found.found if len(corners) else np.nan,
            "seconds": time.perf_counter() - start,
        }


def table(rows):
    """Means over reviews, for each group and reach."""
    groups = {
        "own, determined": lambda r: not r["review"].startswith("imdb") and not int(r["samples"]),
        "own, free": lambda r: not r["review"].startswith("imdb") and int(r["samples"]),
        "IMDB, free": lambda r: r["review"].startswith("imdb") and int(r["samples"]),
    }
    columns = ("distance", *SHARES, "set_share", "found_share")
    print(f"{'reviews':17s}  count  reach  " + "  ".join(f"{column:>12s}" for column in columns))
    for name, chosen in groups.items():
        for reach in REACHES:
            part = [r for r in rows if chosen(r) and float(r["reach"]) == reach]
            if not part:
                continue
            values = [np.array([float(r[column]) for r in part]) for column in columns]
            means = [v[~np.isnan(v)].mean() if (~np.isnan(v)).any() else np.nan for v in values]
            shown = "  ".join(f"{v:12.3f}" for v in means)
            print(f"{name:17s}  {len(part):5d}  {reach:5.1f}  {shown}")


def main(arguments=()):
    """Record what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=data_path("recorded", "robust_graphs.csv"))
    parser.add_argument("--imdb", type=int, default=24, help="IMDB reviews")
    parser.add_argument("--model", default="pocket-sentiment")
    parser.add_argument("--samples", type=int, default=4)
    args = parser.parse_args(list(arguments))
    model, rows = cl.load_model(args.model), []
    if args.out.exists():
        with open(args.out, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    done = {row["review"] for row in rows}
    for name, text in reviews(args.data, model, args.imdb):
        if name in done:
            continue
        for row in lines(model, name, text, args.samples):
            rows.append({k: f"{v:.4g}" if isinstance(v, float) else str(v) for k, v in row.items()})
        with open(args.out, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    table(rows)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
