"""Record the attention of a pre-trained BERT-like encoder on the texts of data/recorded/texts.csv.

``python tools/record_attention.py MODEL_FOLDER`` reads a local Hugging Face folder (all-MiniLM-L6-v2 for the
file that ships) and writes ``data/recorded/minilm.npz``: per text NAME the arrays ``NAME_tokens`` (T,),
``NAME_text`` () and ``NAME_attention``, float32, (heads, T, T) of the last layer or (layers, heads, T, T).
"""

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

FOLDER = Path(__file__).resolve().parent.parent / "data" / "recorded"


def record(model, tokenizer, text, layers):
    """Tokens (T,) and attention of one text: (heads, T, T) of the last layer, or (layers, heads, T, T)."""
    encoded = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        attentions = model(**encoded, output_attentions=True).attentions
    stacked = torch.cat(attentions).double().numpy()
    stacked /= stacked.sum(axis=-1, keepdims=True)  # float32 soft-max rows miss 1 by some 1e-7
    tokens = np.array(tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]))
    return tokens, (stacked if layers == "all" else stacked[-1]).astype(np.float32)


def main(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    arrays = {}
    with open(FOLDER / "texts.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            tokens, attention = record(model, tokenizer, row["text"], row["layers"])
            name = row["name"]
            arrays |= {f"{name}_text": np.array(row["text"]), f"{name}_tokens": tokens}
            arrays[f"{name}_attention"] = attention
            print(f"{name}: {len(tokens)} tokens, attention {attention.shape}")
    np.savez_compressed(FOLDER / "minilm.npz", **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
