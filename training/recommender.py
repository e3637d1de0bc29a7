"""pocket-bert4rec: BERT4Rec trained on MovieLens-1M, leave-one-out.

Of each user's films the last is for the test, the last but one for the validation, the rest for training.
A row of a batch is a window of a user's training films, which ends where they end or anywhere; a share of the
windows is short, because people who type a history type a short one. Of some windows a random share is masked
(the cloze task of the paper), of the others the last film alone, which is what the model is asked for in use,
and late in the training the more often. There the answers of ``film-teacher`` models can be used beside the
film itself (distillation; Hinton et al. 2015). The weights that are validated and shipped are a running
average.

Sources: Sun et al., BERT4Rec, CIKM 2019; Petrov, Macdonald, A systematic review and replicability study of
BERT4Rec, RecSys 2022; for sampled metrics, Krichene, Rendle, On sampled metrics for item recommendation,
KDD 2020.
"""

from __future__ import annotations

import copy
import json
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cleann_lite.datasets import shipped as datasets
from cleann_lite.models.bert4rec import FIRST_FILM, MASK, BERT4Rec, read_rows
from cleann_lite.models.titles import Catalogue

from .loop import Settings, autocast, train
from .next_film import CausalNetwork, stacked

LEAST = 5  # interactions of a film that is kept
NEGATIVES = 100
TOP = 10
_ROWS = 128  # users ranked at a time


@dataclass(frozen=True)
class Split:
    """Films that are kept, and each user's sequence of tokens, oldest film first."""

    films: Catalogue
    sequences: tuple[np.ndarray, ...]

    def training(self) -> list[np.ndarray]:
        """Each user's films less the last two."""
        return [films[:-2] for films in self.sequences]


@dataclass(frozen=True)
class Recipe:
    """How the pocket model is made; what the command line does not set."""

    hidden_size: int = 128
    layers: int = 2
    heads: int = 2
    length: int = 200
    dropout: float = 0.1
    epochs: int = 400
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    mask_rates: tuple[float, float] = (0.1, 0.5)  # each window's own rate is drawn between the two
    last_alone: float = 0.3  # share of windows of which the last film alone is masked …
    late_alone: float = 0.9  # … and the share once …
    late: float = 0.5  # … this part of the training is over
    anywhere: float = 0.7  # share of windows that end anywhere in the user's films
    short: float = 0.25  # share of windows cut to a short history
    average: float = 0.999  # decay of the running average of the weights
    distilled: float = 0.7  # weight of the teachers' answers, where there are teachers
    checks: int = 16  # validations


def leave_one_out(interactions: datasets.Interactions, least: int = LEAST) -> Split:
    """Keep films with at least ``least`` interactions and users with at least three such films."""
    counts = Counter(film for films in interactions.sequences.values() for film in films)
    ids = sorted(film for film, count in counts.items() if count >= least)
    token = {film: FIRST_FILM + index for index, film in enumerate(ids)}
    sequences = ([token[f] for f in films if f in token] for films in interactions.sequences.values())
    titles = Catalogue(ids, [interactions.titles[film] for film in ids])
    return Split(titles, tuple(np.array(films) for films in sequences if len(films) >= 3))


# --- batches ------------------------------------------------------------------------------------------


