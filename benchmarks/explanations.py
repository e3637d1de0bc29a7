"""How often an explanation is found, how small it is, what is proved, and what it costs.

    python -m benchmarks explanations                 short and long texts that ship
    python benchmarks/explanations.py sst2 sst2_dev.tsv --words 25 [--n 200]
    python benchmarks/explanations.py imdb reviews.csv --words 700 --from 400 --n 40
    python benchmarks/explanations.py recommend --n 500 [--from-file ml-1m.zip or a folder]

A file holds one text a line (first column of a .tsv, column ``text`` of a .csv), packed by gzip or not. Every
reported set is run once more, alone, and without each of its units. CPU seconds of one thread. Rivals on the
same inputs: the search as published, leave-one-out, and the sizes of a plain beam with pruning.
"""

import argparse
import csv
import gzip
import time
from pathlib import Path

import numpy as np

import cleann_lite as cl


def texts_of(path, least, most):
    """Texts of a file with at least ``least`` and at most ``most`` words."""
    opened = gzip.open if str(path).endswith(".gz") else open
    csv.field_size_limit(10**9)
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        if ".csv" in Path(path).suffixes:
            texts = [row["text"] for row in csv.DictReader(file)]
        else:
            texts = [line.rstrip("\n").split("\t")[0] for line in file][1:]
    return [text for text in texts if least <= len(text.split()) <= most]


def flips(model, encoded, positions):
    """Whether masking these units, alone, changes the prediction."""
    return encoded.predicted(model.predict(encoded, [tuple(positions)])[0]) != encoded.target


def measure(model, inputs, name, run):
    """Print one row: how often, how small, how certain, at what cost; the explanations."""
    found, cpu, forced, missed, broken, spare = [], [], 0, 0, 0, 0
    for input in inputs:
        start = time.process_time()
        found.append(run(model, input))
        cpu.append(time.process_time() - start)
        one, encoded = found[-1], model.encode(input)
        free = [u for u, p in enumerate(encoded.tokens) if not set(p) & set(encoded.outcome_tokens)]
        whole = flips(model, encoded, free)
        forced, missed = forced + whole, missed + (whole and not one.success)
        for each in one.sets[:3]:
            broken += not flips(model, encoded, each.positions)
            rest = [[u for u in each.positions if u != unit] for unit in each.positions]
            spare += any(flips(model, encoded, part) for part in rest if part)
    sizes = [len(one.sets[0].positions) for one in found if one.success]
    certified = [one.certified for one in found]
    calls = [one.model_calls for one in found]
    print(
        f"{name:14s} {len(sizes) / len(found):6.1%} {missed:4d}/{forced:<4d} {np.mean(sizes or [0]):6.2f} "
        f"{certified.count(True) / len(found):9.1%} {certified.count(False):7d} {broken:6d} {spare:5d} "
        f"{np.median(calls):7.0f} {max(calls):6d} {np.median(cpu):8.3f} {np.percentile(cpu, 95):7.3f} "
        f"{max(cpu):7.2f}",
        flush=True,
    )
    return found


def beam_and_prune(model, encoded):
    """The plain rival: add the word that lowers the outcome most until it changes, then spare what can be."""
    free = [u for u, p in enumerate(encoded.tokens) if not set(p) & set(encoded.outcome_tokens)]
    chosen = []
    works = False
    while free and not works:
        left = model.predict(encoded, [(*chosen, unit) for unit in free])[:, encoded.target]
        chosen.append(free.pop(int(left.argmin())))
        works = flips(model, encoded, chosen)
    if not works:
        return None
    for unit in list(chosen):
        rest = [other for other in chosen if other != unit]
        if rest and flips(model, encoded, rest):
            chosen = rest
    return chosen


def compare_sizes(model, inputs, found):
    """Print the mean size of the first sets beside the plain rival's, where both have one."""
    rival = [beam_and_prune(model, model.encode(input)) for input in inputs]
    both = [
        (len(one.sets[0].positions), len(other))
        for one, other in zip(found, rival, strict=True)
        if one.success and other
    ]
    ours, theirs = np.mean(both, axis=0) if both else (np.nan, np.nan)
    smaller, larger = sum(a < b for a, b in both), sum(a > b for a, b in both)
    print(
        f"mean size where both find a set ({len(both)} of {len(inputs)}): explain {ours:.3f}, pruned beam "
        f"{theirs:.3f}; smaller {smaller} times, larger {larger}; the beam finds {sum(map(bool, rival))}"
    )


def compare(model, inputs, rivals=True):
    """The table of one kind of input."""
    print(f"{len(inputs)} inputs, {model.name}")
    print(
        f"{'':14s}  found missed   mean certified refuted broken spare  inputs    max   CPU, s"
        f"     95 %     max"
    )
    found = measure(model, inputs, "explain", cl.explain)
    if rivals:
        measure(model, inputs, "cleann alone", lambda m, x: cl.explain(m, x, search="cleann"))
        measure(model, inputs, "leave-one-out", lambda m, x: cl.explain_by(m, x, "leave-one-out"))
        compare_sizes(model, inputs, found)


def main(arguments=()):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", nargs="?", choices=("sst2", "imdb", "recommend"))
    parser.add_argument("file", nargs="?")
    parser.add_argument("--words", type=int, default=25, help="most words of a text")
    parser.add_argument("--from", dest="least", type=int, default=1, help="fewest words of a text")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--from-file", help="MovieLens-1M, if you have it already")
    parser.add_argument("--only", action="store_true", help="no rivals")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(list(arguments))
    rng = np.random.default_rng(options.seed)
    if options.task == "recommend":
        from cleann_lite.evaluation.inputs import draw_inputs

        model = cl.load_model("pocket-bert4rec")
        drawn = draw_inputs(
            "recommend",
            "movielens-1m",
            options.n,
            model=model,
            seed=options.seed,
            from_file=options.from_file,
        )
        compare(model, [one["content"] for one in drawn], not options.only)
        return
    model = cl.load_model("pocket-sentiment")
    if options.task:
        texts = texts_of(options.file, options.least, options.words)
        texts = [texts[i] for i in rng.permutation(len(texts))[: options.n]]
    else:
        texts = [review["text"] for review in cl.load_reviews()]
    cl.explain(model, texts[0])
    compare(model, texts, not options.only)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
