"""BERT4Rec: a Transformer that recommends the next film, as the search for explanations sees it.

A history of films is a sentence, a film is a token, and the next film is a masked word at the end
(Sun et al., CIKM 2019). The network is a standard ``BertForMaskedLM``; what is particular lies in how it
is used:

- tokens: 0 is padding, 1 is [MASK], films start at 2, so that no film shares an index with either;
- positions are counted from the end of the history, where the model reads its prediction;
- *predict*: history + [MASK], the soft-max over the films that are not in the history. Films masked by
  the search count as seen all the same, so that before and after masking the same films compete;
- *attention*: the recommended film stands in the place of that [MASK] (the outcome in the input, CLEANN,
  arXiv 2310.20307), so that its row can be read as the outcome of a structural equation model.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from ..datasets import shipped as datasets
from .fast_pass import one_at_a_time, one_place
from .mixing import how_it_mixes
from .protocol import Encoded
from .titles import Catalogue

PADDING, MASK, FIRST_FILM = 0, 1, 2
MASK_LABEL = "[MASK]"
_BATCH = 128  # rows of one forward pass
_TIED = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")


class MaskedFilm(str):
    """The text "[MASK]" in a masked history; it remembers which film it hides, for that film was seen."""

    film: str

    def __new__(cls, film: str):
        masked = super().__new__(cls, MASK_LABEL)
        masked.film = film
        return masked


@dataclass(frozen=True)
class _History:
    """What the network reads, oldest film first, and every film that was seen (more, after a cut)."""

    tokens: tuple[int, ...]
    seen: tuple[int, ...]


class BERT4Rec:
    """A recommender of films behind the protocol of ``explain``.

    Parameters
    ----------
    network
        BERT with a masked-word head over padding, [MASK] and the films.
    films
        The films, in the order of the network's tokens from 2 on.
    name
        Short name for reports.
    masking
        What masking a film means: "mask" puts [MASK] in its place, "remove" takes it out of the history.
    device
        "cpu" (default) or "cuda".

    Raises
    ------
    ValueError
        When the network's vocabulary is not padding, [MASK] and one token a film.

    References
    ----------
    Sun et al., BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from
    Transformer, CIKM 2019.

    Examples
    --------
    >>> films = Catalogue([2571, 1, 260], ["Matrix, The (1999)", "Toy Story (1995)", "Star Wars (1977)"])
    >>> model = BERT4Rec(BERT4Rec.new_network(len(films), hidden_size=8, length=5), films)
    >>> [len(model.recommend(["matrix"], k=k)) for k in (1, 10)]
    [1, 2]
    """

    task = "recommendation"
    causal = False

    def __init__(
        self,
        network: BertForMaskedLM,
        films: Catalogue,
        name: str = "bert4rec",
        masking: str = "mask",
        device: str | None = None,
    ):
        if network.config.vocab_size != FIRST_FILM + len(films):
            raise ValueError(
                f"the network must have one token a film and two more: "
                f"got {network.config.vocab_size} tokens and {len(films)} films"
            )
        if masking not in ("mask", "remove"):
            raise ValueError(f'masking must be "mask" or "remove": got {masking!r}')
        self.network = network.eval().to(device or "cpu")
        self.films, self.name, self.masking = films, name, masking

    @property
    def hidden_size(self) -> int:
        return self.network.config.hidden_size

    @property
    def length(self) -> int:
        """Most films of a history that the network reads; one more place is for the outcome."""
        return self.network.config.max_position_embeddings - 1

    # --- what the search asks ---------------------------------------------------------------------

    def encode(
        self,
        history: str | Iterable[str | int],
        target: str | int | None = None,
        units: str = "words",
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
        units
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
            notes.append(
                f"the history has {len(tokens)} films and the model reads {self.length}: "
                f"the oldest {len(tokens) - self.length} were left out, and are not recommended either"
            )
        data = _History(tuple(tokens[-self.length :]), tuple(sorted(watched)))
        outcome = self._outcome(data, target)
        recommended = pad_left([[*data.tokens, FIRST_FILM + outcome]])
        n, shown = len(data.tokens), [i for i, t in enumerate(data.tokens) if t != MASK]
        return Encoded(
            units=tuple(self._token_label(t) for t in data.tokens),
            positions=tuple((i,) for i in range(n)),
            outcome_positions=(n,),
            outcome=self.label(outcome),
            target=outcome,
            data=data,
            eligible=tuple(shown) if len(shown) < n else None,
            notes=tuple(notes),
            mixing=how_it_mixes(self.network, **_inputs(self.network, recommended)),
        )

    def attention(self, encoded: Encoded, layer: int = -1) -> np.ndarray:
        """Attention of one layer, the recommended film appended to the history and nothing masked.

        Returns
        -------
        (heads, films + 1, films + 1) float64; rows sum to 1, the last row and column are the outcome.
        """
        tokens = [*encoded.data.tokens, FIRST_FILM + encoded.target]
        with torch.no_grad():
            attentions = self._read_rows([tokens], output_attentions=True).attentions
        if not attentions:
            raise ValueError("the network gave no attentions: load it with attn_implementation='eager'")
        if not isinstance(layer, Integral) or not -len(attentions) <= layer < len(attentions):
            raise ValueError(f"layer must be below {len(attentions)}: got {layer!r}")
        return attentions[layer][0].double().cpu().numpy()

    def predict(self, encoded: Encoded, masks: Sequence[Sequence[int]]) -> np.ndarray:
        """Probability of every film after masking each set of films of the history.

        Returns
        -------
        (len(masks), films) float64; rows sum to 1 over unseen films, a film that was seen has 0.
        """
        rows = [self._masked_row(encoded.data.tokens, mask) for mask in masks]
        return self._probabilities(rows, encoded.data.seen)

    @one_at_a_time
    def attributions(self, encoded: Encoded, method: str = "gradient-x-input", steps: int = 32) -> np.ndarray:
        """Score of each film of the history for the outcome, by gradients at its embedding: (films,) float64.

        The outcome is its log-probability over unseen films. ``method`` is "gradient-x-input" (Shrikumar et
        al. 2016) or "integrated-gradients" (Sundararajan et al. 2017) from the history with every film
        masked, ``steps`` points of the midpoint rule; [MASK] stands for a film even where masking removes it.
        """
        shares = {"gradient-x-input": [1.0], "integrated-gradients": (np.arange(steps) + 0.5) / steps}
        if method not in shares:
            raise ValueError(f"method must be one of {', '.join(shares)}: got {method!r}")
        places = self.network.config.max_position_embeddings
        n = len(encoded.data.tokens)
        rows = torch.tensor([[*encoded.data.tokens, MASK], [MASK] * (n + 1)], device=self.network.device)
        with torch.no_grad():
            films, masked = self.network.get_input_embeddings()(rows)
        start = torch.zeros_like(films) if method == "gradient-x-input" else masked
        total = torch.zeros_like(films)
        for share in shares[method]:
            point = (start + share * (films - start)).requires_grad_()
            hidden = self.network.bert(
                inputs_embeds=point[None],
                position_ids=torch.arange(places - n - 1, places, device=point.device)[None],
            ).last_hidden_state
            logits = self.network.cls(hidden[:, -1])[0, FIRST_FILM:].double()
            logits[list(encoded.data.seen)] = -torch.inf
            total += torch.autograd.grad(torch.log_softmax(logits, -1)[encoded.target], point)[0]
        scores = (total / len(shares[method]) * (films - start)).sum(-1)
        return scores[:n].double().cpu().numpy()

    def label(self, index: int) -> str:
        """Title of one film."""
        return self.films.titles[index]

    def masked_input(self, encoded: Encoded, mask: Sequence[int]) -> list[str]:
        """The history as the model saw it: titles, with "[MASK]" for masked films (or without them)."""
        hidden = self._checked(mask, len(encoded.units))
        if self.masking == "remove":
            return [unit for i, unit in enumerate(encoded.units) if i not in hidden]
        return [
            MaskedFilm(unit) if i in hidden and unit != MASK_LABEL else unit
            for i, unit in enumerate(encoded.units)
        ]

    # --- what a user asks -------------------------------------------------------------------------

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
        if not isinstance(k, Integral) or k < 1:
            raise ValueError(f"k must be at least 1, a whole number: got {k!r}")
        encoded = self.encode(history, seen=seen)
        scores = self.predict(encoded, [()])[0]
        unseen = len(self.films) - len(encoded.data.seen)
        best = np.argsort(-scores, kind="stable")[: min(k, unseen)]
        return [(self.label(i), float(scores[i])) for i in best]

    # --- on disk ----------------------------------------------------------------------------------

    @staticmethod
    def new_network(
        n_films: int,
        hidden_size: int = 64,
        layers: int = 2,
        heads: int = 2,
        length: int = 100,
        dropout: float = 0.1,
        attn_implementation: str = "eager",
    ) -> BertForMaskedLM:
        """An untrained network; ``length`` counts the history and the place of the outcome.

        Attention itself has no dropout: it is what will be read.
        """
        config = BertConfig(
            vocab_size=FIRST_FILM + n_films,
            hidden_size=hidden_size,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * hidden_size,
            max_position_embeddings=length,
            type_vocab_size=1,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=0.0,
            pad_token_id=PADDING,
            attn_implementation=attn_implementation,
        )
        return BertForMaskedLM(config)

    def save(self, folder: str | Path, half: bool = True) -> None:
        """Write a Hugging Face folder: config.json, model.safetensors and items.json.

        ``half`` stores weights in float16; they are read back into float32.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            name: (value.half() if half else value).contiguous()
            for name, value in self.network.state_dict().items()
            if name not in _TIED
        }
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "model.safetensors").chmod(0o644)
        config = self.network.config.to_diff_dict()
        config |= {"dtype": "float32", "architectures": ["BertForMaskedLM"]}
        config.pop("transformers_version", None)
        (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        pairs = zip(self.films.ids, self.films.titles, strict=True)
        films = ",\n".join(json.dumps(pair, ensure_ascii=False) for pair in pairs)
        head = f'"padding": {PADDING}, "mask": {MASK}, "first_film": {FIRST_FILM}'
        (folder / "items.json").write_text(f'{{{head}, "films": [\n{films}\n]}}\n', encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, masking: str = "mask", device: str | None = None) -> "BERT4Rec":
        """Read a folder that `save` wrote; a shipped one is first checked against the registry.

        Raises
        ------
        ValueError
            When a file is missing, truncated or altered, or the parts do not fit each other.
        """
        folder = Path(folder)
        for name in ("config.json", "items.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise ValueError(f"{folder} is not the folder of a recommender: {name} is missing")
        if datasets.is_shipped(folder):
            datasets.verify(folder)
        films = _read_films(folder / "items.json")
        network = _read_network(folder)
        return cls(network, films, folder.name, masking, device)

    # --- inside -----------------------------------------------------------------------------------

    def _read(self, history):
        """Tokens of a history, the films it shows or hides, and notes on what was left out."""
        tokens, watched, notes = [], set(), []
        for film in _listed(history, "a history"):
            if isinstance(film, str) and film.strip() == MASK_LABEL:
                tokens.append(MASK)
                if isinstance(film, MaskedFilm):
                    watched.add(self.films.find(film.film))
                continue
            index = self.films.find(film)
            if FIRST_FILM + index in tokens:
                tokens.remove(FIRST_FILM + index)
                notes.append(f"{self.label(index)} stands more than once in the history: the last counts")
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

    @one_at_a_time
    @torch.no_grad()
    def logits(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logit of every film in the last place of each row of tokens: (rows, films) float64."""
        with one_place(self.network, -1):
            hidden = self._read_rows(rows).last_hidden_state
        return self.network.cls(hidden[:, -1])[:, FIRST_FILM:].double().cpu()

    @one_at_a_time
    def _read_rows(self, rows, output_attentions=False):
        return read_rows(self.network, pad_left(rows), output_attentions=output_attentions)


def _listed(films, what):
    """Films one by one: of a text, its parts between semicolons."""
    if isinstance(films, str):
        return [part for part in films.split(";") if part.strip()]
    if isinstance(films, bytes) or not isinstance(films, Iterable):
        raise ValueError(f"{what} is a list of titles: got {type(films).__name__} {films!r}")
    return films


def pad_left(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Rows of tokens as one matrix, padded on the left."""
    width = max(map(len, rows))
    return torch.tensor([[PADDING] * (width - len(row)) + list(row) for row in rows])


def read_rows(network: BertForMaskedLM, tokens: torch.Tensor, output_attentions: bool = False):
    """One pass of the encoder over padded rows, positions counted from the end of the row."""
    return network.bert(**_inputs(network, tokens), output_attentions=output_attentions)


def _inputs(network, tokens):
    width, places = tokens.shape[1], network.config.max_position_embeddings
    tokens = tokens.to(network.device)
    return {
        "input_ids": tokens,
        "attention_mask": (tokens != PADDING).long(),
        "position_ids": torch.arange(places - width, places, device=tokens.device)[None],
    }


def _read_films(path):
    """The list of films, after checking that its indices are the ones this module works with."""
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
        indices = (items["padding"], items["mask"], items["first_film"])
        ids, titles = zip(*items["films"], strict=True)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a list of films (truncated or altered?): {error}") from None
    if indices != (PADDING, MASK, FIRST_FILM):
        raise ValueError(f"{path} must number padding, [MASK] and films from 0, 1 and 2: got {indices}")
    return Catalogue(ids, titles)


def _read_network(folder):
    """The network with every weight from the file, in float32; nothing is left at random."""
    path = folder / "model.safetensors"
    try:
        config = BertConfig.from_pretrained(folder, attn_implementation="eager")
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{folder} cannot be read (truncated or altered?): {error}") from None
    network = BertForMaskedLM(config).float()
    try:
        missing, unexpected = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit config.json: {str(error).splitlines()[-1].strip()}") from None
    missing = [name for name in missing if name not in _TIED]
    if missing or unexpected:
        odd = f"{missing[0]} is missing" if missing else f"{unexpected[0]} is unexpected"
        raise ValueError(f"{path} does not fit config.json: {odd}")
    network.tie_weights()
    return network
