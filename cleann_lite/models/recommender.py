"""What a recommender of films says to the search for explanations: histories, masks, titles, recommendations.

A `Recommender` knows the films and what masking one means. A subclass adds a network: the logits of every
film behind rows of tokens, attention and gradients of one row.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import torch

from ..attention.former import formerly
from ..attention.residual import LayerMixing
from .protocol import Encoded, is_whole
from .titles import Catalogue

MASK, FIRST_FILM = 1, 2
MASK_LABEL = "[MASK]"
_BATCH = 128  # rows of one forward pass


class MaskedFilm(str):
    """The text "[MASK]" in a masked history; it remembers which film it hides, for that film was seen."""

    film: str

    def __new__(cls, film: str):
        masked = super().__new__(cls, MASK_LABEL)
        masked.film = film
        return masked


class SeenFilm(str):
    """A title in a masked history that is too long: the film was seen, and the network did not read it."""


@dataclass(frozen=True)
class History:
    """What the network reads, oldest film first; every film that was seen; those that were cut."""

    tokens: tuple[int, ...]
    seen: tuple[int, ...]
    older: tuple[int, ...] = ()


class Recommender(ABC):
    """A recommender of films behind the protocol of ``explain``; tokens: 1 is [MASK], films start at 2.

    What masking a film means: "mask" puts [MASK] in its place, "remove" takes it out of the history.
    """

    task = "recommendation"
    causal = False

    def __init__(self, films: Catalogue, name: str, masking: str):
        if masking not in ("mask", "remove"):
            raise ValueError(f'masking must be "mask" or "remove": got {masking!r}')
        self.films, self.name, self.masking = films, name, masking

    @property
    @abstractmethod
    def length(self) -> int:
        """Most films of a history that the network reads."""

    @abstractmethod
    def logits(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logit of every film in the last place of each row of tokens: (rows, films) float64."""

    @abstractmethod
    def mixing(self, row: Sequence[int]) -> Callable[[], tuple[LayerMixing, ...]] | None:
        """See ``Encoded.mixing``, of one row of tokens."""

    @formerly(units="split_into")
    def encode(
        self,
        history: str | Iterable[str | int],
        target: str | int | None = None,
        split_into: str = "words",
        seen: Iterable[str | int] = (),
    ) -> Encoded:
        """Read a history, oldest film first, with the film whose recommendation is to be explained.

        Parameters
        ----------
        history
            Titles (matched forgivingly, see `titles.Catalogue.find`) or MovieLens ids; or one text with
            titles between semicolons. "[MASK]" stands for a hidden film.
        target
            The film to explain; None takes the one that the model recommends.
        split_into
            Of no effect: the unit of a history is a film.
        seen
            Further films that must not be recommended.

        Raises
        ------
        ValueError
            For an empty history, a film that is not known, or a target that was already seen.
        """
        tokens, watched, notes = self._read(history)
        watched |= {self.films.find(film) for film in _listed(seen, "what was seen")}
        if len(watched) == len(self.films):
            raise ValueError(f"nothing is left to recommend: all {len(self.films)} films were already seen")
        if len(tokens) > self.length:
            cut = len(tokens) - self.length
            told = "one was left out, and is" if cut == 1 else f"{cut} were left out, and are"
            notes.append(
                f"the history has {len(tokens)} films and the model reads {self.length}: "
                f"the oldest {told} not recommended either"
            )
        older = tuple(token for token in tokens[: -self.length] if token != MASK)
        data = History(tuple(tokens[-self.length :]), tuple(sorted(watched)), older)
        outcome = self._outcome(data, target)
        n, shown = len(data.tokens), [i for i, t in enumerate(data.tokens) if t != MASK]
        return Encoded(
            units=tuple(self._token_label(t) for t in data.tokens),
            tokens=tuple((i,) for i in range(n)),
            outcome_tokens=(n,),
            outcome=self.label(outcome),
            target=outcome,
            data=data,
            eligible=tuple(shown) if len(shown) < n else None,
            notes=tuple(notes),
            mixing=self.mixing([*data.tokens, FIRST_FILM + outcome]),
        )

    def predict(self, encoded: Encoded, masks: Sequence[Sequence[int]]) -> np.ndarray:
        """Probability of every film after masking each set of films of the history.

        Returns
        -------
        (len(masks), films) float64; rows sum to 1 over unseen films, a film that was seen has 0.
        """
        rows = [self._masked_row(encoded.data.tokens, mask) for mask in masks]
        return self._probabilities(rows, encoded.data.seen)

    def label(self, index: int) -> str:
        """Title of one film."""
        return self.films.titles[index]

    def masked_input(self, encoded: Encoded, mask: Sequence[int]) -> list[str]:
        """The history as the model saw it: titles, with "[MASK]" for masked films (or without them).

        Films that were cut from a long history come first: they were not read, but they were seen.
        """
        hidden = self._checked(mask, len(encoded.units))
        older = [SeenFilm(self._token_label(token)) for token in encoded.data.older]
        if self.masking == "remove":
            return older + [unit for i, unit in enumerate(encoded.units) if i not in hidden]
        return older + [
            MaskedFilm(unit) if i in hidden and unit != MASK_LABEL else unit
            for i, unit in enumerate(encoded.units)
        ]

    def recommend(
        self, history: str | Iterable[str | int], k: int = 10, seen: Iterable[str | int] = ()
    ) -> list[tuple[str, float]]:
        """The k films that the model would show next, with their probabilities over all unseen films.

        Parameters
        ----------
        history
            As in `encode`, oldest film first.
        k
            How many; fewer come when fewer are unseen.
        seen
            Further films that must not be recommended.

        Raises
        ------
        ValueError
            As in `encode`, and for k below 1.
        """
        if not is_whole(k) or k < 1:
            raise ValueError(f"k must be at least 1, a whole number: got {k!r}")
        encoded = self.encode(history, seen=seen)
        scores = self.predict(encoded, [()])[0]
        unseen = len(self.films) - len(encoded.data.seen)
        best = np.argsort(-scores, kind="stable")[: min(k, unseen)]
        return [(self.label(i), float(scores[i])) for i in best]

    def _read(self, history):
        """Tokens of a history, the films it shows or hides, and notes on what was left out."""
        tokens, watched, notes = [], set(), []
        for film in _listed(history, "a history", ordered=True):
            if isinstance(film, str) and film.strip() == MASK_LABEL:
                tokens.append(MASK)
                if isinstance(film, MaskedFilm):
                    watched.add(self.films.find(film.film))
                continue
            index = self.films.find(film)
            if isinstance(film, SeenFilm):
                watched.add(index)
                continue
            if FIRST_FILM + index in tokens:
                tokens.remove(FIRST_FILM + index)
                notes.append(f"{self.label(index)} is in the history more than once: the last counts")
            tokens.append(FIRST_FILM + index)
            watched.add(index)
        if not tokens:
            raise ValueError("a recommendation needs a history of at least one film: got none")
        return tokens, watched, list(dict.fromkeys(notes))

    def _outcome(self, data, target):
        """Index of the film to explain."""
        if target is None:
            return int(self._probabilities([[*data.tokens, MASK]], data.seen)[0].argmax())
        outcome = self.films.find(target)
        if outcome in data.seen:
            raise ValueError(f"the target must be a film that was not seen: got {self.label(outcome)}")
        return outcome

    def _token_label(self, token):
        return MASK_LABEL if token == MASK else self.label(token - FIRST_FILM)

    def _masked_row(self, tokens, mask):
        """History with a set of films masked, and [MASK] at the end to be filled by the next film."""
        hidden = self._checked(mask, len(tokens))
        if self.masking == "remove":
            return [*(t for i, t in enumerate(tokens) if i not in hidden), MASK]
        return [*(MASK if i in hidden else t for i, t in enumerate(tokens)), MASK]

    @staticmethod
    def _checked(mask, n):
        hidden = {int(i) for i in mask}
        if hidden and not (min(hidden) >= 0 and max(hidden) < n):
            raise ValueError(f"masked films must be numbers from 0 to {n - 1}: got {sorted(hidden)}")
        return hidden

    def _probabilities(self, rows, seen):
        """Soft-max over unseen films in the last place of each row: (rows, films) float64."""
        parts = [np.zeros((0, len(self.films)))]
        for start in range(0, len(rows), _BATCH):
            logits = self.logits(rows[start : start + _BATCH])
            logits[:, list(seen)] = -torch.inf
            parts.append(torch.softmax(logits, dim=-1).numpy())
        return np.concatenate(parts)


def _listed(films, what, ordered=False):
    """Films one by one: of a text, its parts between semicolons."""
    if isinstance(films, str):
        return [part for part in films.split(";") if part.strip()]
    if isinstance(films, bytes) or not isinstance(films, Iterable):
        raise ValueError(f"{what} is a list of titles: got {type(films).__name__} {films!r}")
    if ordered and isinstance(films, Set | Mapping):
        raise ValueError(
            f"{what} is a list of titles, oldest first: got a {type(films).__name__}, in no order"
        )
    return films
