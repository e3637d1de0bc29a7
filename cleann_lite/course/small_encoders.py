"""Small encoders of the decoupled layer, trained within a minute on texts made up by a rule."""

import numpy as np
import torch

from ..attention.identifiability import (
    joint_local_test,
    joint_null_space_dimension,
    local_test,
    null_space_dimension,
)
from ..models.decoupled import DecoupledClassifier
from .identifiability_record import D_MODEL, HEADS, LENGTH, Run

__all__ = ["identifiable_shares", "quick_runs"]

WORDS = 60  # the first five speak for a text, the next five against it


def made_up(count, seed):
    """Word ids of `count` texts (1 begins each), and whether more of them speak for it than against it."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        row = rng.integers(2, WORDS, rng.integers(40, LENGTH))
        rows.append(np.array([1, *row]))
    return rows, np.array([int(np.isin(r, range(2, 7)).sum() > np.isin(r, range(7, 12)).sum()) for r in rows])


def quick_runs(key_sizes=(4, 16), seed=0, steps=40):
    """The experiment on identifiability in a small form: one training for each key size and way to combine.

    The texts are so easy that accuracy says little; the identifiable shares follow the same counts as in the
    recorded runs.

    Returns
    -------
    list of Run
    """
    return [_run(combine, size, seed, steps) for size in key_sizes for combine in ("concat", "add")]


def _run(combine, key_size, seed, steps):
    torch.manual_seed(seed)
    shape = {"classes": 2, "length": LENGTH, "d_model": D_MODEL, "heads": HEADS, "feedforward": 2 * D_MODEL}
    model = DecoupledClassifier(WORDS, key_size=key_size, combine=combine, dropout=0.0, **shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    rng = np.random.default_rng(seed)
    (rows, labels), (test, classes) = made_up(400, seed), made_up(60, seed + 1)
    for _ in range(steps):
        batch = rng.integers(0, len(rows), 32)
        logits = model(_padded([rows[i] for i in batch]))
        loss = torch.nn.functional.cross_entropy(logits, torch.as_tensor(labels[batch]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = float((model.eval()(_padded(test)).argmax(1).numpy() == classes).mean())
    return Run(
        "made up", combine, key_size, seed, accuracy, **identifiable_shares(model, test, texts=6), seconds=0
    )


def _padded(rows):
    ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
    for line, row in zip(ids, rows, strict=True):
        line[: len(row)] = torch.as_tensor(row)
    return ids


def identifiable_shares(
    model: DecoupledClassifier, rows: list[np.ndarray], texts: int = 100, sampled: int = 3
) -> dict:
    """Shares of identifiable weights over test texts and heads, by both notions; see `Run`."""
    rng = np.random.default_rng(0)
    chosen = [rows[i] for i in rng.permutation(len(rows))[:texts]]
    null, local, layer_null, layer_local, conditions = [], [], [], [], []
    combine = model.encoder(-1).self_attn.combine
    double = model.double().eval()  # ranks are read in float64
    for row in chosen:
        heads = double.heads(torch.as_tensor(row))
        attention = heads.attention
        null += [null_space_dimension(value, sum_to_one=True) == 0 for value in heads.value]
        layer_null.append(joint_null_space_dimension(heads.value, combine) == 0)
        for i in {0, *rng.integers(0, len(row), sampled).tolist()}:
            tests = [
                local_test(*parts) for parts in zip(attention[:, i], heads.key, heads.value, strict=True)
            ]
            local += [test.identifiable for test in tests]
            conditions += [test.condition for test in tests if test.identifiable]
            joint = joint_local_test(attention[:, i], heads.key, heads.value, combine)
            layer_local.append(joint.identifiable)
    model.float()
    return {
        "null_space": float(np.mean(null)),
        "local": float(np.mean(local)),
        "condition": float(np.median(conditions)) if conditions else float("nan"),
        "layer_null_space": float(np.mean(layer_null)),
        "layer_local": float(np.mean(layer_local)),
        "tested": len(chosen),
        "tokens": float(np.mean([len(row) for row in chosen])),
    }
