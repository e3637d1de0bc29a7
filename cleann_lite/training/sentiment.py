"""pocket-sentiment: a small BERT that tells negative from positive, in whole reviews and in sentences."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertForSequenceClassification

from . import corpus, text
from .corpus import Example
from .loop import Settings, train

_VALIDATION_SHARE = 0.03


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
        return
    parser.add_argument(
        "--start", type=Path, help="masked-word model to start from (default: the shipped one)"
    )
    parser.add_argument("--epochs", type=float, default=1.0)


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
    material = _first_material(tokenizer, reviews, sentences)
    batches = text.Batches([len(row) for row in material.rows], tokens=6144, seed=args.seed, most=48)
    settings = Settings(
        steps=6 if args.smoke else round(args.epochs * len(batches)),
        learning_rate=5e-4,
        seed=args.seed,
        check_every=3 if args.smoke else 400,
        precision="float32" if args.smoke else "bfloat16",
    )

    def loss(step: int) -> Tensor:
        chosen = batches[step]
        positive = torch.tensor(material.targets[chosen], dtype=torch.float32, device=model.device)
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


def _examples(data: Path, smoke: bool) -> tuple[list[Example], ...]:
    if smoke:
        reviews, sentences = corpus.made_up(200), corpus.made_up(200, seed=1, sentences_each=1)
    else:
        reviews, sentences = corpus.reviews(data, "train"), corpus.sentences(data)
    share = 0.2 if smoke else _VALIDATION_SHARE
    return *corpus.split_off(reviews, share, seed=0), *corpus.split_off(sentences, share, seed=0)


def _first_material(
    tokenizer, reviews: list[Example], sentences: list[Example], limit: int = 192
) -> Material:
    ids = text.pieces(tokenizer, [e.text for e in reviews])
    whole = Material(
        [_shortened(i, limit) for i in ids], np.array([e.label for e in reviews], dtype=np.float32)
    )
    ids = text.pieces(tokenizer, [corpus.detached(e.text) for e in sentences])
    return whole + Material(
        [text.framed(i) for i in ids], np.array([e.label for e in sentences], dtype=np.float32)
    )


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


def calibrate(model, tokenizer, held: list[Example]) -> float:
    """Fit one temperature on held-back texts and fold it into the classifier's weights (Guo et al. 2017)."""
    logits, labels = predict(model, tokenizer, held).astype(np.float64), np.array([e.label for e in held])
    margin = (logits[:, 1] - logits[:, 0]) * np.where(labels == 1, 1, -1)
    fit = minimize_scalar(
        lambda log_t: np.logaddexp(0, -margin / np.exp(log_t)).mean(), bounds=(-2, 2), method="bounded"
    )
    temperature = float(np.exp(fit.x))
    with torch.no_grad():
        model.classifier.weight /= temperature
        model.classifier.bias /= temperature
    return temperature


def evaluate(args) -> None:
    """Print the figures of the card."""
    folder = args.model or text.shipped(args.name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").to(
        args.device
    )
    tests = (
        {"made up": corpus.made_up(50, seed=9)}
        if args.smoke
        else {
            "SST-2 dev (872 sentences)": corpus.sst2(args.data, "test"),
            "IMDB test (25,000 reviews)": corpus.reviews(args.data, "test"),
        }
    )
    for name, examples in tests.items():
        logits = predict(model, tokenizer, examples)
        print(f"{name}: accuracy {text.percent(_accuracy(logits, examples))}")
    print(f"one pass of 64 tokens, one core: median {_milliseconds(model):.1f} ms")


@torch.no_grad()
def _milliseconds(model, tokens: int = 64, tries: int = 51) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ids, spent = torch.full((1, tokens), 10, device=model.device), []
    for _ in range(tries):
        start = time.perf_counter()
        model(input_ids=ids)
        spent.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return 1000 * float(np.median(spent))
