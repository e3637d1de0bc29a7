"""pocket-sentiment: a small BERT that tells negative from positive, in whole reviews and in sentences."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize_scalar
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertForSequenceClassification

from . import beginnings, corpus, teachers, text
from .corpus import Example
from .loop import Settings, train

# Shares of the labelled reviews and sentences that are held back to choose the checkpoint and to calibrate.
_HELD = (0.03, 0.02)
_LINES = (("-", "o", "#0072B2"), ("--", "s", "#D55E00"))


@dataclass(frozen=True)
class Material:
    """What the classifier learns from: framed rows of ids, and the probability of *positive* for each."""

    rows: list[np.ndarray]
    targets: np.ndarray

    def __add__(self, other: Material) -> Material:
        return Material(self.rows + other.rows, np.concatenate([self.targets, other.targets]))


def add_arguments(parser, name: str, evaluates: bool) -> None:
    """Options of the command line beyond the common ones."""
    if evaluates:
        parser.add_argument("--every", type=int, default=1, help="read every Nth IMDB test review alone")
        parser.add_argument("--plot", type=Path, help="write the reliability plot to this SVG file")
        return
    parser.add_argument("--start", type=Path, help="model to start from (default: pocket-masked-word)")
    parser.add_argument(
        "--teacher", type=Path, help="folder of the sentence teacher (default: no such labels)"
    )
    parser.add_argument(
        "--unlabelled", type=int, default=50000, help="reviews that the review teacher labels"
    )
    parser.add_argument(
        "--drawn", type=int, default=100000, help="sentences that the sentence teacher labels"
    )
    parser.add_argument("--sentences", type=int, default=80000, help="labelled sentences to learn from")
    parser.add_argument("--polarity", type=float, default=0.0, help="share of logistic regression's weights")
    parser.add_argument("--epochs", type=float, default=1.5)
    parser.add_argument("--learning-rate", type=float, default=4e-4)


def run(args) -> None:
    """Fine-tune the masked-word model, calibrate it on validation texts and write its folder."""
    start = args.start or text.shipped("pocket-masked-word")
    tokenizer = AutoTokenizer.from_pretrained(start)
    torch.manual_seed(args.seed)
    model = BertForSequenceClassification.from_pretrained(
        start,
        num_labels=2,
        id2label=dict(enumerate(corpus.LABELS)),
        label2id={label: i for i, label in enumerate(corpus.LABELS)},
        hidden_dropout_prob=0.1,
        attn_implementation="eager",
    ).to(args.device)
    reviews, held_reviews, sentences, held_sentences = _examples(args.data, args.smoke)
    material = _kept(
        args.runs / args.name / "material.safetensors", lambda: _material(args, tokenizer, reviews, sentences)
    )
    if args.polarity:
        _add_polarity(model, tokenizer, reviews, args)
    batches = text.Batches([len(row) for row in material.rows], tokens=6144, seed=args.seed, most=64)
    settings = Settings(
        steps=6 if args.smoke else round(args.epochs * len(batches)),
        learning_rate=args.learning_rate,
        seed=args.seed,
        check_every=3 if args.smoke else 500,
        precision="float32" if args.smoke else "bfloat16",
    )

    def loss(step: int) -> Tensor:
        chosen = batches[step]
        positive = torch.tensor(material.targets[chosen], device=model.device)
        logits = _logits(model, [material.rows[i] for i in chosen])
        return torch.nn.functional.cross_entropy(logits, torch.stack([1 - positive, positive], dim=1))

    def validate() -> float:
        parts = [
            (predict(model, tokenizer, held, limit=256), held) for held in (held_reviews, held_sentences)
        ]
        return float(np.mean([_accuracy(logits, held) for logits, held in parts]))

    train(model, loss, validate, settings, args.runs / args.name, args.restart)
    calibrate(model, tokenizer, held_reviews + held_sentences)
    text.save_folder(model, tokenizer, args.out or text.shipped(args.name))


@torch.no_grad()
def _add_polarity(model, tokenizer, reviews: list[Example], args) -> None:
    kept = args.runs / args.name / "pieces.safetensors"
    bags = text.kept_pieces(kept, lambda: text.pieces(tokenizer, [e.text for e in reviews]))
    weight = model.bert.embeddings.word_embeddings.weight
    vectors = weight.cpu().numpy().astype(np.float64)
    labels = np.array([e.label for e in reviews])
    weight.copy_(torch.from_numpy(beginnings.with_polarity(vectors, bags, labels, args.polarity)))


def _examples(data: Path, smoke: bool) -> tuple[list[Example], ...]:
    if smoke:
        reviews, sentences = corpus.made_up(200), corpus.made_up(200, seed=1, sentences_each=1)
    else:
        reviews, sentences = corpus.reviews(data, "train"), corpus.sentences(data)
    held_reviews, held_sentences = (0.2, 0.2) if smoke else _HELD
    return *corpus.split_off(reviews, held_reviews, seed=0), *corpus.split_off(
        sentences, held_sentences, seed=0
    )


def _material(args, tokenizer, reviews: list[Example], sentences: list[Example]) -> Material:
    """Four parts: labelled reviews and sentences, reviews and sentences that the teachers label."""
    rng = np.random.default_rng(args.seed)
    limits = rng.choice([128, 256, text.MAX_LENGTH], len(reviews), p=[0.3, 0.35, 0.35])
    material = _learned(tokenizer, [e.text for e in reviews], _smoothed(reviews), limits)
    sentences = sentences[: args.sentences]
    shown = [e.text if rng.random() < 0.3 else corpus.detached(e.text) for e in sentences]
    material += _learned(tokenizer, shown, _smoothed(sentences))
    unlabelled = []
    if args.unlabelled:
        found = corpus.made_up(40, seed=2) if args.smoke else corpus.reviews(args.data, "unsup")
        unlabelled = [found[i] for i in rng.permutation(len(found))[: args.unlabelled]]
        texts = [e.text for e in unlabelled]
        limits = rng.choice([128, 256, 384], len(texts), p=[0.4, 0.4, 0.2])
        material += _learned(tokenizer, texts, teachers.ReviewTeacher(reviews).positive(texts), limits)
    if args.teacher:
        teacher = AutoModelForSequenceClassification.from_pretrained(
            args.teacher, attn_implementation="eager"
        ).to(args.device)
        drawn = teachers.sentences_of(reviews + unlabelled, args.drawn, args.seed)
        judged = teachers.positive(teacher, AutoTokenizer.from_pretrained(args.teacher), drawn, "bfloat16")
        material += _learned(tokenizer, drawn, judged)
    return material


def _smoothed(examples: list[Example], by: float = 0.02) -> np.ndarray:
    return np.array([by + (1 - 2 * by) * e.label for e in examples])


def _learned(tokenizer, texts: list[str], targets: np.ndarray, limits: np.ndarray | None = None) -> Material:
    limits = np.full(len(texts), text.MAX_LENGTH) if limits is None else limits
    rows = [_shortened(ids, limit) for ids, limit in zip(text.pieces(tokenizer, texts), limits, strict=True)]
    return Material(rows, np.asarray(targets, dtype=np.float32))


def _kept(path: Path, make: Callable[[], Material]) -> Material:
    """Keep the material on disk, for a run that goes on later."""
    targets = path.with_name("targets.safetensors")
    if not (path.exists() and targets.exists()):
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"targets": torch.from_numpy(made.targets)}, targets)
        path.unlink(missing_ok=True)
        return Material(text.kept_pieces(path, lambda: made.rows), made.targets)
    return Material(text.kept_pieces(path, list), load_file(targets)["targets"].numpy())


def _shortened(ids: np.ndarray, limit: int) -> np.ndarray:
    """Keep a review's beginning and its end, which carries the verdict."""
    if len(ids) <= limit - 2:
        return text.framed(ids, limit)
    head = limit // 3
    return text.framed(np.concatenate([ids[:head], ids[len(ids) - (limit - 2 - head) :]]), limit)


