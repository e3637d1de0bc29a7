"""The training loop is resumable and exact; every text model trains, saves and loads at smoke scale."""

import json
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from cleann_lite.training import corpus, text  # noqa: E402
from cleann_lite.training.__main__ import main  # noqa: E402
from cleann_lite.training.loop import BEST, CHECKPOINT, Settings, train  # noqa: E402


def _model():
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.Dropout(0.5), torch.nn.Tanh(), torch.nn.Linear(8, 1)
    )


def _run(folder, kill_at=None, **changes):
    """Train a small network on noise drawn per step; ``kill_at`` ends the run as a kill would."""
    model = _model()
    settings = Settings(**({"steps": 20, "learning_rate": 0.05, "check_every": 6, "seed": 3} | changes))
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))

    def loss(step):
        if step == kill_at:
            raise KeyboardInterrupt
        rows = torch.randint(0, 40, (16,))
        return (model(inputs[rows])[:, 0] - inputs[rows].sum(1)).square().mean()

    outcome = train(
        model, loss, lambda: -float((model(inputs)[:, 0] - inputs.sum(1)).abs().mean()), settings, folder
    )
    return model.state_dict(), outcome


@pytest.mark.parametrize("kill_at", [3, 6, 17])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, kill_at):
    whole, outcome = _run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path / "killed", kill_at)
    resumed, again = _run(tmp_path / "killed")
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
    assert (outcome.score, outcome.step, outcome.checks) == (again.score, again.step, again.checks)


def test_training_learns_and_keeps_the_best_weights(tmp_path):
    weights, outcome = _run(tmp_path, steps=120)
    assert outcome.score == max(check["score"] for check in outcome.checks) > outcome.checks[0]["score"] + 0.2
    stored = load_file(tmp_path / BEST)
    assert all(torch.equal(weights[name], stored[name]) for name in weights)


def test_other_settings_are_refused(tmp_path):
    _run(tmp_path)
    with pytest.raises(ValueError, match=r"other settings.*learning_rate 0.05 -> 0.01.*--restart"):
        _run(tmp_path, learning_rate=0.01)


def test_loss_that_is_not_finite_is_named(tmp_path):
    model = _model()
    with pytest.raises(ValueError, match="must stay finite: got nan"):
        train(
            model,
            lambda step: model(torch.full((1, 6), torch.nan)).sum(),
            lambda: 0.0,
            Settings(2, 0.1),
            tmp_path,
        )


def test_rate_warms_up_and_decays():
    rates = [Settings(100, 1.0, warmup=0.1).rate(step) for step in range(100)]
    assert np.argmax(rates) in (9, 10) and rates[0] < 0.1 and rates[-1] < 0.02
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_batches_cover_every_item_once_an_epoch_and_keep_the_limits():
    lengths = np.random.default_rng(0).integers(1, 60, 500)
    batches = text.Batches(lengths, tokens=120, seed=4, most=9, pool=200)
    epoch = [batches[step] for step in range(len(batches))]
    assert sorted(np.concatenate(epoch)) == list(range(500))
    assert all(len(b) <= 9 and (len(b) == 1 or len(b) * lengths[b].max() <= 120) for b in epoch)
    later = len(epoch) + 5
    fresh = text.Batches(lengths, tokens=120, seed=4, most=9, pool=200)
    assert np.array_equal(fresh[later], batches[later]) and np.array_equal(batches[5], epoch[5])


def test_training_texts_that_repeat_tested_ones_are_dropped():
    tested = ["it 's a charming and often affecting journey through the old town . "]
    kept = "a charming film"
    repeats = ["It's a charming and often affecting journey through the old town!",
               "they say it's a charming and often affecting journey"]  # fmt: skip
    found = corpus.without([corpus.Example(t) for t in [*repeats, kept]], tested)
    assert [e.text for e in found] == [kept]


def test_first_embeddings_put_words_of_like_company_together():
    rng = np.random.default_rng(0)
    # 0-9 and 10-19 are two topics; within a topic words mix freely.
    texts = [rng.integers(0, 10, 40) + 10 * (i % 2) for i in range(200)]
    vectors = text.first_embeddings(texts, 20, 8, seed=0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[:10, :10].mean() > alike[:10, 10:].mean() + 0.3
    assert vectors.std() == pytest.approx(0.04, rel=1e-5)


def test_usage_and_unknown_names(capsys):
    assert main([]) == 2 and "pocket-sentiment" in capsys.readouterr().err
    assert main(["pocket-masked-word", "--data", "/nowhere"]) == 2
    assert "imdb/imdb_train.csv.gz" in capsys.readouterr().err


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    for name, extra in (
        ("pocket-masked-word", []),
        ("pocket-sentiment", ["--start", str(folder / "pocket-masked-word")]),
    ):
        assert (
            main([name, "--smoke", "--runs", str(folder / "runs"), "--out", str(folder / name), *extra]) == 0
        )
    return folder


@pytest.mark.parametrize("name", ["pocket-masked-word", "pocket-sentiment"])
def test_smoke_model_is_a_plain_folder_of_float32(smoke, name, capsys):
    import transformers

    config = json.loads((smoke / name / "config.json").read_text())
    model = getattr(transformers, config["architectures"][0]).from_pretrained(smoke / name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(smoke / name)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    ids = tokenizer("The plot was [MASK].", return_tensors="pt")
    assert ids["input_ids"][0, 0] == text.CLS and text.MASK in ids["input_ids"]
    assert model(**ids).logits.isfinite().all()
    assert (smoke / "runs" / name / CHECKPOINT).exists()
    assert main(["evaluate", name, "--smoke", "--model", str(smoke / name)]) == 0
    assert capsys.readouterr().out
