"""Two teachers of pocket-sentiment: soft labels for texts that nobody labelled.

:class:`ReviewTeacher` is logistic regression over word 1- and 2-grams, fitted on the labelled reviews in a
minute; it is strong on long texts. ``sentence-teacher`` is a pre-trained sentence encoder, given by
``--start`` (any BERT folder), fine-tuned on labelled sentences; it knows negation and contrast that small
data do not show. Neither ships, and neither sees a test text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from . import corpus, text
from .corpus import Example
from .loop import Settings, autocast, train

_LONGEST = 64
_TURNS = re.compile(r"\b(no|not|never|nothing|but|without|hardly|far from)\b|n't\b", re.IGNORECASE)


class ReviewTeacher:
    """Logistic regression over TF-IDF of word 1- and 2-grams."""

    def __init__(self, examples: list[Example], rarest: int = 3):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self._features = TfidfVectorizer(
            ngram_range=(1, 2), min_df=rarest, sublinear_tf=True, token_pattern=r"[\w']+", dtype=np.float32
        )
        matrix = self._features.fit_transform(e.text for e in examples)
        self._model = LogisticRegression(C=8.0, solver="liblinear", random_state=0)
        self._model.fit(matrix, [e.label for e in examples])

    def positive(self, texts: Iterable[str]) -> np.ndarray:
        """Probability of *positive*, one per text."""
        return self._model.predict_proba(self._features.transform(texts))[:, 1]


def sentences_of(examples: list[Example], count: int, seed: int) -> list[str]:
    """Draw sentences of 3 to 24 words from reviews, at most one of each kind from a review.

    The two kinds, with a word of negation or contrast and without one, come in equal numbers while they last:
    a model learns little about *not* from sentences as they come.

    Examples
    --------
    >>> sentences_of([Example("I laughed a lot. Bad. It was not dull at all!")], 9, seed=0)
    ['I laughed a lot.', 'It was not dull at all!']
    """
    rng, found = np.random.default_rng(seed), []
    for i in rng.permutation(len(examples)):
        parts = [p for p in re.split(r"(?<=[.!?])\s+", examples[i].text) if 3 <= len(p.split()) <= 24]
        turned = [bool(_TURNS.search(part)) for part in parts]
        for kind in (False, True):
            places = [k for k, turns in enumerate(turned) if turns == kind]
            if places:
                found.append(parts[rng.choice(places)])
        if len(found) >= count:
            break
    return found[:count]


def add_arguments(parser, name: str, evaluates: bool) -> None:
    """Options of the command line beyond the common ones."""
    parser.add_argument("--start", type=Path, required=not evaluates, help="pre-trained BERT folder")
    parser.add_argument("--sentences", type=int, default=60000, help="labelled sentences to learn from")


def run(args) -> None:
    """Fine-tune a pre-trained encoder on labelled sentences, all but its embeddings and lowest layers."""
    tokenizer = AutoTokenizer.from_pretrained(args.start)
    torch.manual_seed(args.seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        args.start, num_labels=2, id2label=dict(enumerate(corpus.LABELS)), attn_implementation="eager"
    ).to(args.device)
    layers = model.bert.encoder.layer
    for part in (model.bert.embeddings, *layers[: len(layers) // 3]):
        part.requires_grad_(False)
    found = corpus.made_up(120, sentences_each=1) if args.smoke else corpus.sentences(args.data)
    rest, held = corpus.split_off(found, 0.2 if args.smoke else 0.02, seed=0)
    rest = rest[: args.sentences]
    rows = _rows(tokenizer, [corpus.detached(e.text) for e in rest])
    batches = text.Batches([len(row) for row in rows], tokens=2048, seed=args.seed, most=32)
    settings = Settings(
        steps=4 if args.smoke else len(batches),
        learning_rate=1e-4,
        seed=args.seed,
        check_every=2 if args.smoke else 300,
        precision="float32" if args.smoke else "bfloat16",
    )

    def loss(step: int) -> Tensor:
        labels = torch.tensor([rest[i].label for i in batches[step]], device=model.device)
        logits = _logits(model, [rows[i] for i in batches[step]])
        return torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.02)

    def validate() -> float:
        chance = positive(model, tokenizer, [e.text for e in held], settings.precision)
        return float(np.mean((chance > 0.5) == np.array([e.label for e in held])))

    train(model, loss, validate, settings, args.runs / args.name, args.restart)
    text.save_folder(model, tokenizer, args.out or args.runs / args.name / "model")


def evaluate(args) -> None:
    """Print the share of held-back sentences that the teacher gets right."""
    folder = args.model or Path("runs") / args.name / "model"
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager")
    found = corpus.made_up(120, sentences_each=1) if args.smoke else corpus.sentences(args.data)
    _, held = corpus.split_off(found, 0.2 if args.smoke else 0.02, seed=0)
    chance = positive(model, AutoTokenizer.from_pretrained(folder), [e.text for e in held])
    right = np.mean((chance > 0.5) == np.array([e.label for e in held]))
    print(f"{len(held)} held-back sentences: accuracy {text.percent(right)}")


@torch.no_grad()
def positive(model, tokenizer, texts: list[str], precision: str = "float32") -> np.ndarray:
    """Probability of *positive* that an encoder gives to each text."""
    rows, chance = _rows(tokenizer, texts), np.empty(len(texts))
    lengths = np.array([len(row) for row in rows])
    for batch in text.cut_by_tokens(np.argsort(lengths, kind="stable"), lengths, 4096, 128):
        with autocast(model.device, precision):
            logits = _logits(model, [rows[i] for i in batch])
        chance[batch] = logits.softmax(-1)[:, 1].cpu().numpy()
    return chance


def _rows(tokenizer, texts: list[str]) -> list[np.ndarray]:
    encoded = tokenizer(texts, truncation=True, max_length=_LONGEST)["input_ids"]
    return [np.array(ids, dtype=np.int32) for ids in encoded]


def _logits(model, rows: list[np.ndarray]) -> Tensor:
    ids, present = text.padded(rows)
    return model(input_ids=ids.to(model.device), attention_mask=present.to(model.device)).logits.float()
