"""The training loop is resumable and exact; every text model trains, saves and loads at smoke scale."""

import itertools
import json
import sys
from collections import Counter, OrderedDict
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file  # noqa: E402

from training import beginnings, corpus, gpt, loop, masked_word, masks, negation, sentiment, text  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.loop import BEST, CHECKPOINT, Settings, train  # noqa: E402
from training.ngrams import Trigrams  # noqa: E402


def _model():
    torch.manual_seed(1)
    inner = torch.nn.Sequential(OrderedDict(layer=torch.nn.Sequential(torch.nn.Linear(6, 8))))
    outer = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    return torch.nn.Sequential(OrderedDict(body=inner, rest=outer))


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


@pytest.mark.parametrize(("kill_at", "muon"), [(3, 0), (6, 0), (17, 0), (17, 0.02)])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, kill_at, muon):
    whole, outcome = _run(tmp_path / "whole", muon=muon)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path / "killed", kill_at, muon=muon)
    resumed, again = _run(tmp_path / "killed", muon=muon)
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
    rates = [Settings(100, 0.5, warmup=0.1).rate(step) for step in range(100)]
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
    vectors = beginnings.first_embeddings(texts, 20, 8, seed=0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[:10, :10].mean() > alike[:10, 10:].mean() + 0.3
    assert vectors.std() == pytest.approx(0.04, rel=1e-5)


@pytest.mark.parametrize("distance", [-2, -1, 0, 1])
def test_head_of_fixed_distance_looks_there(distance):
    query, key = beginnings.distance_head(40, 32, distance)
    waves = np.zeros((30, 40))
    waves[:, -32:] = beginnings.position_waves(30)
    scores = (waves @ query.T) @ (waves @ key.T).T
    places = np.arange(3, 27)
    assert np.array_equal(scores[places].argmax(1), places + distance)


def test_usage_and_unknown_names(capsys):
    assert main([]) == 2 and "pocket-sentiment" in capsys.readouterr().err
    assert main(["pocket-masked-word", "--data", "/nowhere"]) == 2
    assert "imdb/imdb_train.csv.gz" in capsys.readouterr().err
    assert main(["pocket-gpt", "--start", "/nowhere"]) == 2
    assert capsys.readouterr().err == "--start must be the folder of a model: /nowhere has no config.json\n"
    assert main(["evaluate", "pocket-sentiment", "--model", "/nowhere"]) == 2
    assert "--model must be the folder of a model" in capsys.readouterr().err


def test_devices_and_folders_that_are_none(tmp_path, capsys):
    (tmp_path / "file").touch()
    for wrong in (["--device", "nowhere"], ["--runs", str(tmp_path / "file")]):
        assert main(["pocket-bert4rec", "--smoke", "--out", str(tmp_path / "out"), *wrong]) == 2
    told = capsys.readouterr().err
    assert "device must be one that PyTorch finds here: got 'nowhere'" in told
    assert str(tmp_path / "file") in told


def test_smoke_leaves_no_trace_in_real_runs_and_shipped_models(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("training.gpt.run", lambda args: seen.append((args.runs, args.out)))
    assert main(["pocket-gpt", "--smoke", "--runs", str(tmp_path)]) == 0
    assert main(["pocket-gpt", "--runs", str(tmp_path)]) == 0
    assert seen == [(tmp_path / "smoke", tmp_path / "smoke" / "pocket-gpt" / "model"), (tmp_path, None)]


def test_restart_forgets_what_was_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("training.gpt.run", lambda args: None)
    folder = tmp_path / "pocket-gpt"
    for name in (
        "pieces.safetensors",
        "checkpoint.safetensors",
        "tokenizer/tokenizer.json",
        "model/config.json",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert main(["pocket-gpt", "--runs", str(tmp_path)]) == 0 and (folder / "pieces.safetensors").exists()
    assert main(["pocket-gpt", "--runs", str(tmp_path), "--restart"]) == 0
    assert [p.name for p in folder.iterdir()] == ["model"]  # a model that was written stays


def test_a_damaged_checkpoint_is_named(tmp_path):
    _run(tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"cut")
    with pytest.raises(ValueError, match="is damaged; give --restart"):
        _run(tmp_path)


def test_best_weights_that_are_gone_or_cut_are_named_before_the_run_goes_on(tmp_path):
    for harm, told in (
        (lambda path: path.unlink(), "best.safetensors is missing; give --restart"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-50]),
            "best.safetensors is damaged; give --restart",
        ),
    ):
        with pytest.raises(KeyboardInterrupt):
            _run(tmp_path, kill_at=13)
        harm(tmp_path / BEST)
        with pytest.raises(ValueError, match=told) as caught:
            _run(tmp_path)
        assert "\n" not in str(caught.value)
        (tmp_path / CHECKPOINT).unlink()
    _run(tmp_path)
    other = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"is of another model .*; give --restart"):
        loop.load_weights(other, tmp_path / BEST)


