"""How well CLEANN and the baselines explain recommendations to held-out users of MovieLens-1M.

    python benchmarks/recommendations.py [--users 100] [--model FOLDER] [--from-file ml-1m.zip or a folder]

Each user's history is everything but the last film; explained is the film that the model itself recommends.
Every method has the same model and the same cap of inputs. Sizes and ranks are over successes, and the share
of successes is beside them. "no seen film" counts recommendations, before and after masking, of a film
that the user had already seen: it must be 0.
"""

import argparse
from pathlib import Path

import numpy as np

from cleann_lite.datasets.shipped import data_path, load_movielens_1m
from cleann_lite.explaining.baselines import explain_by
from cleann_lite.explaining.search import explain
from cleann_lite.models.bert4rec import BERT4Rec
from training.recommender import leave_one_out

MOVIELENS = Path(__file__).resolve().parents[2] / "shared" / "data" / "ml-1m"
METHODS = ("attention", "gradient-x-input", "integrated-gradients", "leave-one-out", "random")


def histories(interactions, users, films, seed=0):
    """Titles of randomly drawn users, at most ``films`` of the latest before the last."""
    split = leave_one_out(interactions)
    drawn = np.random.default_rng(seed).choice(len(split.sequences), users, replace=False)
    for user in drawn:
        yield [split.films.titles[token - 2] for token in split.sequences[user][:-1][-films:]]


def summary(found):
    """One line of the table: success, sizes, rank of the replacement, calls, seconds."""
    done = [e for e in found if e.success]
    sizes = [len(e.sets[0].units) for e in done]
    ranks = [e.sets[0].rank for e in done]
    best = [min(s.rank for s in e.sets) for e in done]
    calls, seconds = (np.median([getattr(e, name) for e in found]) for name in ("model_calls", "seconds"))
    return (
        f"{len(done) / len(found):7.0%} {np.mean(sizes):9.2f} {np.median(sizes):11.0f} {np.mean(ranks):9.2f} "
        f"{np.median(ranks):11.0f} {np.mean(best):9.2f} {calls:6.0f} {seconds:8.2f}"
    )


def main(arguments=()):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--films", type=int, default=50, help="latest films of a history that are used")
    parser.add_argument("--max-size", type=int, default=5)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--max-calls", type=int, default=2000)
    parser.add_argument("--model", default=data_path("models", "pocket-bert4rec"))
    have = MOVIELENS if MOVIELENS.exists() else None
    parser.add_argument("--from-file", default=have, help="MovieLens-1M, if you have it already")
    parser.add_argument("--accept-licence", action="store_true")
    options = parser.parse_args(list(arguments))
    model = BERT4Rec.load(options.model)
    try:
        interactions = load_movielens_1m(options.from_file, options.accept_licence)
    except (ValueError, ConnectionError) as missing:
        print(f"not measured: {missing}")
        return
    found = {name: [] for name in ("CLEANN", *METHODS)}
    seen, certified = 0, []
    for history in histories(interactions, options.users, options.films):
        caps = {"max_size": options.max_size, "max_calls": options.max_calls}
        mine = explain(model, history, alpha=options.alpha, search="cleann", **caps)
        found["CLEANN"].append(mine)
        certified.append(mine.certified)
        for method in METHODS:
            found[method].append(explain_by(model, history, method, **caps))
        shown = [e.prediction for by in found.values() for e in by[-1:]]
        shown += [s.replacement for by in found.values() for s in by[-1].sets]
        seen += len(set(shown) & set(history))
    print(f"{options.users} users, at most {options.films} films, sets of at most {options.max_size}")
    print(f"{'':21s} success mean size median size mean rank median rank best rank  calls  seconds")
    for name, results in found.items():
        print(f"{name:21s} {summary(results)}")
    print(f"CLEANN certified: {certified.count(True)} smallest, {certified.count(False)} not, "
          f"{certified.count(None)} open or nothing found")  # fmt: skip
    print(f"already seen films recommended: {seen}")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