def _logits(model, rows: list[np.ndarray]) -> Tensor:
    ids, present = text.padded(rows)
    return model(input_ids=ids.to(model.device), attention_mask=present.to(model.device)).logits.float()


@torch.no_grad()
def predict(model, tokenizer, examples: list[Example], limit: int = text.MAX_LENGTH) -> np.ndarray:
    """Logits (examples, 2) of texts, read from their beginning up to ``limit`` tokens."""
    rows = [text.framed(ids, limit) for ids in text.pieces(tokenizer, [e.text for e in examples])]
    lengths = np.array([len(row) for row in rows])
    logits = np.empty((len(rows), 2), dtype=np.float32)
    for batch in text.cut_by_tokens(np.argsort(lengths, kind="stable"), lengths, 8192, 128):
        logits[batch] = _logits(model, [rows[i] for i in batch]).cpu().numpy()
    return logits


def _accuracy(logits: np.ndarray, examples: list[Example]) -> float:
    return float(np.mean(logits.argmax(1) == np.array([e.label for e in examples])))


def calibrate(model, tokenizer, held: list[Example]) -> None:
    """Fit one temperature on held-back texts and fold it into the classifier's weights (Guo et al. 2017)."""
    temperature = temperature_of(predict(model, tokenizer, held), np.array([e.label for e in held]))
    with torch.no_grad():
        model.classifier.weight /= temperature
        model.classifier.bias /= temperature


