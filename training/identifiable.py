"""Are attention weights more identifiable, at equal accuracy, with small keys and added heads?

Trains a small classifier for every set of texts, way to combine heads, key size and seed; measures its
accuracy and the share of heads and texts whose weights are identifiable; writes one line per run, then a
table and a plot. A run that is done is not done again.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cleann_lite.course.identifiability_record import (
    D_MODEL,
    HEADS,
    LENGTH,
    RESULTS,
    Run,
    as_text,
    differences,
    draw,
    read_runs,
    summary,
    verdict,
)
from cleann_lite.course.small_encoders import identifiable_shares
from cleann_lite.datasets.files import write_rows
from cleann_lite.models.decoupled import DecoupledClassifier

from . import corpus, tasks
from .corpus import Example
from .loop import Settings, train

SETS = ("IMDB", "SST-2", "rt-polarity", "UCI")
TABLE, PLOT = "identifiability.csv", "identifiability.png"
KEY_SIZES = (4, 8, 16, 32, 64)
PAD, START, UNKNOWN = 0, 1, 2


def add_arguments(parser, name: str, evaluates: bool) -> None:
    """Options of the command line beyond the common ones."""
    if evaluates:
        return
    parser.add_argument("--sets", nargs="+", choices=[*SETS, *tasks.TASKS], default=list(SETS))
    parser.add_argument("--combine", nargs="+", choices=("concat", "add"), default=["concat", "add"])
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--key-sizes", nargs="+", type=int, default=list(KEY_SIZES))
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from --seed on")
    parser.add_argument("--epochs", type=float, default=1.0, help="times the epochs of each set")


def run(args) -> None:
    """Train what is not yet trained; write the table and the plot."""
    folder = args.runs / args.name
    results = folder / RESULTS
    if args.restart:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    done = {(r.set, r.combine, r.key_size, r.seed, r.layers): r for r in read_runs(results)}
    texts = {name: Texts.smoke() if args.smoke else Texts.read(args.data, name) for name in args.sets}
    cells = product(
        range(args.seed, args.seed + (1 if args.smoke else args.seeds)),
        args.sets,
        args.key_sizes,
        args.combine,
    )
    for seed, name, key_size, combine in cells:
        if (name, combine, key_size, seed, args.layers) not in done:
            epochs = 0.5 if args.smoke else EPOCHS.get(name, 5) * args.epochs
            found = one_run(texts[name], name, combine, key_size, seed, epochs, folder, layers=args.layers)
            done[name, combine, key_size, seed, args.layers] = found
            _write(results, map(asdict, done.values()))
    out = args.out or folder
    out.mkdir(parents=True, exist_ok=True)
    table = summary(done.values())
    _write(out / RESULTS, map(asdict, done.values()))
    _write(out / TABLE, table)
    draw(table).savefig(out / PLOT, dpi=110)


def _write(path, rows):
    write_rows(path, [{k: f"{v:.5g}" if isinstance(v, float) else v for k, v in r.items()} for r in rows])


def evaluate(args) -> None:
    """Print the recorded table."""
    folder = args.model or Path("data/recorded")
    runs = read_runs(folder / RESULTS)
    if not runs:
        raise ValueError(f"--model must be a folder with {RESULTS}: nothing in {folder}")
    sys.stdout.write(as_text(summary(runs)) + "\n" + "\n".join([*differences(runs), *verdict(runs)]) + "\n")


# --- texts ------------------------------------------------------------------------------------------------

EPOCHS = {"IMDB": 5, "SST-2": 4, "rt-polarity": 5, "UCI": 10}


@dataclass(frozen=True)
class Texts:
    """Texts as rows of word ids, with classes, cut in three."""

    train: tuple[list[np.ndarray], np.ndarray]
    valid: tuple[list[np.ndarray], np.ndarray]
    test: tuple[list[np.ndarray], np.ndarray]
    vocabulary: int

    @classmethod
    def read(cls, data: Path, name: str) -> Texts:
        """One of the public sets; the split does not depend on the seed of a run."""
        if name in tasks.TASKS:
            return cls.of(*tasks.read(data, name))
        if name == "IMDB":
            known = _sample(corpus.reviews(data, "train"), 4000)
            return cls.of(known, _sample(corpus.reviews(data, "test"), 2000))
        if name == "SST-2":
            return cls.of(_sample(corpus.sst2(data, "train"), 12000), corpus.sst2(data, "test"))
        found = _sample(_rt_polarity(data) if name == "rt-polarity" else _uci(data), 12000)
        cut = len(found) // 5
        return cls.of(found[cut:], found[:cut])

    @classmethod
    def smoke(cls) -> Texts:
        """A few made-up texts."""
        return cls.of(corpus.made_up(120), corpus.made_up(40, seed=1))

    @classmethod
    def of(cls, known: list[Example], test: list[Example], most: int = 8000) -> Texts:
        """Words seen twice in training get an id, the most frequent first."""
        known = corpus.without(known, [e.text for e in test], shared=12)
        fitted, valid = corpus.split_off(known, 0.1, seed=0)
        counts: dict[str, int] = {}
        for example in fitted:
            for word in corpus.words_of(example.text):
                counts[word] = counts.get(word, 0) + 1
        words = sorted((w for w in counts if counts[w] > 1), key=lambda w: (-counts[w], w))[:most]
        ids = {word: i + 3 for i, word in enumerate(words)}

        def rows(examples: list[Example]) -> tuple[list[np.ndarray], np.ndarray]:
            """The last words of a text, where a review gives its verdict."""
            numbers = [[ids.get(w, UNKNOWN) for w in corpus.words_of(e.text)] for e in examples]
            framed = [np.array([START, *row[-(LENGTH - 1) :]]) for row in numbers]
            return framed, np.array([e.label for e in examples])

        return cls(rows(fitted), rows(valid), rows(test), len(ids) + 3)


def _sample(examples: list[Example], most: int) -> list[Example]:
    order = np.random.default_rng(0).permutation(len(examples))[:most]
    return [examples[i] for i in order]


def _rt_polarity(data: Path) -> list[Example]:
    found = []
    for name, label in (("neg", 0), ("pos", 1)):
        path = _found(data / "sentences" / f"rt-polarity.{name}.txt.gz")
        with gzip.open(path, "rt", encoding="latin-1") as file:
            found += [Example(corpus.clean(line), label) for line in file]
    return found


def _uci(data: Path) -> list[Example]:
    found = []
    for name in ("imdb", "amazon_cells", "yelp"):
        text = _found(data / "sentences" / f"uci_{name}.txt").read_text(encoding="utf-8")
        rows = [line.rsplit("\t", 1) for line in text.split("\n") if line.strip()]
        found += [Example(corpus.clean(text), int(label)) for text, label in rows]
    return found


def _found(path: Path) -> Path:
    if not path.exists():
        raise ValueError(f"--data must hold {path.parent.name}/{path.name}: nothing at {path}")
    return path


# --- one run ----------------------------------------------------------------------------------------------


def one_run(
    texts: Texts,
    name: str,
    combine: str,
    key_size: int,
    seed: int,
    epochs: float,
    folder: Path,
    progress: bool = True,
    layers: int = 1,
) -> Run:
    """Train one classifier, keep its best validation, and measure it on the test texts."""
    torch.manual_seed(seed)
    rows, labels = texts.train
    model = DecoupledClassifier(
        texts.vocabulary,
        classes=int(max(labels)) + 1,
        length=LENGTH,
        d_model=D_MODEL,
        heads=HEADS,
        layers=layers,
        key_size=key_size,
        combine=combine,
        feedforward=2 * D_MODEL,
        dropout=0.3,
    )
    batches = _batches([len(row) for row in rows], seed, epochs)
    per_epoch = -(-len(rows) // _BATCH)
    settings = Settings(
        steps=len(batches),
        learning_rate=2e-3,
        seed=seed,
        check_every=max(1, min(per_epoch, len(batches))),
        floor=0.05,
    )

    def loss(step: int) -> Tensor:
        chosen = batches[step]
        logits = model(_padded([rows[i] for i in chosen]))
        return torch.nn.functional.cross_entropy(logits, torch.as_tensor(labels[chosen]))

    place = folder / f"{name}-{combine}-{key_size}-{seed}-{layers}"
    outcome = train(model, loss, lambda: accuracy(model, texts.valid), settings, place, progress=progress)
    shares = identifiable_shares(model, texts.test[0], 40 if name in tasks.TASKS else 100)
    found = Run(
        name,
        combine,
        key_size,
        seed,
        accuracy(model, texts.test),
        **shares,
        seconds=round(outcome.seconds, 1),
        layers=layers,
    )
    shutil.rmtree(place)
    return found


_BATCH = 48


def _batches(lengths: list[int], seed: int, epochs: float) -> list[np.ndarray]:
    """Texts of like length together, in a new order every epoch."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(int(np.ceil(epochs))):
        order = np.argsort(np.array(lengths) + rng.normal(scale=2, size=len(lengths)), kind="stable")
        cut = [order[i : i + _BATCH] for i in range(0, len(order), _BATCH)]
        found += [cut[i] for i in rng.permutation(len(cut))]
    return found[: max(1, round(epochs * -(-len(lengths) // _BATCH)))]


def _padded(rows: list[np.ndarray]) -> Tensor:
    ids = torch.full((len(rows), max(map(len, rows))), PAD)
    for line, row in zip(ids, rows, strict=True):
        line[: len(row)] = torch.as_tensor(row)
    return ids


@torch.no_grad()
def accuracy(model: DecoupledClassifier, part: tuple[list[np.ndarray], np.ndarray]) -> float:
    """Share of texts whose class is right."""
    rows, labels = part
    order, right = np.argsort([len(row) for row in rows], kind="stable"), 0
    for i in range(0, len(order), 256):
        chosen = order[i : i + 256]
        right += int((model(_padded([rows[j] for j in chosen])).argmax(1).numpy() == labels[chosen]).sum())
    return right / len(rows)