class Batches:
    """Windows of the training films; a step's batch depends on the seed and the step alone."""

    def __init__(self, sequences: list[np.ndarray], recipe: Recipe, seed: int):
        self.sequences, self.recipe, self.seed = sequences, recipe, seed
        self.per_epoch = -(-len(sequences) // recipe.batch)
        self._lengths = np.array([min(len(films), recipe.length) for films in sequences])

    def __call__(self, step: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Windows of films, and for each the places that are masked (booleans)."""
        epoch, place = divmod(step, self.per_epoch)
        users = self._order(epoch)[place]
        rng = np.random.default_rng([self.seed, 1, step])
        late = step >= self.recipe.late * self.recipe.epochs * self.per_epoch
        alone = self.recipe.late_alone if late else self.recipe.last_alone
        windows = [self._window(self.sequences[user], rng) for user in users]
        return windows, [self._mask(len(window), alone, rng) for window in windows]

    def _order(self, epoch):
        """Users of each batch of an epoch; users with histories of similar length meet, to pad little."""
        rng = np.random.default_rng([self.seed, 0, epoch])
        users = rng.permutation(len(self.sequences))
        pools = np.array_split(users, max(1, self.per_epoch // 8))
        users = np.concatenate([pool[np.argsort(self._lengths[pool], kind="stable")] for pool in pools])
        batches = [users[i : i + self.recipe.batch] for i in range(0, len(users), self.recipe.batch)]
        return [batches[i] for i in rng.permutation(len(batches))]

    def _window(self, films, rng):
        recipe, end, width = self.recipe, len(films), self.recipe.length
        if end > 2 and rng.random() < recipe.anywhere:
            end = int(rng.integers(2, end + 1))
        if rng.random() < recipe.short:
            width = int(np.exp(rng.uniform(np.log(2), np.log(recipe.length))))
        return films[max(0, end - width) : end]

    def _mask(self, n, alone, rng):
        hidden = np.zeros(n, dtype=bool)
        if rng.random() >= alone:
            hidden = rng.random(n) < rng.uniform(*self.recipe.mask_rates)
        if not hidden.any():
            hidden[-1] = True
        return hidden


def cooccurrence_embedding(
    sequences: list[np.ndarray], vocabulary: int, size: int, window: int = 10
) -> Tensor:
    """First embedding of the films: positive pointwise mutual information of films close in time, factorised.

    Returns
    -------
    (vocabulary, size) float32, of the spread that BERT starts from.
    """
    counts = np.zeros((vocabulary, vocabulary))
    for distance in range(1, window + 1):
        pairs = [(films[:-distance], films[distance:]) for films in sequences if len(films) > distance]
        if not pairs:
            break
        left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
        np.add.at(counts, (left, right), 1.0)
    counts += counts.T
    margin = np.maximum(counts.sum(0), 1.0)
    with np.errstate(divide="ignore"):
        information = np.log(counts * counts.sum() / np.outer(margin, margin))
    left, values, _ = np.linalg.svd(np.maximum(information, 0.0), hermitian=True)
    known = left[:, :size] * np.sqrt(values[:size])
    embedding = np.random.default_rng(0).normal(0.0, 0.02, (vocabulary, size))
    rows = counts.any(1)
    embedding[rows, : known.shape[1]] = 0.02 * known[rows] / max(known[rows].std(), 1e-12)
    return torch.tensor(embedding, dtype=torch.float32)


class Averaged(nn.Module):
    """A network with the running average of its weights, which the checkpoints carry along."""

    def __init__(self, network: nn.Module, decay: float):
        super().__init__()
        self.network, self.decay = network, decay
        self.average = copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move the average towards the weights; less and less as steps go by."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), share)


def cloze_loss(network: nn.Module, windows, masks, teachers=(), distilled: float = 0.0) -> Tensor:
    """Cross-entropy of the masked films; where the last alone is masked, mixed with that to the teachers.

    Parameters
    ----------
    windows, masks : lists of arrays
        As `Batches` gives them.
    teachers : sequence of CausalNetwork
        Their mean probabilities are the second target, with the weight ``distilled``.
    """
    tokens, hidden = stacked(windows), stacked(masks).astype(bool)
    device = network.device
    rows, places = (torch.from_numpy(index).to(device) for index in np.nonzero(hidden))
    labels = torch.from_numpy(tokens[hidden]).to(device)
    seen = torch.from_numpy(np.where(hidden, MASK, tokens))
    logits = network.cls(read_rows(network, seen).last_hidden_state[rows, places]).float()
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    alone = [i for i, mask in enumerate(masks) if mask.sum() == 1 and mask[-1] and len(mask) > 1]
    if teachers and alone:
        at = np.searchsorted(np.nonzero(hidden)[0], alone)
        chances = sum(teacher.chances([windows[i][:-1] for i in alone]) for teacher in teachers)
        at = torch.from_numpy(at).to(device)
        soft = nn.functional.cross_entropy(logits[at], chances / len(teachers), reduction="none")
        losses = losses.index_put((at,), (1 - distilled) * losses[at] + distilled * soft)
    return losses.mean()


# --- measures -----------------------------------------------------------------------------------------


def ranks(model: BERT4Rec, sequences: tuple[np.ndarray, ...], held_out: int) -> np.ndarray:
    """Rank (0 is first) of each user's held-out film among all films that the user has not yet seen.

    Parameters
    ----------
    held_out
        -1 the last film (test), -2 the last but one (validation); the films before it are the history.
    """
    found = np.zeros(len(sequences), dtype=int)
    order = np.argsort([len(films) for films in sequences], kind="stable")
    for start in range(0, len(order), _ROWS):
        users = order[start : start + _ROWS]
        histories = [sequences[u][:held_out] for u in users]
        logits = model.logits([[*history[-model.length :], MASK] for history in histories])
        for row, (user, history) in enumerate(zip(users, histories, strict=True)):
            target = logits[row, sequences[user][held_out] - FIRST_FILM].item()
            logits[row, history - FIRST_FILM] = -torch.inf
            found[user] = int((logits[row] > target).sum())
    return found


def sampled_ranks(
    model: BERT4Rec, sequences: tuple[np.ndarray, ...], seed: int = 0, negatives: int = NEGATIVES
) -> np.ndarray:
    """Rank of each user's last film among itself and sampled films that the user never saw.

    The films are drawn by popularity, without replacement: the measure of the BERT4Rec paper. Fewer are
    drawn where a user left fewer.
    """
    popularity = np.bincount(np.concatenate(sequences), minlength=FIRST_FILM + len(model.films))[FIRST_FILM:]
    rng = np.random.default_rng(seed)
    found = np.zeros(len(sequences), dtype=int)
    for start in range(0, len(sequences), _ROWS):
        part = sequences[start : start + _ROWS]
        logits = model.logits([[*films[:-1][-model.length :], MASK] for films in part]).numpy()
        for row, films in enumerate(part):
            weights = popularity.astype(float)
            weights[films - FIRST_FILM] = 0.0
            size = min(negatives, np.count_nonzero(weights))
            drawn = rng.choice(len(weights), size, replace=False, p=weights / weights.sum())
            found[start + row] = int((logits[row, drawn] > logits[row, films[-1] - FIRST_FILM]).sum())
    return found


def recall_and_ndcg(ranks: np.ndarray, top: int = TOP) -> tuple[float, float]:
    """Share of users whose film is in the first ``top``, and its discounted gain 1 / log2(rank + 2)."""
    gains = np.where(ranks < top, 1 / np.log2(ranks + 2), 0.0)
    return float((ranks < top).mean()), float(gains.mean())


def popularity_ranks(sequences: tuple[np.ndarray, ...], n_films: int) -> np.ndarray:
    """Rank of each user's last film when every user is shown the most watched unseen films."""
    training = np.concatenate([films[:-2] for films in sequences])
    popularity = np.bincount(training, minlength=FIRST_FILM + n_films).astype(float)
    found = []
    for films in sequences:
        scores = popularity.copy()
        scores[films[:-1]] = -1.0
        found.append(int((scores > scores[films[-1]]).sum()))
    return np.array(found)


# --- commands -----------------------------------------------------------------------------------------


def add_arguments(parser, name: str, evaluates: bool) -> None:
    """What the shared parser does not know yet."""
    if evaluates:
        return
    parser.add_argument("--epochs", type=int, help="passes over the users (default: the recipe's)")
    parser.add_argument("--settings", help='changes to the recipe, as JSON: {"hidden_size": 96}')
    parser.add_argument("--teachers", type=Path, nargs="*", default=[], help="folders of film-teacher models")


def run(args) -> None:
    """Train, and write the model where it belongs."""
    recipe, split = prepared(args, Recipe())
    network = BERT4Rec.new_network(
        len(split.films),
        recipe.hidden_size,
        recipe.layers,
        recipe.heads,
        recipe.length,
        recipe.dropout,
        "sdpa",
    )
    teachers = [CausalNetwork.load(folder, args.device) for folder in args.teachers]
    batches = Batches(split.training(), recipe, args.seed)

    def loss(network: nn.Module, step: int) -> Tensor:
        return cloze_loss(network, *batches(step), teachers, recipe.distilled)

    def as_model(network: nn.Module) -> BERT4Rec:
        return BERT4Rec(network, split.films, device=args.device)

    network = fit(network, loss, as_model, split, recipe, args)
    BERT4Rec(network, split.films).save(args.out or datasets.data_path("models", args.name))


def changed(recipe: Recipe, text: str) -> Recipe:
    """The recipe with changes from JSON, each of the kind that it replaces."""
    try:
        changes = json.loads(text)
    except ValueError:
        changes = None
    if not isinstance(changes, dict):
        raise ValueError(f'--settings must be JSON such as {{"hidden_size": 96}}: got {text}')
    known = vars(recipe)
    for name, value in changes.items():
        if name not in known:
            raise ValueError(f"--settings knows {', '.join(known)}: got {name!r}")
        kind = type(known[name])
        number = isinstance(value, int | float) and not isinstance(value, bool)
        pair = isinstance(value, list) and len(value) == 2
        if not {int: type(value) is int, float: number, tuple: pair}[kind]:
            needed = {int: "a whole number", float: "a number", tuple: "two numbers"}[kind]
            raise ValueError(f"--settings: {name} must be {needed}: got {value!r}")
    return replace(recipe, **changes)


def prepared(args, recipe: Recipe) -> tuple[Recipe, Split]:
    """The recipe with the changes of the command line, and the films."""
    recipe = changed(recipe, args.settings or "{}")
    if args.smoke:
        recipe = replace(recipe, batch=64, checks=2)
    if args.smoke or args.epochs:
        recipe = replace(recipe, epochs=args.epochs or 2)
    torch.manual_seed(args.seed)
    return recipe, read_split(args)


def read_split(args) -> Split:
    """The films of the command line."""
    return _made_up() if args.smoke else leave_one_out(_movielens(args.data))


def fit(network, loss, as_model, split: Split, recipe: Recipe, args) -> nn.Module:
    """Train a network from counted embeddings on, and return the running average that validated best."""
    embedding = network.bert.embeddings.word_embeddings.weight
    with torch.no_grad():
        embedding.copy_(cooccurrence_embedding(split.training(), *embedding.shape))
    both = Averaged(network, recipe.average).to(args.device)

    def averaging(step: int) -> Tensor:
        both.follow(step)
        return loss(both.network, step)

    def validate() -> float:
        with autocast(torch.device(args.device), "float32"):  # rounded scores would tie films
            return recall_and_ndcg(ranks(as_model(both.average), split.sequences, -2))[1]

    steps = recipe.epochs * -(-len(split.sequences) // recipe.batch)
    settings = Settings(
        steps=steps,
        learning_rate=recipe.learning_rate,
        seed=args.seed,
        warmup=0.03,
        floor=0.02,
        betas=(0.9, 0.98),
        weight_decay=recipe.weight_decay,
        check_every=max(1, steps // recipe.checks),
        precision="bfloat16" if args.device.startswith("cuda") else "float32",
    )
    outcome = train(both, averaging, validate, settings, args.runs / args.name, args.restart)
    for check in outcome.checks:
        sys.stdout.write(f"step {check['step']}: loss {check['loss']:.3f}, validation {check['score']:.4f}\n")
    sys.stdout.write(f"best validation NDCG@{TOP} {outcome.score:.4f} at step {outcome.step}\n")
    return both.average


def evaluate(args) -> None:
    """Print the figures of the card."""
    split = read_split(args)
    if args.smoke and not args.model:
        model = BERT4Rec(BERT4Rec.new_network(len(split.films)), split.films, device=args.device)
    else:
        model = BERT4Rec.load(args.model or datasets.data_path("models", args.name), device=args.device)
    if split.films.ids != model.films.ids:
        raise ValueError(f"the model knows other films than the data: {len(model.films)}, {len(split.films)}")
    for line in report(model, split):
        sys.stdout.write(f"{line}\n")


def report(model: BERT4Rec, split: Split) -> list[str]:
    """The figures of the card, a line each."""
    users = split.sequences
    rows = [
        ("test, all unseen films", ranks(model, users, -1)),
        (f"test, {NEGATIVES} negatives by popularity", sampled_ranks(model, users)),
        ("validation, all unseen films", ranks(model, users, -2)),
        ("test, most popular unseen films", popularity_ranks(users, len(model.films))),
    ]
    lines = [f"{len(users)} users, {len(model.films)} films"]
    for what, found in rows:
        recall, ndcg = recall_and_ndcg(found)
        lines.append(f"{what}: Recall@{TOP} {recall:.4f}, NDCG@{TOP} {ndcg:.4f}")
    return lines


def _movielens(data: Path) -> datasets.Interactions:
    """From a folder of public sets where there is one, else the user's own download."""
    folder = Path(data) / "ml-1m"
    return datasets.load_movielens_1m(from_file=folder if folder.exists() else None)


def _made_up(users: int = 40, films: int = 30) -> Split:
    """Sequences that walk through the films in order, for a run of seconds."""
    sequences = {u: tuple((u + i) % films for i in range(8 + u % 5)) for u in range(users)}
    titles = {film: f"Film {film} ({1960 + film})" for film in range(films)}
    return leave_one_out(datasets.Interactions(sequences, titles), least=1)