def temperature_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """Temperature that makes the labels (texts,) likeliest under softmax(logits / temperature)."""
    margin = (logits[:, 1] - logits[:, 0]).astype(np.float64) * np.where(labels == 1, 1, -1)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -margin / np.exp(log_temperature)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def evaluate(args) -> None:
    """Print the figures of the card."""
    folder = args.model or text.shipped(args.name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").to(
        args.device
    )
    if args.smoke:
        tests = {"made-up reviews": corpus.made_up(50, seed=9)}
    else:
        reviews = corpus.reviews(args.data, "test")[:: args.every]
        tests = {"SST-2 dev sentences": corpus.sst2(args.data, "test"), "IMDB test reviews": reviews}
    tables = {}
    for name, examples in tests.items():
        logits = predict(model, tokenizer, examples)
        error = calibration_error(logits, examples)
        print(f"{len(examples):,} {name}: accuracy {text.percent(_accuracy(logits, examples))}, "
              f"calibration error {text.percent(error)}")  # fmt: skip
        tables[name] = reliability(logits, examples)
    print(f"one pass of 64 tokens on one core: median {_milliseconds(model):.1f} ms")
    if args.plot:
        _plot(tables, args.plot)


def reliability(logits: np.ndarray, examples: list[Example], bins: int = 10) -> np.ndarray:
    """Mean confidence, accuracy and share of the texts in each confidence bin between 0.5 and 1: (bins, 3).

    Empty bins hold nan, nan, 0.
    """
    margin = np.abs(logits[:, 1] - logits[:, 0])
    confidence = 1 / (1 + np.exp(-margin))
    right = logits.argmax(1) == np.array([e.label for e in examples])
    bin_of = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    rows = []
    for number in range(bins):
        inside = bin_of == number
        means = (confidence[inside].mean(), right[inside].mean()) if inside.any() else (np.nan, np.nan)
        rows.append((*means, inside.mean()))
    return np.array(rows)


def calibration_error(logits: np.ndarray, examples: list[Example]) -> float:
    """Expected calibration error over ten bins of confidence (Guo et al. 2017, equation 3)."""
    table = reliability(logits, examples)
    return float(np.nansum(np.abs(table[:, 0] - table[:, 1]) * table[:, 2]))


@torch.no_grad()
def _milliseconds(model, tokens: int = 64, tries: int = 101) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ids, spent = torch.full((1, tokens), 10, device=model.device), []
    for _ in range(tries):
        start = time.perf_counter()
        model(input_ids=ids)
        spent.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return 1000 * float(np.median(spent))


def _plot(tables: dict[str, np.ndarray], path: Path) -> None:
    """Draw accuracy over confidence, a line a set; the area of a mark is the share of texts in its bin."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "reliability", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(4.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0.5, 1], [0.5, 1], color="0.6", linestyle=":", label="perfectly calibrated")
        for (name, table), (line, mark, colour) in zip(tables.items(), _LINES, strict=False):
            axes.plot(table[:, 0], table[:, 1], linestyle=line, color=colour, label=name)
            axes.scatter(table[:, 0], table[:, 1], s=300 * table[:, 2], marker=mark, color=colour)
        axes.set(xlabel="confidence of the prediction", ylabel="share of right predictions")
        axes.legend(loc="upper left", frameon=False)
        figure.savefig(
            path, format="svg", metadata={"Date": None, "Title": "Reliability of pocket-sentiment"}
        )