def test_a_full_disk_is_told_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, kill_at=7)
    whole = (tmp_path / CHECKPOINT).read_bytes()
    kept = sorted(path.name for path in tmp_path.iterdir())

    def full(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise loop.SafetensorError("I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patched:
        patched.setattr(loop, "save_file", full)
        told = r"bytes\) cannot be written: .*No space left on device.*; run again to resume$"
        with pytest.raises(ValueError, match=told):
            _run(tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    _run(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "must be JSON such as"),
        ("[1]", "must be JSON such as"),
        ('{"hidden": 96}', "got 'hidden'"),
        ('{"hidden_size": "96"}', "hidden_size must be a whole number: got '96'"),
        ('{"dropout": true}', "dropout must be a number: got True"),
        ('{"mask_rates": 0.5}', "mask_rates must be two numbers: got 0.5"),
    ],
)
def test_settings_that_are_none_are_told(text, told, tmp_path, capsys):
    assert main(["pocket-bert4rec", "--smoke", "--runs", str(tmp_path), "--settings", text]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1


def test_an_interrupted_run_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.gpt.run", interrupted)
    monkeypatch.setattr("training.gpt.evaluate", interrupted)
    assert main(["pocket-gpt", "--runs", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "interrupted; run again to resume at the last checkpoint\n"
    assert main(["evaluate", "pocket-gpt"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_training_says_what_it_needs(tmp_path, monkeypatch, capsys):
    assert main(["pocket-masked-word", "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("--data must hold imdb/imdb_train.csv.gz: nothing at ")
    monkeypatch.setitem(sys.modules, "training.gpt", None)
    assert main(["pocket-gpt"]) == 2
    assert capsys.readouterr().err.startswith("training needs training.gpt, which pip install")


@pytest.mark.parametrize("width", [128, 192])
def test_the_causal_model_is_as_wide_as_what_lends_it_embeddings(width):
    assert gpt.config(300, smoke=True, width=width).n_embd == width


def _kneser_ney(texts, size, one, two, three):
    """The textbook's sums, context by context, as an oracle."""
    triples = Counter(t for ids in texts for t in zip(ids, ids[1:], ids[2:], strict=False))
    pairs = Counter((b, c) for a, b, c in triples)
    singles = Counter(c for b, c in pairs)

    def discount(counts):
        once, twice = (sum(n == k for n in counts.values()) for k in (1, 2))
        return once / (once + 2 * twice)

    lowest = (singles[three] + 0.5) / (sum(singles.values()) + 0.5 * size)
    followers = {c: n for (b, c), n in pairs.items() if b == two}
    middle, d = lowest, discount(pairs)
    if followers:
        total = sum(followers.values())
        middle = max(followers.get(three, 0) - d, 0) / total + d * len(followers) / total * lowest
    followers = {c: n for (a, b, c), n in triples.items() if (a, b) == (one, two)}
    if not followers:
        return middle
    total, d = sum(followers.values()), discount(triples)
    return max(followers.get(three, 0) - d, 0) / total + d * len(followers) / total * middle


def test_trigrams_equal_the_textbook():
    rng = np.random.default_rng(5)
    texts = [rng.integers(0, 6, n) for n in (40, 3, 25)]
    model = Trigrams(texts, 7)
    for one, two in itertools.product(range(7), repeat=2):
        chance = model.next(one, two)
        assert chance.sum() == pytest.approx(1)
        wanted = [_kneser_ney([t.tolist() for t in texts], 7, one, two, three) for three in range(7)]
        np.testing.assert_allclose(chance, wanted)


def test_trigrams_between_neighbours():
    texts = [np.array([0, 4, 1, 0, 4, 1, 2, 3, 1])]
    model = Trigrams(texts, 5, between=True)
    assert model.next(0, 1).argmax() == 4 and model.next(2, 1).argmax() == 3
    perplexity, right = model.measure(np.array([[0, 1], [2, 1]]), np.array([4, 0]))
    assert right == 0.5
    assert perplexity == pytest.approx((model.next(0, 1)[4] * model.next(2, 1)[0]) ** -0.5)


def test_windows_keep_positions_and_lose_no_token():
    rows = [np.arange(10, 10 + n, dtype=np.int32) for n in (5, 200, 700)]
    parts = masked_word.windows(rows, width=128, shortest=1)
    assert all(at >= 0 and at + len(ids) <= text.MAX_LENGTH for at, ids in parts)
    inner = np.concatenate([ids[ids >= 10] for _, ids in parts])
    assert np.array_equal(inner, np.concatenate(rows))
    causal = gpt.windows(rows, shortest=1)
    predicted = np.concatenate([ids[1:] for ids in causal])
    assert np.array_equal(predicted[predicted >= 10], np.concatenate(rows))


def test_masking_hides_the_share_it_says():
    ids = torch.randint(5, 90, (200, 100), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = text.CLS
    seen, chosen = masked_word.mask_pieces(ids, 90, 0.2, torch.Generator().manual_seed(1))
    assert not chosen[:, 0].any() and torch.equal(seen[~chosen], ids[~chosen])
    assert chosen[:, 1:].float().mean() == pytest.approx(0.2, abs=0.01)
    hidden = (seen == text.MASK) & chosen
    assert hidden.sum() / chosen.sum() == pytest.approx(0.8, abs=0.02)


def test_calibration_makes_confidence_true():
    rng = np.random.default_rng(0)
    margin = rng.normal(0, 1, 4000)
    labels = (rng.random(4000) < 1 / (1 + np.exp(-margin))).astype(int)
    examples = [corpus.Example("", int(label)) for label in labels]
    honest = np.stack([-margin / 2, margin / 2], axis=1)
    assert (
        sentiment.calibration_error(honest, examples)
        < 0.03
        < sentiment.calibration_error(3 * honest, examples)
    )
    assert sentiment.temperature_of(3 * honest, labels) == pytest.approx(3, rel=0.1)


def test_words_of_a_text_are_hidden_whole_and_alike_for_every_vocabulary():
    small = text.train_tokenizer(["a b c d e f g h i", "not a dull film"], 120)
    large = text.train_tokenizer(["It's not a dull film, it's marvellous!", "it was not dull"] * 3, 400)
    told = ["It's not a dull film, it's marvellous!", "the"]
    function = masks.function_pieces(small)
    strength = np.linspace(0, 1, len(small))
    rng = np.random.default_rng(0)
    for few, many in zip(masks.cuts(small, told), masks.cuts(large, told), strict=True):
        assert few.count == many.count and len(few.pieces) >= len(many.pieces)
        for _ in range(50):
            words = masks.draw(few, strength, function, rng)
            hidden = few.hidden(words, text.MASK)
            assert all((hidden[few.words == w] == text.MASK).all() == words[w] for w in range(few.count))
            assert (few.judged(words, function) >= words).all()
    shown = masks.cuts(large, ["it was not dull"])[0].content(masks.function_pieces(large))
    assert shown.tolist() == [False, False, True, True]


def test_with_most_content_gone_the_teacher_sees_no_function_word():
    tokenizer = text.train_tokenizer(["it was a dull film and a long one"] * 3, 300)
    function = masks.function_pieces(tokenizer)
    (part,) = masks.cuts(tokenizer, ["it was a dull film"])
    two, one = np.array([0, 0, 0, 1, 1], bool), np.array([0, 0, 0, 1, 0], bool)
    assert part.judged(two, function).all() and part.judged(one, function).tolist() == one.tolist()


def test_strengths_put_words_of_one_class_first():
    tokenizer = text.train_tokenizer([e.text for e in corpus.made_up(300)], 300)
    examples = corpus.made_up(300)
    parts = masks.cuts(tokenizer, [e.text for e in examples])
    strength = masks.strengths(parts, np.array([e.label for e in examples]), len(tokenizer))
    awful, film = (tokenizer.convert_tokens_to_ids(word) for word in ("awful", "film"))
    assert strength[awful] > strength[film] + 1


def test_pairs_are_minimal_apart_and_not_made_by_rule():
    halves = {half: negation.pairs(half) for half in ("validation", "shown")}
    for examples in halves.values():
        assert len(examples) == 120 and [e.label for e in examples] == [0, 1] * 60
        for bad, good in zip(examples[::2], examples[1::2], strict=True):
            assert set(corpus.words_of(bad.text)) & set(corpus.words_of(good.text))
    told = [{corpus.words_of(e.text) for e in examples} for examples in halves.values()]
    ruled = {corpus.words_of(e.text) for e in negation.made_up(3000, seed=5)}
    assert not told[0] & told[1] and not (told[0] | told[1]) & ruled


def test_calibration_leaves_a_text_of_masks_undecided(smoke):
    folder = smoke / "pocket-sentiment"
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        model.classifier.bias += torch.tensor([0.7, -0.2])
    sentiment.calibrate(model, tokenizer, corpus.made_up(40))
    with torch.no_grad():
        margins = [
            np.diff(model(input_ids=torch.tensor([[text.CLS, *[text.MASK] * n, text.SEP]])).logits[0].numpy())
            for n in range(5, 61)
        ]
    assert np.median(margins) == pytest.approx(0, abs=1e-5)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    start = ["--start", str(folder / "pocket-masked-word")]
    teacher = [
        "--teacher",
        str(folder / "text-teacher"),
        "--drawn",
        "20",
        "--unlabelled",
        "20",
    ]
    for name, extra in (
        ("pocket-masked-word", []),
        ("text-teacher", start),
        ("pocket-sentiment", [*start, *teacher]),
        ("pocket-gpt", start),
    ):
        assert (
            main([name, "--smoke", "--runs", str(folder / "runs"), "--out", str(folder / name), *extra]) == 0
        )
    return folder


@pytest.mark.parametrize("name", ["pocket-masked-word", "pocket-sentiment", "pocket-gpt"])
def test_smoke_model_is_a_plain_folder_of_float32(smoke, name, capsys):
    config = json.loads((smoke / name / "config.json").read_text())
    model = getattr(transformers, config["architectures"][0]).from_pretrained(smoke / name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(smoke / name)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    ids = tokenizer("The plot was [MASK].", return_tensors="pt")
    assert ids["input_ids"][0, 0] == text.CLS and text.MASK in ids["input_ids"]
    assert model(**ids).logits.isfinite().all()
    assert (smoke / "runs" / "smoke" / name / CHECKPOINT).exists()
    plot = ["--plot", str(smoke / "plot.svg")] if name == "pocket-sentiment" else []
    assert main(["evaluate", name, "--smoke", "--model", str(smoke / name), *plot]) == 0
    assert capsys.readouterr().out


def test_killed_model_run_ends_with_the_same_weights(smoke, tmp_path, monkeypatch):
    """Kill a whole command after its first checkpoint; the same command again gives the same folder."""
    command = [
        "pocket-masked-word",
        "--smoke",
        "--runs",
        str(tmp_path / "runs"),
        "--out",
        str(tmp_path / "out"),
    ]
    steps, take = [], loop._step

    def killed(*inputs):
        steps.append(inputs[-1])
        if len(steps) == 5:
            raise KeyboardInterrupt
        return take(*inputs)

    monkeypatch.setattr(loop, "_step", killed)
    assert main(command) == 130
    assert main(command) == 0
    assert steps == [0, 1, 2, 3, 4, 3, 4, 5]
    whole, resumed = (
        load_file(f / "model.safetensors") for f in (smoke / "pocket-masked-word", tmp_path / "out")
    )
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
