"""How much of a causal graph, and of its explanations, survives other attention with the same output?

    python benchmarks/robust_graphs.py [--data ../shared/data] [--out data/recorded/robust_graphs.csv]

Reads the example reviews that ship and, where --data holds them, IMDB test reviews of 55 to 80 word-pieces,
with pocket-sentiment. For each review and reach (how far towards the corners of what the output allows) one
line: how long the text is, how many heads are determined by their output, how far the other attentions are,
and the shares of edges, marks and explanation sets that survive, mean over heads and samples; beside them
what chance would give: the density of the other graphs, and the sets found again where the words of the graph
are shuffled. Only figures are recorded. A review that is in the file already is not done again.
"""

import argparse
import csv
import time
from itertools import islice
from pathlib import Path

import numpy as np

import cleann_lite as cl
from cleann_lite.course import robustness_record as robust_record
from cleann_lite.datasets.shipped import data_path
from cleann_lite.explaining.robustness import (
    explanation_robustness,
    layer_corners,
    replaced_attention,
    shuffled_attention,
)
from cleann_lite.models.decoupled import text_heads

REACHES = (0.1, 1.0)
SHARES = ("edge_share", "chance_share", "mark_share", "robust_share")
CAPS = {"max_size": 3, "max_calls": 300, "max_candidates": 100}


def reviews(data, model, count, seed=0):
    """(id, text): our own reviews and IMDB test reviews of 55 to 80 word-pieces, the longest last."""
    with open(data_path("reviews.csv"), encoding="utf-8", newline="") as file:
        found = [(row["id"], row["text"]) for row in csv.DictReader(file)]
    if (data / "imdb").exists():
        from training import corpus

        texts = [example.text for example in corpus.reviews(data, "test")]
        order = (i for i in np.random.default_rng(seed).permutation(len(texts)) if len(texts[i]) < 900)
        fitting = (i for i in order if 55 <= len(model.encode(texts[i]).data.ids) <= 80)
        found += [(f"imdb-test-{i}", texts[i]) for i in islice(fitting, count)]
    return sorted(found, key=lambda pair: len(pair[1]))


def lines(model, name, text, samples):
    """The lines of one review: one for each reach."""
    encoded, heads = model.encode(text), text_heads(model, text)
    attention = model.attention(encoded)
    fixed = [cl.identifiability.null_space_dimension(v, sum_to_one=True) == 0 for v in heads.value]
    start = time.perf_counter()
    kept = replaced_attention(model, attention)  # each masked input runs once
    corners = layer_corners(attention, heads.value, samples)
    words = [position for unit in encoded.tokens for position in unit]
    shuffled = shuffled_attention(attention, words, len(corners))
    chance = explanation_robustness(kept, text, shuffled, **CAPS)
    for reach in REACHES:
        found = explanation_robustness(kept, text, corners, reach, known=chance.explanation, **CAPS)
        graphs = [graph for graph in found.graphs.values() if (graph.pag.marks != 0).any()]
        yield {
            "review": name,
            "tokens": attention.shape[1],
            "value_size": heads.value.shape[2],
            "heads": len(attention),
            "determined_heads": sum(fixed),
            "samples": len(corners),
            "reach": reach,
            "distance": mean(g.distance.mean() for g in graphs) if len(corners) else 0.0,
            "edges": sum(np.count_nonzero(np.triu(graph.pag.marks)) for graph in graphs),
            **{share: mean(getattr(graph, share) for graph in graphs) for share in SHARES},
            "sets": len(found.shares),
            "set_share": mean(found.shares),
            "chance_set_share": mean(chance.shares),
            "overlap": mean(found.overlaps),
            "chance_overlap": mean(chance.overlaps),
            "found_share": found.found,
            "chance_found_share": chance.found,
            "seconds": time.perf_counter() - start,
        }


def mean(values):
    """Mean of what is known; nan where nothing is."""
    known = [value for value in values if not np.isnan(value)]
    return np.mean(known) if known else np.nan


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
    found = robust_record.read(args.out)
    print("\n".join([robust_record.as_text(found), "", *robust_record.verdict(found)]))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
