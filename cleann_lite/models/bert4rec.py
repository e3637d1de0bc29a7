"""BERT4Rec: a Transformer that recommends the next film, as the search for explanations sees it.

A history of films is a sentence, a film is a token, and the next film is a masked word at the end
(Sun et al., CIKM 2019). The network is a standard ``BertForMaskedLM``; what is particular lies in how it
is used:

- tokens: 0 is padding, 1 is [MASK], films start at 2, so that no film shares an index with either;
- positions are counted from the end of the history, where the model reads its prediction;
- *predict*: history + [MASK], the soft-max over the films that are not in the history. Films masked by
  the search count as seen all the same, so that before and after masking the same films compete;
- *attention*: the recommended film takes the place of that [MASK] (the outcome in the input, CLEANN,
  arXiv 2310.20307), so that its row can be read as the outcome of a structural equation model.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from ..attention.residual import LayerMixing
from ..datasets import shipped as datasets
from . import folders
from .fast_pass import one_at_a_time, one_place
from .mixing import how_it_mixes
from .protocol import Encoded, is_whole
from .recommender import FIRST_FILM, MASK, Recommender
from .titles import Catalogue

PADDING = 0
_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
          "max_position_embeddings")  # fmt: skip
_TIED = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")


class BERT4Rec(Recommender):
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
        super().__init__(films, name, masking)
        self.network = network.eval().to(device or "cpu")

    @property
    def hidden_size(self) -> int:
        return self.network.config.hidden_size

    @property
    def length(self) -> int:
        """Most films of a history that the network reads; one more place is for the outcome."""
        return self.network.config.max_position_embeddings - 1

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
        if not is_whole(layer) or not -len(attentions) <= layer < len(attentions):
            raise ValueError(f"layer must be below {len(attentions)}: got {layer!r}")
        return attentions[layer][0].double().cpu().numpy()

    @one_at_a_time
    def attributions(
        self,
        encoded: Encoded,
        kind: str = "gradient-x-input",
        steps: int = 32,
        masked: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Score of each film of the history for the outcome, by gradients at its embedding: (films,) float64.

        The outcome is its log-probability over unseen films. ``kind`` is "gradient-x-input" (Shrikumar et
        al. 2016) or "integrated-gradients" (Sundararajan et al. 2017) from the history with the films
        ``masked`` (None: all), ``steps`` points of the midpoint rule; [MASK] stands for a film even where
        masking removes it.
        """
        shares = {"gradient-x-input": np.ones(1), "integrated-gradients": (np.arange(steps) + 0.5) / steps}
        if kind not in shares:
            raise ValueError(f"kind must be one of {', '.join(shares)}: got {kind!r}")
        places = self.network.config.max_position_embeddings
        n = len(encoded.data.tokens)
        hidden = set(range(n) if masked is None else masked)
        blank = [MASK if place in hidden else token for place, token in enumerate(encoded.data.tokens)]
        rows = torch.tensor([[*encoded.data.tokens, MASK], [*blank, MASK]], device=self.network.device)
        with torch.no_grad():
            films, without = self.network.get_input_embeddings()(rows)
        start = torch.zeros_like(films) if kind == "gradient-x-input" else without
        total = torch.zeros_like(films)
        for share in shares[kind]:
            point = (start + share * (films - start)).requires_grad_()
            state = self.network.bert(
                inputs_embeds=point[None],
                position_ids=torch.arange(places - n - 1, places, device=point.device)[None],
            ).last_hidden_state
            logits = self.network.cls(state[:, -1])[0, FIRST_FILM:].double()
            logits[list(encoded.data.seen)] = -torch.inf
            total += torch.autograd.grad(torch.log_softmax(logits, -1)[encoded.target], point)[0]
        scores = (total / len(shares[kind]) * (films - start)).sum(-1)
        return scores[:n].double().cpu().numpy()

    @one_at_a_time
    @torch.no_grad()
    def logits(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logit of every film in the last place of each row of tokens: (rows, films) float64."""
        with one_place(self.network, -1):
            hidden = self._read_rows(rows).last_hidden_state
        return self.network.cls(hidden[:, -1])[:, FIRST_FILM:].double().cpu()

    def mixing(self, row: Sequence[int]) -> Callable[[], tuple[LayerMixing, ...]] | None:
        """How each layer mixes the tokens of one row; None for a network that is not known."""
        return how_it_mixes(self.network, **_inputs(self.network, pad_left([row])))

    @one_at_a_time
    def _read_rows(self, rows, output_attentions=False):
        return read_rows(self.network, pad_left(rows), output_attentions=output_attentions)

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
        config = BertConfig(  # type: ignore[call-arg]  # attn_implementation is every configuration's
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
        model = cls(_read_network(folder), films, folder.name, masking, device)
        try:
            model.logits([[MASK]])
        except Exception as error:  # settings that no file contradicts, and no network can run
            raise ValueError(f"{folder} cannot be run: {folders.first_line(error)}") from None
        return model


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
    path, settings = folder / "model.safetensors", folders.read_config(folder)
    for name in _SIZES:
        size = settings.get(name)
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(
                f"{name} in {folder / 'config.json'} must be a whole number from 1 on: got {size!r}"
            )
    try:
        folders.stored_shapes(folder)
        config = BertConfig.from_pretrained(folder, attn_implementation="eager")
        folders.check_size(folder, lambda: BertForMaskedLM(config))
        network = BertForMaskedLM(config).float()
        weights = load_file(path)
    except Exception as error:  # settings of any kind, which a dozen places read
        told = folders.first_line(error)
        raise ValueError(f"{folder} cannot be read (truncated or altered?): {told}") from None
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
