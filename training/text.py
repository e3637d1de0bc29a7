"""What the text models share: word-pieces, batches of like length, folders on disk."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import BertTokenizerFast, PreTrainedModel, PreTrainedTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(5)
MAX_LENGTH = 512
_ALPHABET = string.ascii_lowercase + string.digits + string.punctuation + "’‘“”–—…£"
_ROOT = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """Folder of a model that ships with the repository."""
    return _ROOT / "data" / "models" / name


def train_tokenizer(texts: Sequence[str], size: int) -> BertTokenizerFast:
    """Learn a lower-case word-piece vocabulary of at most ``size`` pieces; the same texts give the same one.

    Examples
    --------
    >>> train_tokenizer(["a dull film", "a dull film"], 200).tokenize("A DULL film")
    ['a', 'dull', 'film']
    """
    # Single letters are listed up front: the trainer would number them, and so break ties, in no fixed order.
    letters = [prefix + letter for prefix in ("", "##") for letter in _ALPHABET]
    tokenizer = _word_pieces({"[UNK]": 0})
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=[*SPECIAL, *letters],
        initial_alphabet=list(_ALPHABET),
        limit_alphabet=len(_ALPHABET),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer = _word_pieces(tokenizer.get_vocab())
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return BertTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_LENGTH)


def _word_pieces(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def pieces(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[np.ndarray]:
    """Word-piece ids of each text, without special tokens, as int32 arrays."""
    fast, found = tokenizer.backend_tokenizer, []
    for start in range(0, len(texts), 1000):
        encoded = fast.encode_batch(list(texts[start : start + 1000]), add_special_tokens=False)
        found += [np.array(e.ids, dtype=np.int32) for e in encoded]
    return found


def kept_pieces(path: Path, make: Callable[[], list[np.ndarray]]) -> list[np.ndarray]:
    """Word-pieces kept on disk as one safetensors file, made on the first call."""
    if not path.exists():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        ends = torch.tensor(np.cumsum([len(p) for p in made]), dtype=torch.int64)
        save_file({"ids": torch.from_numpy(np.concatenate(made)), "ends": ends}, path)
    stored = load_file(path)
    return np.split(stored["ids"].numpy(), stored["ends"].numpy()[:-1])


class Batches:
    """Batches of like length: step number to the indices of one batch, the same in every run of one seed.

    Each epoch shuffles the items, sorts them by length within pools, and cuts batches of at most ``most``
    items and ``tokens`` tokens (padding counted), which come in shuffled order.

    Examples
    --------
    >>> batches = Batches([3, 9, 3, 8], tokens=18, seed=0)
    >>> sorted(sorted(map(int, batches[step])) for step in range(len(batches)))
    [[0, 2], [1, 3]]
    """

    def __init__(self, lengths: Sequence[int], tokens: int, seed: int, most: int = 10**9, pool: int = 6400):
        self._lengths, self._tokens, self._most = np.asarray(lengths), tokens, most
        self._seed, self._pool = seed, pool
        self._first, self._epoch, self._batches = 0, 0, self._shuffled(0)

    def __len__(self) -> int:
        return len(self._shuffled(0))

    def __getitem__(self, step: int) -> np.ndarray:
        if step < self._first:
            self._first, self._epoch, self._batches = 0, 0, self._shuffled(0)
        while step - self._first >= len(self._batches):
            self._first += len(self._batches)
            self._epoch += 1
            self._batches = self._shuffled(self._epoch)
        return self._batches[step - self._first]

    def _shuffled(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng((self._seed, epoch))
        order, found = rng.permutation(len(self._lengths)), []
        for start in range(0, len(order), self._pool):
            pool = order[start : start + self._pool]
            pool = pool[np.argsort(self._lengths[pool], kind="stable")]
            found += cut_by_tokens(pool, self._lengths, self._tokens, self._most)
        return [found[i] for i in rng.permutation(len(found))]


def cut_by_tokens(order: np.ndarray, lengths: np.ndarray, tokens: int, most: int) -> Iterator[np.ndarray]:
    """Cut indices in order of length into batches of at most ``tokens`` padded tokens, or one item."""
    start = 0
    for end in range(1, len(order) + 1):
        count = end + 1 - start
        if end == len(order) or count > most or count * lengths[order[end]] > tokens:
            yield order[start:end]
            start = end


def padded(rows: Sequence[np.ndarray], fill: int = PAD) -> tuple[Tensor, Tensor]:
    """Stack rows of ids: (batch, longest) int64, and the mask that is 1 where a row has a token."""
    longest = max(len(row) for row in rows)
    ids = np.full((len(rows), longest), fill, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def framed(ids: np.ndarray, limit: int = MAX_LENGTH, ends: tuple[int, int] = (CLS, SEP)) -> np.ndarray:
    """[CLS], as many of the word-pieces as the limit leaves room for, [SEP]."""
    return np.concatenate((ends[:1], ids[: limit - 2], ends[1:])).astype(np.int32)


def shortened(ids: np.ndarray, limit: int, ends: tuple[int, int] = (CLS, SEP)) -> np.ndarray:
    """Framed, and where the limit asks for it cut to its beginning and its end, which carries the verdict."""
    if len(ids) > limit - 2:
        head = limit // 3
        ids = np.concatenate([ids[:head], ids[len(ids) - (limit - 2 - head) :]])
    return framed(ids, limit, ends)


def save_folder(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a Hugging Face folder: float16 weights that plain ``from_pretrained`` reads as float32."""
    folder.mkdir(parents=True, exist_ok=True)
    model.to("cpu", torch.float16).save_pretrained(folder)
    model.to(torch.float32)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(folder)
    _edit(folder / "config.json", {"dtype": "float32"})
    _edit(folder / "tokenizer_config.json", {}, without=("is_local", "local_files_only"))


def _edit(path: Path, changes: dict, without: Sequence[str] = ()) -> None:
    kept = {k: v for k, v in json.loads(path.read_text(encoding="utf-8")).items() if k not in without}
    path.write_text(json.dumps(kept | changes, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def percent(share: float) -> str:
    """Write a share as a percentage with two decimals, as the cards do."""
    return f"{100 * share:.2f} %"
