"""pocket-masked-word: a small BERT that fills in masked word-pieces of film reviews."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

from . import beginnings, corpus, text
from .loop import Settings, train
from .ngrams import Trigrams

MASKED = 0.15
# Where the four heads of the first layer look before training.
_DISTANCES = (-1, 1, -2, 2)


def add_arguments(parser, name: str, evaluates: bool) -> None:
    """Options of the command line beyond the common ones."""
    if not evaluates:
        parser.add_argument("--steps", type=int, default=4500, help="optimizer steps (default: 4500)")
        parser.add_argument("--start", type=Path, help="masked-word model to go on from, with its vocabulary")
        parser.add_argument("--rate", type=float, default=1.0, help="factor of both learning rates")
        parser.add_argument("--layers", type=int, default=3)
        parser.add_argument("--tokens", type=int, default=4096, help="tokens of a batch")


def config(vocabulary: int, smoke: bool = False, layers: int = 3) -> BertConfig:
    """Architecture of the pocket BERT: layers of 192, 4 heads of 48."""
    width, layers = (128, 2) if smoke else (192, layers)
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=4 * width,
        max_position_embeddings=text.MAX_LENGTH,
        initializer_range=0.04,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=text.PAD,
    )


def read_texts(data: Path, smoke: bool) -> tuple[list[str], list[str]]:
    """Reviews to train on (labelled and unlabelled), and a few hundred of them held back for validation."""
    if smoke:
        found = corpus.made_up(240)
    else:
        found = corpus.reviews(data, "train") + corpus.reviews(data, "unsup")
    rest, held = corpus.split_off(found, 0.005 if not smoke else 0.1, seed=0)
    return [e.text for e in rest], [e.text for e in held]


def windows(texts: list[np.ndarray], width: int = 128, shortest: int = 16) -> list[tuple[int, np.ndarray]]:
    """Cut framed texts into windows of at most ``width`` tokens, each with the position it starts at.

    Positions are those the token has in its text, so that short windows train every position of the model.
    """
    found = []
    for ids in texts:
        for start in range(0, len(ids), text.MAX_LENGTH - 2):
            row = text.framed(ids[start:])
            parts = [(at, row[at : at + width]) for at in range(0, len(row), width)]
            found += [part for part in parts if len(part[1]) >= shortest or part[0] == 0]
    return found


def mask_pieces(ids: Tensor, vocabulary: int, share: float, generator=None) -> tuple[Tensor, Tensor]:
    """Choose word-pieces and hide them as BERT does: 80 % [MASK], 10 % another piece, 10 % as they are.

    Returns the ids as the model sees them and the boolean mask of the chosen positions
    (Devlin et al. 2019, *BERT*, section 3.1).
    """
    chance, kind = torch.rand(2, *ids.shape, generator=generator)
    chosen = (chance < share) & (ids >= len(text.SPECIAL))
    if not chosen.any():
        chosen[0, 0] = True
    other = torch.randint(len(text.SPECIAL), vocabulary, ids.shape, generator=generator)
    seen = torch.where(chosen & (kind < 0.8), text.MASK, ids)
    return torch.where(chosen & (kind >= 0.9), other, seen), chosen


def run(args) -> None:
    """Learn the vocabulary, the first embeddings and the model, and write its folder."""
    rest, held = read_texts(args.data, args.smoke)
    runs = args.runs / args.name
    tokenizer = (
        AutoTokenizer.from_pretrained(args.start) if args.start else _tokenizer(rest, runs, args.smoke)
    )
    learned = text.kept_pieces(runs / "pieces.safetensors", lambda: text.pieces(tokenizer, rest))
    torch.manual_seed(args.seed)
    if args.start:
        model = _deeper(args.start, args.layers)
    else:
        model = BertForMaskedLM(config(len(tokenizer), args.smoke, args.layers))
        model.set_attn_implementation("sdpa")
        _begin(model, learned, args.seed)
    model.to(args.device)
    settings = Settings(
        steps=6 if args.smoke else args.steps,
        learning_rate=2e-3 * args.rate,
        muon=0.02 * args.rate,
        seed=args.seed,
        schedule="cosine",
        betas=(0.9, 0.98),
        check_every=3 if args.smoke else 150,
        precision="float32" if args.smoke else "bfloat16",
    )
    parts = windows(learned)
    loss = _loss(model, parts, tokens=1024 if args.smoke else args.tokens, seed=args.seed)
    checked = windows(text.pieces(tokenizer, held))
    train(model, loss, lambda: -_held_out_loss(model, checked), settings, runs, args.restart)
    text.save_folder(model, tokenizer, args.out or text.shipped(args.name))


def _deeper(start: Path, layers: int) -> BertForMaskedLM:
    """A trained model, with its last layer repeated where more layers are asked for."""
    model = BertForMaskedLM.from_pretrained(start, attn_implementation="sdpa")
    stack = model.bert.encoder.layer
    while len(stack) < layers:
        stack.append(copy.deepcopy(stack[-1]))
    model.config.num_hidden_layers = len(stack)
    return model


@torch.no_grad()
def _begin(model: BertForMaskedLM, learned: list[np.ndarray], seed: int) -> None:
    """Begin where counting leads: word-piece vectors, frequencies as the bias, heads at fixed distances."""
    size, width = model.config.vocab_size, model.config.hidden_size
    room, table = 2 * beginnings.PLANES, model.bert.embeddings
    vectors, waves = np.zeros((size, width)), np.zeros((text.MAX_LENGTH, width))
    vectors[:, :-room] = beginnings.first_embeddings(learned, size, width - room, seed)
    waves[:, -room:] = 0.06 * beginnings.position_waves(text.MAX_LENGTH)
    table.word_embeddings.weight.copy_(torch.from_numpy(vectors))
    table.position_embeddings.weight.copy_(torch.from_numpy(waves))
    table.token_type_embeddings.weight.zero_()
    counts = np.bincount(np.concatenate(learned), minlength=size) + 1.0
    model.cls.predictions.bias.copy_(torch.from_numpy(np.log(counts / counts.sum())))
    attention = model.bert.encoder.layer[0].attention
    heads = [beginnings.distance_head(width, width // 4, distance) for distance in _DISTANCES]
    for weight, matrices in zip(
        (attention.self.query, attention.self.key), zip(*heads, strict=True), strict=True
    ):
        weight.weight.mul_(0.1).add_(torch.from_numpy(np.concatenate(matrices)))
    for linear in (attention.self.value, attention.output.dense):
        torch.nn.init.orthogonal_(linear.weight)


def _tokenizer(texts: list[str], runs: Path, smoke: bool):
    folder = runs / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        text.train_tokenizer(texts, 300 if smoke else 8192).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def _loss(model, parts: list[tuple[int, np.ndarray]], tokens: int, seed: int, share: float = 0.2):
    batches = text.Batches([len(ids) for _, ids in parts], tokens, seed)
    vocabulary = model.config.vocab_size

    def loss(step: int) -> Tensor:
        chosen = [parts[i] for i in batches[step]]
        ids, present, positions = _stacked(chosen)
        seen, wanted = mask_pieces(ids, vocabulary, share)
        return _cross_entropy(model, ids, seen, wanted, present, positions)

    return loss


def _stacked(parts: list[tuple[int, np.ndarray]]) -> tuple[Tensor, Tensor | None, Tensor]:
    ids, present = text.padded([row for _, row in parts])
    starts = torch.tensor([at for at, _ in parts])[:, None]
    positions = (starts + torch.arange(ids.shape[1])).clamp(max=text.MAX_LENGTH - 1)
    return ids, None if bool(present.all()) else present, positions


def _logits(model, seen, wanted, present, positions) -> Tensor:
    """Scores of the vocabulary at the wanted positions alone: the head is the dearest part of the model."""
    device = model.device
    states = model.bert(
        input_ids=seen.to(device),
        attention_mask=None if present is None else present.to(device),
        position_ids=positions.to(device),
    ).last_hidden_state
    rows, places = (index.to(device) for index in wanted.nonzero(as_tuple=True))
    return model.cls(states[rows, places]).float()


def _cross_entropy(model, ids, seen, wanted, present, positions, reduction: str = "mean") -> Tensor:
    logits = _logits(model, seen, wanted, present, positions)
    return torch.nn.functional.cross_entropy(logits, ids[wanted].to(logits.device), reduction=reduction)


@torch.no_grad()
def _held_out_loss(model, parts: list[tuple[int, np.ndarray]]) -> float:
    generator, total, count = torch.Generator().manual_seed(0), 0.0, 0
    for start in range(0, len(parts), 64):
        ids, present, positions = _stacked(parts[start : start + 64])
        seen, wanted = mask_pieces(ids, model.config.vocab_size, MASKED, generator)
        total += float(_cross_entropy(model, ids, seen, wanted, present, positions, "sum"))
        count += int(wanted.sum())
    return total / count


def test_texts(data: Path, smoke: bool) -> list[str]:
    """Every fiftieth test review: 500 texts that nothing was trained on or chosen by."""
    return [e.text for e in (corpus.made_up(30, seed=9) if smoke else corpus.reviews(data, "test")[::50])]


def evaluate(args) -> None:
    """Print perplexity and top-1 accuracy of hidden word-pieces in test reviews, beside two trigram models.

    About 15 % of the word-pieces is hidden from the model, none next to another, so that it sees the
    neighbours from which the trigram models guess.
    """
    folder = args.model or text.shipped(args.name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager").to(args.device)
    parts = windows(text.pieces(tokenizer, test_texts(args.data, args.smoke)))
    hidden = _hidden(parts)
    loss, right = _measure(model, parts, hidden)
    print(f"{len(parts)} windows of test reviews, {sum(len(h) for h in hidden)} hidden word-pieces")
    print(f"pocket-masked-word: perplexity {np.exp(loss):.2f}, top-1 accuracy {text.percent(right)}")
    learned = [
        text.framed(ids, len(ids) + 2) for ids in text.pieces(tokenizer, read_texts(args.data, args.smoke)[0])
    ]
    places = [(ids, at) for (_, ids), chosen in zip(parts, hidden, strict=True) for at in chosen]
    wanted = np.array([ids[at] for ids, at in places])
    for name, neighbours in (("two words before", (-2, -1)), ("word before and word after", (-1, 1))):
        contexts = np.array([[ids[at + step] for step in neighbours] for ids, at in places])
        model = Trigrams(learned, len(tokenizer), between=neighbours == (-1, 1))
        perplexity, right = model.measure(contexts, wanted)
        print(f"trigrams, {name}: perplexity {perplexity:.2f}, top-1 accuracy {text.percent(right)}")


def _hidden(parts: list[tuple[int, np.ndarray]]) -> list[np.ndarray]:
    """Positions to hide in each window: up to 15 %, no two within two places of each other.

    So the model sees the neighbours that the trigram models see.
    """
    rng, found = np.random.default_rng(0), []
    for _, ids in parts:
        most, chosen = round(MASKED * (len(ids) - 3)), []
        for at in rng.permutation(np.arange(2, len(ids) - 1)):
            if len(chosen) < most and all(abs(at - other) > 2 for other in chosen):
                chosen.append(at)
        found.append(np.sort(chosen).astype(int))
    return found


@torch.no_grad()
def _measure(model, parts: list[tuple[int, np.ndarray]], hidden: list[np.ndarray]) -> tuple[float, float]:
    loss, right, count = 0.0, 0, 0
    for start in range(0, len(parts), 32):
        ids, present, positions = _stacked(parts[start : start + 32])
        wanted = torch.zeros_like(ids, dtype=torch.bool)
        for row, places in enumerate(hidden[start : start + 32]):
            wanted[row, places] = True
        logits = _logits(model, ids.masked_fill(wanted, text.MASK), wanted, present, positions).cpu()
        loss += float(torch.nn.functional.cross_entropy(logits, ids[wanted], reduction="sum"))
        right += int((logits.argmax(-1) == ids[wanted]).sum())
        count += len(logits)
    return loss / count, right / count
