"""The teacher of pocket-sentiment: soft labels for texts without labels, and for texts with words hidden.

``text-teacher`` is a pre-trained encoder, given by ``--start`` (any BERT folder), fine-tuned on labelled
sentences and reviews, half of them with words hidden: it knows negation and contrast that small data do not
show, and is undecided where nothing is left to see. It does not ship, and sees no test text.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from . import corpus, masks, negation, text
from .corpus import Example
from .loop import Settings, autocast, train

LONGEST = 384  # tokens of a text that the encoder reads
HELD_SENTENCES, HELD_REVIEWS = 700, 0.05  # held back to choose by: a number, and a share
_TURNS = re.compile(r"\b(no|not|never|nothing|but|without|hardly|far from)\b|n't\b", re.IGNORECASE)


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
    parser.add_argument("--sst2", action="store_true", help="SST-2 alone, chosen by its own held-back part")
    if evaluates:
        return
    parser.add_argument("--start", type=Path, required=True, help="pre-trained BERT folder")
    parser.add_argument("--masked", type=float, default=0.5, help="share of texts with words hidden")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--learning-rate", type=float, default=6e-5)
    parser.add_argument("--tokens", type=int, default=8192, help="tokens of a batch")
    parser.add_argument("--most", type=int, default=64, help="texts of a batch at most")


def _texts(args) -> tuple[list[Example], list[Example]]:
    """Texts to train on, as many negative as positive ones, and texts to choose the checkpoint by."""
    if args.smoke:
        return corpus.made_up(120, sentences_each=1), corpus.made_up(30, seed=1, sentences_each=1)
    if args.sst2:
        return corpus.sst2(args.data, "train"), corpus.sst2(args.data, "dev")
    rest, held = corpus.whole_sentences_apart(args.data, HELD_SENTENCES)
    reviews, held_reviews = corpus.split_off(corpus.reviews(args.data, "train"), HELD_REVIEWS, seed=0)
    return balanced(rest) + reviews + negation.made_up(6000, seed=1), held + held_reviews


def balanced(examples: list[Example]) -> list[Example]:
    """Drop examples of the more frequent class, so that a text without a word in sight is undecided."""
    order = np.random.default_rng(0).permutation(len(examples))
    parts = [[i for i in order if examples[i].label == label] for label in (0, 1)]
    most = min(map(len, parts))
    return [examples[i] for i in sorted(i for part in parts for i in part[:most])]


def run(args) -> None:
    """Fine-tune a pre-trained encoder with [CLS], all but its word-piece vectors."""
    tokenizer = AutoTokenizer.from_pretrained(args.start)
    torch.manual_seed(args.seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        args.start,
        num_labels=2,
        id2label=dict(enumerate(corpus.LABELS)),
        label2id={label: i for i, label in enumerate(corpus.LABELS)},
        attn_implementation="sdpa",
    ).to(args.device)
    model.bert.embeddings.word_embeddings.requires_grad_(False)
    rest, held = _texts(args)
    labels = np.array([e.label for e in rest])
    parts = masks.cuts(tokenizer, [e.text if args.sst2 or i % 2 else corpus.detached(e.text)
                                   for i, e in enumerate(rest)])  # fmt: skip
    strength = masks.strengths(parts, labels, len(tokenizer))
    function = masks.function_pieces(tokenizer)
    batches = text.Batches(
        [min(len(p.pieces) + 2, LONGEST) for p in parts], tokens=args.tokens, seed=args.seed, most=args.most
    )
    settings = Settings(
        steps=4 if args.smoke else round(args.epochs * len(batches)),
        learning_rate=args.learning_rate,
        seed=args.seed,
        check_every=2 if args.smoke else max(1, len(batches) // 4),
        precision="bfloat16" if args.device.startswith("cuda") else "float32",
    )
    ends = (tokenizer.cls_token_id, tokenizer.sep_token_id)

    def loss(step: int) -> Tensor:
        rng, rows = np.random.default_rng((args.seed, step)), []
        for part in (parts[i] for i in batches[step]):
            pieces = part.pieces
            if rng.random() < args.masked:
                pieces = part.hidden(masks.draw(part, strength, function, rng), tokenizer.mask_token_id)
            rows.append(text.shortened(pieces, LONGEST, ends))
        wanted = torch.from_numpy(labels[batches[step]]).to(model.device)
        return torch.nn.functional.cross_entropy(_logits(model, rows), wanted)

    checked, wanted = masks.cuts(tokenizer, [e.text for e in held]), np.array([e.label for e in held])

    def validate() -> float:
        chance = positive(model, tokenizer, [part.pieces for part in checked], settings.precision)
        return float(np.mean((chance > 0.5) == wanted))

    outcome = train(model, loss, validate, settings, args.runs / args.name, args.restart)
    print(f"best accuracy on {len(held)} held-back texts {text.percent(outcome.score)}, step {outcome.step}")
    text.save_folder(model, tokenizer, args.out or args.runs / args.name / "model")


def evaluate(args) -> None:
    """Print how many of the texts held back, or with ``--sst2`` of SST-2's development set, it gets right."""
    folder = args.model or Path("runs") / args.name / "model"
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="sdpa").to(
        args.device
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tests = {"held-back": _texts(args)[1]}
    if args.sst2 and not args.smoke:
        tests["SST-2 development set"] = corpus.sst2(args.data, "test")
    for name, examples in tests.items():
        chance = positive(
            model, tokenizer, [c.pieces for c in masks.cuts(tokenizer, [e.text for e in examples])]
        )
        right = np.mean((chance > 0.5) == np.array([e.label for e in examples]))
        print(f"{len(examples)} texts, {name}: accuracy {text.percent(right)}")


@torch.no_grad()
def positive(model, tokenizer, pieces: list[np.ndarray], precision: str = "float32") -> np.ndarray:
    """Probability of *positive* that an encoder gives to each text, given in its own word-pieces."""
    ends = (tokenizer.cls_token_id, tokenizer.sep_token_id)
    rows, chance = [text.shortened(ids, LONGEST, ends) for ids in pieces], np.empty(len(pieces))
    lengths = np.array([len(row) for row in rows])
    for batch in text.cut_by_tokens(np.argsort(lengths, kind="stable"), lengths, 32768, 512):
        with autocast(model.device, precision):
            logits = _logits(model, [rows[i] for i in batch])
        chance[batch] = logits.softmax(-1)[:, 1].cpu().numpy()
    return chance


def _logits(model, rows: list[np.ndarray]) -> Tensor:
    ids, present = text.padded(rows)
    return model(input_ids=ids.to(model.device), attention_mask=present.to(model.device)).logits.float()
