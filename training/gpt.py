"""pocket-gpt: a small causal language model of film reviews."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from tokenizers import processors
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

from . import beginnings, masked_word, text
from .loop import Settings, train
from .ngrams import Trigrams

_WIDTH = 128


def add_arguments(parser, name: str, evaluates: bool) -> None:
    """Options of the command line beyond the common ones."""
    parser.add_argument("--start", type=Path, help="masked-word model that lends vocabulary and embeddings")
    if not evaluates:
        parser.add_argument("--steps", type=int, default=2600, help="optimizer steps (default: 2600)")


def config(vocabulary: int, smoke: bool = False, width: int = 192) -> GPT2Config:
    """Architecture: 3 layers as wide as the model that lends its embeddings, 4 heads, windows of 128."""
    return GPT2Config(
        vocab_size=vocabulary,
        n_positions=_WIDTH,
        n_embd=width,
        n_layer=2 if smoke else 3,
        n_head=4,
        n_inner=256 if smoke else 576,
        initializer_range=0.04,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=text.CLS,
        eos_token_id=text.SEP,
        pad_token_id=text.PAD,
    )


def causal_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Take the vocabulary of the masked-word model: [CLS] begins a text, [SEP] ends it and is not added."""
    fast = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A $B:1", special_tokens=[("[CLS]", text.CLS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        bos_token="[CLS]",
        eos_token="[SEP]",
        unk_token="[UNK]",
        pad_token="[PAD]",
        model_max_length=_WIDTH,
    )


def windows(texts: list[np.ndarray], shortest: int = 8) -> list[np.ndarray]:
    """Cut [CLS] text [SEP] into windows of at most 128 ids, each begun by the last id of the one before."""
    found = []
    for ids in texts:
        row = np.concatenate(([text.CLS], ids, [text.SEP])).astype(np.int32)
        parts = [row[at : at + _WIDTH] for at in range(0, len(row) - 1, _WIDTH - 1)]
        found += [part for part in parts if len(part) >= shortest]
    return found


def run(args) -> None:
    """Train on the reviews, starting from the embeddings of the masked-word model."""
    start = args.start or text.shipped("pocket-masked-word")
    tokenizer = causal_tokenizer(start)
    rest, held = masked_word.read_texts(args.data, args.smoke)
    runs = args.runs / args.name
    parts = windows(text.kept_pieces(runs / "pieces.safetensors", lambda: text.pieces(tokenizer, rest)))
    torch.manual_seed(args.seed)
    width = AutoConfig.from_pretrained(start).hidden_size
    model = GPT2LMHeadModel(config(len(tokenizer), args.smoke, width))
    model.set_attn_implementation("eager")
    _begin(model, start)
    model.to(args.device)
    batches = text.Batches([len(part) for part in parts], 1024 if args.smoke else 4096, args.seed)
    checked = windows(text.pieces(tokenizer, held))
    settings = Settings(
        steps=6 if args.smoke else args.steps,
        learning_rate=2e-3,
        muon=0.02,
        seed=args.seed,
        schedule="cosine",
        betas=(0.9, 0.98),
        check_every=3 if args.smoke else 260,
        precision="float32" if args.smoke else "bfloat16",
    )

    def loss(step: int) -> Tensor:
        return _losses(model, [parts[i] for i in batches[step]])[0].mean()

    train(model, loss, lambda: -_held_out(model, checked)[0], settings, runs, args.restart)
    text.save_folder(model, tokenizer, args.out or text.shipped(args.name))


@torch.no_grad()
def _begin(model: GPT2LMHeadModel, start: Path) -> None:
    """Begin with the masked-word model's vectors, and first heads that look one to four tokens back."""
    width, room = model.config.n_embd, 2 * beginnings.PLANES
    with safe_open(start / "model.safetensors", "pt") as file:
        vectors = file.get_tensor("bert.embeddings.word_embeddings.weight").float()
    vectors[:, -room:] = 0
    model.transformer.wte.weight.copy_(vectors * (0.04 / vectors.std()))
    waves = np.zeros((_WIDTH, width))
    waves[:, -room:] = 0.06 * beginnings.position_waves(_WIDTH)
    model.transformer.wpe.weight.copy_(torch.from_numpy(waves))
    attention = model.transformer.h[0].attn
    heads = [beginnings.distance_head(width, width // 4, -back) for back in (1, 2, 3, 4)]
    joined = np.concatenate([np.concatenate(matrices) for matrices in zip(*heads, strict=True)])
    attention.c_attn.weight[:, : 2 * width].mul_(0.1).add_(torch.from_numpy(joined.T))
    torch.nn.init.orthogonal_(attention.c_attn.weight[:, 2 * width :])
    torch.nn.init.orthogonal_(attention.c_proj.weight)


def _losses(model, rows: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Loss of each id after the first, and whether it was the likeliest: flat, padding left out."""
    ids, present = (t.to(model.device) for t in text.padded(rows))
    states = model.transformer(input_ids=ids).last_hidden_state[:, :-1]
    # Padding comes last, and no token looks ahead: a mask would change nothing.
    counted = present[:, 1:].bool()
    logits, wanted = model.lm_head(states[counted]), ids[:, 1:][counted]
    return torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none"), logits.argmax(
        -1
    ) == wanted


@torch.no_grad()
def _held_out(model, parts: list[np.ndarray]) -> tuple[float, float]:
    """Mean loss and top-1 accuracy."""
    found = [_losses(model, parts[start : start + 32]) for start in range(0, len(parts), 32)]
    loss, right = (torch.cat([pair[k].float().cpu() for pair in found]) for k in (0, 1))
    return float(loss.double().mean()), float(right.double().mean())


def evaluate(args) -> None:
    """Print perplexity and top-1 accuracy on test reviews, beside trigrams of the same training reviews."""
    folder = args.model or text.shipped(args.name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").to(args.device)
    parts = windows(text.pieces(tokenizer, masked_word.test_texts(args.data, args.smoke)))
    loss, right = _held_out(model, parts)
    count = sum(len(part) - 1 for part in parts)
    print(f"{len(parts)} windows of test reviews, {count} word-pieces")
    print(f"pocket-gpt: perplexity {np.exp(loss):.2f}, top-1 accuracy {text.percent(right)}")
    learned = text.pieces(tokenizer, masked_word.read_texts(args.data, args.smoke)[0])
    framed = [np.concatenate(([text.CLS, text.CLS], ids, [text.SEP])) for ids in learned]
    drawn = [np.concatenate(([text.CLS], part)) for part in parts]
    contexts = np.concatenate([np.stack([part[:-2], part[1:-1]], axis=1) for part in drawn])
    wanted = np.concatenate([part[2:] for part in drawn])
    perplexity, right = Trigrams(framed, len(tokenizer)).measure(contexts, wanted)
    print(f"trigrams (Kneser-Ney): perplexity {perplexity:.2f}, top-1 accuracy {text.percent(right)}")
