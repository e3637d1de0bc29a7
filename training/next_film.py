"""A network that predicts each next film from the films before it: the teachers of pocket-bert4rec.

Its attention is lower triangular: it is no BERT4Rec but close to SASRec (Kang, McAuley, ICDM 2018), with the
full soft-max (Klenitskiy, Vasilev, *Turning Dross Into Gold Loss*, RecSys 2023).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM

from cleann_lite.models.bert4rec import FIRST_FILM, PADDING


def stacked(rows: list[np.ndarray], fill: int = PADDING, left: bool = True) -> np.ndarray:
    """Rows as one matrix (rows, longest) int64, filled on the left or on the right."""
    width = max(map(len, rows))
    matrix = np.full((len(rows), width), fill, dtype=np.int64)
    for line, row in zip(matrix, rows, strict=True):
        line[width - len(row) if left else 0 :][: len(row)] = row
    return matrix


class CausalNetwork:
    """A network that looks back only, and how its places are read."""

    def __init__(self, network: BertForMaskedLM):
        self.network = network.eval()
        self.length = network.config.max_position_embeddings

    @classmethod
    def new(cls, n_films: int, recipe) -> BertForMaskedLM:
        """An untrained network of the sizes of a `recommender.Recipe`."""
        config = BertConfig(
            vocab_size=FIRST_FILM + n_films,
            hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            intermediate_size=4 * recipe.hidden_size,
            max_position_embeddings=recipe.length,
            type_vocab_size=1,
            hidden_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout,
            pad_token_id=PADDING,
            is_decoder=True,
            use_cache=False,
            attn_implementation="sdpa",
        )
        return BertForMaskedLM(config)

    @classmethod
    def load(cls, folder: Path, device: str) -> CausalNetwork:
        """Read a folder that this command wrote."""
        return cls(BertForMaskedLM.from_pretrained(folder, attn_implementation="sdpa").to(device))

    @torch.no_grad()
    def chances(self, histories: list[np.ndarray]) -> Tensor:
        """Probability of every token after each history: (histories, vocabulary) float32."""
        rows = [history[-self.length :] for history in histories]
        tokens = torch.from_numpy(stacked(rows, left=False)).to(self.network.device)
        ends = torch.tensor([len(row) - 1 for row in rows], device=tokens.device)
        hidden = self.network.bert(input_ids=tokens).last_hidden_state
        last = hidden[torch.arange(len(rows), device=tokens.device), ends]
        return self.network.cls(last).float().softmax(-1)

    def logits(self, rows: list[list[int]]) -> Tensor:
        """Logarithm of the probability of every film in the last place, where each row holds [MASK]."""
        return self.chances([np.array(row[:-1]) for row in rows])[:, FIRST_FILM:].log().double().cpu()


def next_film_loss(network: nn.Module, windows: list[np.ndarray]) -> Tensor:
    """Cross-entropy of every film but the first, each from the films before it."""
    tokens = stacked(windows, left=False)
    known = tokens[:, 1:] != PADDING
    labels = torch.from_numpy(tokens[:, 1:][known]).to(network.device)
    rows, places = (torch.from_numpy(index).to(network.device) for index in np.nonzero(known))
    hidden = network.bert(input_ids=torch.from_numpy(tokens[:, :-1]).to(network.device)).last_hidden_state
    return nn.functional.cross_entropy(network.cls(hidden[rows, places]).float(), labels)
