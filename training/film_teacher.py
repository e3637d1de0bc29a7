"""film-teacher: a recommender that looks back only, for pocket-bert4rec to learn from; it does not ship."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from . import recommender
from .next_film import CausalNetwork, next_film_loss

_LARGER = {"hidden_size": 256, "dropout": 0.2, "epochs": 120, "batch": 128}
_LARGER |= {"learning_rate": 1e-3, "anywhere": 0.3}


def add_arguments(parser, name: str, evaluates: bool) -> None:
    """Options of the command line beyond the common ones."""
    recommender.add_arguments(parser, name, evaluates)


def run(args) -> None:
    """Train one teacher and write its folder."""
    recipe, split = recommender.prepared(args, replace(recommender.Recipe(), **_LARGER))
    batches = recommender.Batches(split.training(), recipe, args.seed)
    network = recommender.fit(
        CausalNetwork.new(len(split.films), recipe),
        lambda network, step: next_film_loss(network, batches(step)[0]),
        CausalNetwork,
        split,
        recipe,
        args,
    )
    network.save_pretrained(args.out or args.runs / args.name / "model")


def evaluate(args) -> None:
    """Print how well a teacher ranks the held-out films."""
    split = recommender.read_split(args)
    model = CausalNetwork.load(args.model or Path("runs") / args.name / "model", args.device)
    for name, held_out in (("test", -1), ("validation", -2)):
        recall, ndcg = recommender.recall_and_ndcg(recommender.ranks(model, split.sequences, held_out))
        sys.stdout.write(f"{name}, all unseen films: Recall@10 {recall:.4f}, NDCG@10 {ndcg:.4f}\n")
