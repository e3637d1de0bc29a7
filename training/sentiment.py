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

from . import corpus, masks, negation, teachers, text
from .corpus import Example
from .loop import Settings, autocast, train

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
        parser.add_argument("--explain", type=int, default=0, help="explain N sentences of each prediction")
        parser.add_argument("--plot", type=Path, help="write the reliability plot to this SVG file")
        return
    parser.add_argument("--start", type=Path, help="model to start from (default: pocket-masked-word)")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of the text teacher")
    parser.add_argument("--unlabelled", type=int, default=50000, help="reviews that the teachers label")
    parser.add_argument("--drawn", type=int, default=150000, help="sentences that the teacher labels")
    parser.add_argument("--sentences", type=int, default=80000, help="labelled sentences to learn from")
    parser.add_argument("--by-rule", type=int, default=20000, help="sentences with negation made by rule")
    parser.add_argument("--labelled", type=int, default=25000, help="labelled reviews to learn from")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--tokens", type=int, default=16384, help="tokens of a batch")
    parser.add_argument("--dropout", type=float, default=0.1)


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
        hidden_dropout_prob=args.dropout,
        attn_implementation="sdpa",
    ).to(args.device)
    reviews, sentences, held_back = _examples(args.data, args.smoke)
    reviews, sentences = reviews[: args.labelled], sentences[: args.sentences]
    material = _kept(
        args.runs / args.name / "material.safetensors", lambda: _material(args, tokenizer, reviews, sentences)
    )
    batches = text.Batches(
        [len(row) for row in material.rows], args.tokens, args.seed, most=args.tokens // 32
    )
    settings = Settings(
        steps=6 if args.smoke else round(args.epochs * len(batches)),
        learning_rate=args.learning_rate,
        seed=args.seed,
        check_every=3 if args.smoke else max(1, len(batches) // 4),
        precision="bfloat16" if args.device.startswith("cuda") else "float32",
    )

    def loss(step: int) -> Tensor:
        chosen = batches[step]
        positive = torch.tensor(material.targets[chosen], device=model.device)
        logits = _logits(model, [material.rows[i] for i in chosen])
        return torch.nn.functional.cross_entropy(logits, torch.stack([1 - positive, positive], dim=1))

    def validate() -> float:
        with autocast(model.device, settings.precision):
            shares = [_accuracy(predict(model, tokenizer, held, limit=320), held) for held in held_back]
        return float(np.mean(shares))

    train(model, loss, validate, settings, args.runs / args.name, args.restart)
    model.float()
    calibrate(model, tokenizer, held_back[0] + held_back[1])
    text.save_folder(model, tokenizer, args.out or text.shipped(args.name))


def _examples(data: Path, smoke: bool) -> tuple[list[Example], list[Example], list[list[Example]]]:
    """Labelled reviews and sentences, and those held back: reviews, sentences and pairs with a negation."""
    if smoke:
        reviews, sentences = corpus.made_up(200), corpus.made_up(160, seed=1, sentences_each=1)
        held = [corpus.made_up(40, seed=2), corpus.made_up(40, seed=3, sentences_each=1)]
    else:
        sentences, held_sentences = corpus.whole_sentences_apart(data, teachers.HELD_SENTENCES)
        sentences, _ = corpus.split_off(sentences, 0.0, seed=0)
        reviews, held_reviews = corpus.split_off(corpus.reviews(data, "train"), teachers.HELD_REVIEWS, seed=0)
        held = [held_reviews, held_sentences]
    return reviews, sentences, [*held, negation.pairs("validation")]


def _material(args, tokenizer, reviews: list[Example], sentences: list[Example]) -> Material:
    """Everything to learn from, each text as it is and with words hidden; the teachers see what is shown."""
    rng = np.random.default_rng(args.seed)
    few = args.smoke
    found = corpus.made_up(40, seed=2) if few else []
    if args.unlabelled and not few:
        found = corpus.reviews(args.data, "unsup")
    unlabelled = [found[i] for i in rng.permutation(len(found))[: args.unlabelled]]
    drawn = teachers.sentences_of(reviews + unlabelled, 50 if few else args.drawn, args.seed)
    shown = [e.text if rng.random() < 0.3 else corpus.detached(e.text) for e in sentences]
    by_rule = negation.made_up(100 if few else args.by_rule, args.seed)
    texts = [e.text for e in reviews + unlabelled] + shown + drawn + [e.text for e in by_rule]
    known = np.full(len(texts), np.nan)  # what is known of a text beside the teacher's word
    known[: len(reviews)] = [e.label for e in reviews]
    start = len(reviews) + len(unlabelled)
    known[start : start + len(shown)] = [e.label for e in sentences]
    known[len(texts) - len(by_rule) :] = [e.label for e in by_rule]
    copies = np.repeat([2, 1, 3, 3, 1], [len(reviews), len(unlabelled), len(shown), len(drawn), len(by_rule)])

    cuts = masks.cuts(tokenizer, texts)
    labelled = [*range(len(reviews)), *range(start, start + len(shown))]
    strength = masks.strengths([cuts[i] for i in labelled], known[labelled], len(tokenizer))
    function = masks.function_pieces(tokenizer)
    hidden = [
        (i, np.zeros(cuts[i].count, bool) if copy == 0 else masks.draw(cuts[i], strength, function, rng))
        for i in range(len(texts))
        for copy in range(copies[i] + 1)
    ]
    limits = rng.choice([128, 256, 384], len(hidden), p=[0.3, 0.35, 0.35])
    rows = [
        text.shortened(cuts[i].hidden(words, text.MASK), limit)
        for (i, words), limit in zip(hidden, limits, strict=True)
    ]
    targets = _judged(args, texts, [(i, cuts[i].judged(words, function)) for i, words in hidden])
    index, whole = np.array([i for i, _ in hidden]), np.array([not words.any() for _, words in hidden])
    told = whole & ~np.isnan(known[index])
    targets[told] = 0.5 * targets[told] + 0.5 * known[index[told]]
    ruled = whole & (index >= len(texts) - len(by_rule))
    targets[ruled] = known[index[ruled]]
    targets[[bool((words | ~cuts[i].content(function)).all()) for i, words in hidden]] = 0.5
    blank = masks.blanks(1, 96)
    blank = [blank[i] for i in rng.integers(0, len(blank), len(rows) // 50)]
    undecided = Material(blank, np.full(len(blank), 0.5, np.float32))
    return Material(rows, targets.clip(0.02, 0.98).astype(np.float32)) + undecided


def _judged(args, texts: list[str], hidden: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """Probability of *positive* that the text teacher gives to each text with the same words hidden."""
    teacher = AutoModelForSequenceClassification.from_pretrained(args.teacher, attn_implementation="sdpa")
    tokenizer = AutoTokenizer.from_pretrained(args.teacher)
    cuts = masks.cuts(tokenizer, texts)
    pieces = [cuts[i].hidden(words, tokenizer.mask_token_id) for i, words in hidden]
    precision = "bfloat16" if args.device.startswith("cuda") else "float32"
    return teachers.positive(teacher.to(args.device), tokenizer, pieces, precision).clip(1e-3, 1 - 1e-3)


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
    """Fold two numbers into the classifier: a temperature, and what leaves a text of masks undecided.

    The temperature is fitted on held-back texts (Guo et al. 2017); the bias is moved until the median margin
    of texts of 5 to 60 [MASK] is 0.
    """
    temperature = temperature_of(predict(model, tokenizer, held), np.array([e.label for e in held]))
    with torch.no_grad():
        model.classifier.weight /= temperature
        model.classifier.bias /= temperature
        margin = np.median(margins(_logits(model, masks.blanks(5, 60)).cpu().numpy())) / 2
        model.classifier.bias += torch.tensor([margin, -margin], device=model.device)


def margins(logits: np.ndarray) -> np.ndarray:
    """How far each text leans to *positive*: difference of its two logits."""
    return logits[:, 1] - logits[:, 0]


def temperature_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """Temperature that makes the labels (texts,) likeliest under softmax(logits / temperature)."""
    margin = margins(logits).astype(np.float64) * np.where(labels == 1, 1, -1)

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
    sentences = next(iter(tests.values()))
    for line in masking_report(model, tokenizer, sentences):
        print(line)
    if args.explain:
        print(explained(folder, sentences, args.explain))
    print(f"one pass of 64 tokens on one core: median {_milliseconds(model):.1f} ms")
    if args.plot:
        _plot(tables, args.plot)


@torch.no_grad()
def masking_report(model, tokenizer, examples: list[Example]) -> list[str]:
    """What hiding words does to the classifier, and how it reads the pairs that are shown once."""
    blank = margins(_logits(model, masks.blanks(5, 60)).cpu().numpy())
    low, middle, high = 1 / (1 + np.exp(-np.quantile(blank, [0, 0.5, 1])))
    rng = np.random.default_rng(0)
    cuts = masks.cuts(tokenizer, [e.text for e in examples])
    half = [cut.hidden(rng.permutation(cut.count) < cut.count // 2, text.MASK) for cut in cuts]
    seen = [int(margins(_logits(model, [text.framed(row)]).cpu().numpy())[0] > 0) for row in half]
    whole = predict(model, tokenizer, examples).argmax(1)
    right = np.mean(np.array(seen) == [e.label for e in examples])
    pairs = negation.pairs("shown")
    read = predict(model, tokenizer, pairs).argmax(1) == [e.label for e in pairs]
    alone, both = (text.percent(np.mean(share)) for share in (read, read[::2] & read[1::2]))
    return [
        f"5 to 60 [MASK] alone: positive {low:.3f} to {high:.3f}, median {middle:.3f}",
        f"half of the words masked: accuracy {text.percent(right)}, "
        f"{text.percent(np.mean(seen != whole))} of the predictions change",
        f"{len(pairs)} sentences of the pairs shown: {alone} right, {both} of the pairs",
    ]


def explained(folder: Path, examples: list[Example], count: int, longest: int = 25) -> str:
    """How often `cleann_lite.explain`, as it comes, finds a set, by prediction, in short sentences."""
    from cleann_lite import explain, load_model

    model, found = load_model(str(folder)), {label: [] for label in corpus.LABELS}
    for example in examples:
        if len(example.text.split()) <= longest and min(map(len, found.values())) < count:
            result = explain(model, corpus.detached(example.text))
            if len(found[result.target]) < count:
                found[result.target].append(result.success)
    parts = (f"{text.percent(np.mean(sets))} of {len(sets)} {label}" for label, sets in found.items())
    return f"sets found, sentences of at most {longest} words: {', '.join(parts)}"


def reliability(logits: np.ndarray, examples: list[Example], bins: int = 10) -> np.ndarray:
    """Mean confidence, accuracy and share of the texts in each confidence bin between 0.5 and 1: (bins, 3).

    Empty bins hold nan, nan, 0.
    """
    margin = np.abs(margins(logits))
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
