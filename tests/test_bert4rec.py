import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cleann_lite.datasets import shipped as datasets  # noqa: E402
from cleann_lite.models.bert4rec import BERT4Rec, pad_left, read_rows  # noqa: E402
from cleann_lite.models.protocol import Encoded, Model  # noqa: E402
from cleann_lite.models.recommender import MaskedFilm  # noqa: E402
from cleann_lite.models.titles import Catalogue  # noqa: E402

POCKET = datasets.data_path("models", "pocket-bert4rec")
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "ml-1m"
needs_pocket = pytest.mark.skipif(not POCKET.exists(), reason="needs data/models/pocket-bert4rec")
N_FILMS, LENGTH = 12, 7


def new_model(masking="mask", seed=0):
    torch.manual_seed(seed)
    films = Catalogue(range(100, 100 + N_FILMS), [f"Film {chr(65 + i)} ({1980 + i})" for i in range(N_FILMS)])
    network = BERT4Rec.new_network(N_FILMS, hidden_size=16, length=LENGTH)
    with torch.no_grad():  # far from uniform, so that masking a film matters
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return BERT4Rec(network.double(), films, "tiny", masking)  # the same on any processor


@pytest.fixture(scope="module")
def model():
    return new_model()


@pytest.fixture(scope="module")
def pocket():
    return BERT4Rec.load(POCKET)


def title(index):
    return f"Film {chr(65 + index)} ({1980 + index})"


# --- the protocol -------------------------------------------------------------------------------------


def test_it_is_a_model_as_explain_asks(model):
    assert isinstance(model, Model)
    assert (model.task, model.causal, model.name, model.hidden_size) == ("recommendation", False, "tiny", 16)


def test_encode_names_films_positions_and_the_outcome(model):
    encoded = model.encode(["film c", 100, "Film E (1984)"])
    assert isinstance(encoded, Encoded)
    assert encoded.units == (title(2), title(0), title(4))
    assert encoded.tokens == ((0,), (1,), (2,)) and encoded.outcome_tokens == (3,)
    assert encoded.outcome == model.recommend(["film c", "film a", "film e"], k=1)[0][0]
    assert encoded.target == model.films.find(encoded.outcome) == int(model.predict(encoded, [()]).argmax())
    assert encoded.eligible is None and encoded.notes == ()
    assert model.encode("film c; film a;film e") == encoded


def test_a_target_can_be_asked_for(model):
    encoded = model.encode(["film c"], target="film h")
    assert (encoded.target, encoded.outcome) == (7, title(7))
    with pytest.raises(ValueError, match="target must be a film that was not seen: got Film C"):
        model.encode(["film c"], target="film c")


def test_attention_has_the_outcome_in_place_and_is_the_networks_own(model):
    encoded = model.encode(["film c", "film a"])
    attention = model.attention(encoded)
    assert attention.shape == (2, 3, 3) and attention.dtype == np.float64
    np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-10)
    tokens = torch.tensor([[2 + 2, 2 + 0, 2 + encoded.target]])
    places = torch.arange(LENGTH - 3, LENGTH)[None]
    with torch.no_grad():
        plain = model.network.bert(input_ids=tokens, position_ids=places, output_attentions=True).attentions
    np.testing.assert_allclose(attention, plain[1][0].numpy(), atol=1e-10)
    np.testing.assert_allclose(model.attention(encoded, 0), plain[0][0].numpy(), atol=1e-10)
    with pytest.raises(ValueError, match="layer must be below 2: got 2"):
        model.attention(encoded, 2)


def test_the_outcome_changes_the_attention(model):
    first, second = (
        model.attention(model.encode(["film c", "film a"], target=t)) for t in ("film d", "film e")
    )
    assert np.abs(first - second).max() > 1e-3


def test_predict_is_the_softmax_over_unseen_films(model):
    encoded = model.encode(["film c", "film a"])
    found = model.predict(encoded, [(), (0,), (0, 1)])
    places = torch.arange(LENGTH - 3, LENGTH)[None]
    for row, tokens in zip(found, ([4, 2, 1], [1, 2, 1], [1, 1, 1]), strict=True):
        with torch.no_grad():
            logits = model.network(input_ids=torch.tensor([tokens]), position_ids=places).logits[0, -1, 2:]
        unseen = [i for i in range(N_FILMS) if i not in (0, 2)]
        expected = np.zeros(N_FILMS)
        expected[unseen] = torch.softmax(logits[unseen].double(), -1).numpy()
        np.testing.assert_allclose(row, expected, atol=1e-10)
    assert model.predict(encoded, []).shape == (0, N_FILMS)


def test_a_batch_equals_one_by_one(model):
    encoded = model.encode([title(i) for i in range(6)])
    masks = [tuple(np.flatnonzero(bits)) for bits in np.ndindex(2, 2, 2, 2, 2, 2)] * 3
    together = model.predict(encoded, masks)
    alone = np.concatenate([model.predict(encoded, [mask]) for mask in masks])
    np.testing.assert_allclose(together, alone, atol=1e-10)


def test_removing_films_is_the_shorter_history():
    model = new_model("remove")
    history = [title(i) for i in range(5)]
    encoded = model.encode(history)
    found = model.predict(encoded, [(), (1, 3), (0, 1, 2, 3, 4)])
    short = model.encode([title(0), title(2), title(4)], seen=[title(1), title(3)])
    np.testing.assert_allclose(found[1], model.predict(short, [()])[0], atol=1e-10)
    assert (found[:, :5] == 0).all()
    assert model.masked_input(encoded, (1, 3)) == [title(0), title(2), title(4)]


@pytest.mark.parametrize("masking", ["mask", "remove"])
def test_no_seen_film_is_recommended_before_or_after_masking(masking):
    rng = np.random.default_rng(0)
    for seed in range(20):
        model = new_model(masking, seed)
        seen = rng.permutation(N_FILMS)[: rng.integers(1, 10)]
        encoded = model.encode([title(i) for i in seen])
        n = len(encoded.units)
        masks = [(), *((i,) for i in range(n)), tuple(range(n))]
        found = model.predict(encoded, masks)
        assert (found[:, seen] == 0).all()
        assert not set(found.argmax(-1)) & set(seen)
        np.testing.assert_allclose(found.sum(-1), 1)


def test_wrong_masks_are_refused(model):
    encoded = model.encode(["film c", "film a"])
    for mask in [(2,), (-1,)]:
        with pytest.raises(ValueError, match="masked films must be numbers from 0 to 1"):
            model.predict(encoded, [mask])


def test_a_masked_history_reads_back_to_the_same_prediction(model):
    encoded = model.encode([title(i) for i in range(6)])
    masked = model.masked_input(encoded, (1, 4))
    assert masked == [title(0), "[MASK]", title(2), title(3), "[MASK]", title(5)]
    assert json.loads(json.dumps(masked)) == masked and isinstance(masked[1], MaskedFilm)
    again = model.encode(masked)
    np.testing.assert_allclose(
        model.predict(again, [()]), model.predict(encoded, [(1, 4)]), atol=1e-10
    )  # the hidden films are still known to be seen
    assert again.eligible == (0, 2, 3, 5) and again.units[1] == "[MASK]"
    from_json = model.encode(json.loads(json.dumps(masked)), seen=[title(1), title(4)])
    np.testing.assert_allclose(model.predict(from_json, [()]), model.predict(again, [()]))


def test_integrated_gradients_add_up_to_the_change(model):
    """Completeness (Sundararajan et al. 2017): the scores sum to what masking every film takes away."""
    encoded = model.encode([title(i) for i in range(5)])
    before, after = np.log(model.predict(encoded, [(), range(5)])[:, encoded.target])
    scores = model.attributions(encoded, "integrated-gradients", steps=100)
    assert scores.shape == (5,) and scores.sum() == pytest.approx(before - after, abs=5e-3)
    with pytest.raises(ValueError, match="kind must be one of gradient-x-input, integrated-gradients"):
        model.attributions(encoded, "saliency")


def test_gradient_x_input_is_the_slope_of_scaling_a_film(model):
    encoded = model.encode([title(0), title(1)])
    slopes, step = [], 1e-2
    embedding = model.network.get_input_embeddings().weight
    decoder = model.network.cls.predictions.decoder
    tied = decoder.weight
    for token in encoded.data.tokens:
        found = []
        for sign in (1, -1):
            changed = embedding.detach().clone()
            changed[token] *= 1 + sign * step
            model.network.get_input_embeddings().weight = torch.nn.Parameter(changed)
            found.append(np.log(model.predict(encoded, [()])[0, encoded.target]))
            model.network.get_input_embeddings().weight = embedding
            assert decoder.weight is tied
        slopes.append((found[0] - found[1]) / (2 * step))
    np.testing.assert_allclose(model.attributions(encoded), slopes, rtol=0.05, atol=2e-3)


# --- histories ----------------------------------------------------------------------------------------


def test_long_histories_keep_the_latest_and_say_so(model):
    encoded = model.encode([title(i) for i in range(9)])
    assert encoded.units == tuple(title(i) for i in range(3, 9))
    assert encoded.notes == (
        "the history has 9 films and the model reads 6: "
        "the oldest 3 were left out, and are not recommended either",
    )
    assert (model.predict(encoded, [()])[0, :9] == 0).all()
    assert model.attention(encoded).shape == (2, LENGTH, LENGTH)


@pytest.mark.parametrize("masking", ["mask", "remove"])
def test_a_long_history_given_back_keeps_its_older_films_out(masking):
    model = new_model(masking)
    history = [title(i) for i in range(9)]
    encoded = model.encode(history)
    for mask in [(), (0,), (2, 5)]:
        masked = model.masked_input(encoded, mask)
        again = model.encode(masked)
        row = model.predict(again, [()])[0]
        assert (row[:3] == 0).all(), "the films that were cut are still seen"
        if masking == "mask":
            np.testing.assert_allclose(row, model.predict(encoded, [mask])[0], atol=1e-10)
            assert masked[:3] == history[:3] and len(again.units) == LENGTH - 1
    assert not {name for name, _ in model.recommend(model.masked_input(encoded, (1,)))} & set(history[:3])


def test_a_repeated_film_counts_where_it_stands_last(model):
    encoded = model.encode([title(0), title(1), title(0)])
    assert encoded.units == (title(1), title(0))
    assert encoded.notes == ("Film A (1980) is in the history more than once: the last counts",)


def test_films_seen_are_listed_as_a_history_is(model):
    assert model.recommend(["film a"], seen="film b; film c") == model.recommend(
        ["film a"], seen=["film b", 102]
    )
    with pytest.raises(ValueError, match="what was seen is a list of titles: got NoneType"):
        model.recommend(["film a"], seen=None)
    with pytest.raises(ValueError, match="k must be at least 1"):
        model.recommend(["film a"], k=2.5)


def test_one_film_is_a_history(model):
    encoded = model.encode(["film a"])
    assert model.attention(encoded).shape == (2, 2, 2)
    assert model.predict(encoded, [(0,)]).shape == (1, N_FILMS)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ([], "needs a history of at least one film"),
        ("", "needs a history of at least one film"),
        (" ; ", "needs a history of at least one film"),
        (["film a", "filn bb"], "no film called 'filn bb' .* nearest are"),
        ([3.5], "a film is a title or a MovieLens id: got float 3.5"),
        (5, "a history is a list of titles: got int 5"),
        (None, "a history is a list of titles: got NoneType None"),
        (b"film a", "a history is a list of titles: got bytes"),
        ({"film a", "film b"}, "a list of titles, oldest first: got a set, in no order"),
        ({"film a": 1}, "a list of titles, oldest first: got a dict, in no order"),
        (frozenset({100}), "a list of titles, oldest first: got a frozenset"),
        ([title(i) for i in range(N_FILMS)], "nothing is left to recommend: all 12 films"),
    ],
)
def test_wrong_histories_are_one_clear_sentence(model, history, message):
    for ask in (model.encode, model.recommend):
        with pytest.raises(ValueError, match=message) as error:
            ask(history)
        assert "\n" not in str(error.value)


def test_recommend_gives_unseen_films_with_falling_probabilities(model):
    found = model.recommend(["film a", "film b"], k=100)
    assert len(found) == N_FILMS - 2 and len(model.recommend(["film a"], k=3)) == 3
    assert {name for name, _ in found} == {title(i) for i in range(2, N_FILMS)}
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True) and sum(scores) == pytest.approx(1)
    without = model.recommend(["film a", "film b"], k=1, seen=[found[0][0]])
    assert without[0][0] == found[1][0]
    with pytest.raises(ValueError, match="k must be at least 1, a whole number: got 0"):
        model.recommend(["film a"], k=0)


def test_every_film_the_first_and_last_included_can_be_recommended_and_attended_to():
    """Padding, [MASK] and films have separate indices: no film is out of reach."""
    model = new_model()
    decoder = model.network.cls.predictions.decoder
    for index in range(N_FILMS):
        with torch.no_grad():
            decoder.bias.zero_()
            decoder.bias[2 + index] = 1e3
        other = title((index + 1) % N_FILMS)
        assert model.recommend([other], k=1)[0][0] == title(index)
        encoded = model.encode([title(index), other])
        assert (model.attention(encoded)[:, :, 0] > 0).all()
    config = model.network.config
    assert config.pad_token_id == 0 and config.vocab_size == N_FILMS + 2


def test_padding_changes_nothing(model):
    rows = [[4, 5, 1], [3, 4, 5, 6, 1]]
    with torch.no_grad():
        padded = read_rows(model.network, pad_left(rows)).last_hidden_state[0, -1]
        alone = read_rows(model.network, pad_left(rows[:1])).last_hidden_state[0, -1]
    torch.testing.assert_close(padded, alone, atol=1e-10, rtol=1e-10)


# --- on disk ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(model, tmp_path):
    model.save(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_what_is_saved_is_read_back(model, folder):
    again = BERT4Rec.load(folder)
    assert again.name == "tiny" and again.films.titles == model.films.titles
    for value in again.network.state_dict().values():
        assert value.dtype == torch.float32
    encoded = model.encode(["film a", "film b"])
    np.testing.assert_allclose(again.predict(encoded, [()]), model.predict(encoded, [()]), atol=5e-3)
    model.save(folder, half=False)
    again, weights = BERT4Rec.load(folder), model.network.state_dict()
    for name, value in again.network.state_dict().items():
        torch.testing.assert_close(value, weights[name].float(), rtol=0, atol=0)


def test_transformers_reads_the_folder_without_this_package(folder):
    from transformers import AutoModelForMaskedLM

    plain = AutoModelForMaskedLM.from_pretrained(folder)
    assert plain.dtype == torch.float32
    for name, value in BERT4Rec.load(folder).network.state_dict().items():
        torch.testing.assert_close(plain.state_dict()[name], value, atol=0, rtol=0)


@pytest.mark.parametrize("name", ["config.json", "items.json", "model.safetensors"])
def test_missing_truncated_and_foreign_files_are_told(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"truncated or altered"):
        BERT4Rec.load(folder)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing"):
        BERT4Rec.load(folder)


def test_parts_that_do_not_fit_are_told(folder, tmp_path):
    other = new_model()
    BERT4Rec(BERT4Rec.new_network(N_FILMS, hidden_size=32, length=LENGTH), other.films).save(
        tmp_path / "wide"
    )
    BERT4Rec(BERT4Rec.new_network(N_FILMS, hidden_size=16, layers=3, length=LENGTH), other.films).save(
        tmp_path / "deep"
    )
    for name, message in (("wide", "does not fit config.json"), ("deep", "unexpected")):
        broken = shutil.copytree(folder, tmp_path / f"broken-{name}")
        shutil.copy(tmp_path / name / "model.safetensors", broken)
        with pytest.raises(ValueError, match=message):
            BERT4Rec.load(broken)
    shutil.copy(folder / "model.safetensors", tmp_path / "deep")
    with pytest.raises(ValueError, match=r"encoder\.layer\.2.* is missing"):
        BERT4Rec.load(tmp_path / "deep")
    items = json.loads((folder / "items.json").read_text())
    (folder / "items.json").write_text(json.dumps({**items, "first_film": 1}))
    with pytest.raises(ValueError, match="must number padding"):
        BERT4Rec.load(folder)
    (folder / "items.json").write_text(json.dumps({**items, "films": items["films"][:-1]}))
    with pytest.raises(ValueError, match="14 tokens and 11 films"):
        BERT4Rec.load(folder)
    with pytest.raises(ValueError, match="not the folder of a recommender"):
        BERT4Rec.load(tmp_path)


WRONG = (None, -1, 0, 1, 1.5, "gelou", [], {}, True, 10**9, 10**18, "relu")


@pytest.mark.parametrize(
    "name",
    ["hidden_act", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
     "max_position_embeddings", "vocab_size", "type_vocab_size", "layer_norm_eps", "hidden_dropout_prob",
     "pad_token_id", "initializer_range", "model_type", "attention_probs_dropout_prob",
     "chunk_size_feed_forward", "dtype", "tie_word_embeddings", "is_decoder", "id2label"],
)  # fmt: skip
def test_one_wrong_setting_gets_one_sentence_or_does_no_harm(folder, name):
    config = json.loads((folder / "config.json").read_text())
    for value in WRONG:
        (folder / "config.json").write_text(json.dumps(config | {name: value}))
        try:
            model = BERT4Rec.load(folder)
        except ValueError as error:
            assert "\n" not in str(error) and str(folder) in str(error)
        else:
            assert model.recommend([model.films.titles[0]], k=1)


def test_wrong_settings_are_named(folder):
    config = json.loads((folder / "config.json").read_text())
    for wrong, sentence in (
        ({"hidden_act": "gelou"}, "'gelou' is .*not known"),
        ({"num_attention_heads": 0}, "num_attention_heads .* must be a whole number from 1 on: got 0"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers .* must be 0 to 1000: got 1000000000"),
        ({"hidden_size": None}, "hidden_size .* got None"),
        ({"intermediate_size": 10**9}, "ask for .* weights, and its files hold"),
    ):
        (folder / "config.json").write_text(json.dumps(config | wrong))
        with pytest.raises(ValueError, match=sentence):
            BERT4Rec.load(folder)


def test_wrong_masking_is_told(model):
    with pytest.raises(ValueError, match='masking must be "mask" or "remove": got \'pad\''):
        BERT4Rec(model.network, model.films, masking="pad")


# --- the pocket model ---------------------------------------------------------------------------------


@needs_pocket
def test_the_pocket_model_is_small_and_whole(pocket):
    assert sum(file.stat().st_size for file in POCKET.iterdir()) <= 4_000_000
    assert len(pocket.films) == 3416 and pocket.name == "pocket-bert4rec"
    assert pocket.recommend(["matrix"], k=1)
    for filed in ("Matrix, The (1999)", "the matrix", "THE MATRIX (1999)", 2571):
        assert pocket.films.titles[pocket.films.find(filed)] == "The Matrix (1999)"


@needs_pocket
def test_every_pocket_film_can_be_recommended_and_attended_to(pocket):
    """As the one film of a history each film moves every score, and after any other it has a chance."""
    n = len(pocket.films)
    logits = pocket.logits([[2 + film, 1] for film in range(n)]).numpy()
    assert logits.shape == (n, n) and np.isfinite(logits).all()
    assert (logits.std(0) > 1e-3).all(), "the score of each film depends on the history"
    assert (np.abs(logits - logits.mean(0)).max(1) > 1e-3).all(), "each film in the history matters"
    for film in (0, n - 1):
        other = pocket.label(n // 2)
        scores = dict(pocket.recommend([other], k=n))
        assert len(scores) == n - 1 and scores[pocket.label(film)] > 0
        assert (pocket.attention(pocket.encode([pocket.label(film), other]))[:, :, 0] > 0).all()


@needs_pocket
@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_held_out_users_never_get_a_seen_film_and_each_explanation_holds(pocket):
    from cleann_lite.explaining.search import explain

    interactions = datasets.load_movielens_1m(SHARED)
    known = set(pocket.films.ids)
    for user in range(1, 6041, 604):
        ids = [film for film in interactions.sequences[user] if film in known][:-1]
        history = [pocket.label(pocket.films.find(film)) for film in ids]
        found = explain(pocket, history[-40:], max_size=3, certify=False)
        assert found.prediction not in history[-40:]
        for chosen in found.sets:
            assert chosen.replacement not in history[-40:] and chosen.replacement != found.prediction
            alone = [pocket.films.find(film) for film in history[-40:]]
            row = [1 if i in chosen.positions else 2 + k for i, k in enumerate(alone)]
            logits = pocket.logits([[*row, 1]])[0]
            logits[alone] = -np.inf
            assert pocket.label(int(logits.argmax())) == chosen.replacement


@needs_pocket
def test_an_altered_pocket_model_is_refused(tmp_path, monkeypatch):
    data = tmp_path / "data"
    shutil.copytree(POCKET, data / "models" / "pocket-bert4rec")
    shutil.copy(datasets.data_path("registry.txt"), data)
    monkeypatch.setattr(datasets, "_root", lambda: data)
    path = data / "models" / "pocket-bert4rec" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors is truncated or altered"):
        BERT4Rec.load(path.parent)


@needs_pocket
def test_the_example_histories_are_of_known_films(pocket):
    for history in datasets.load_histories():
        encoded = pocket.encode(history["titles"])
        assert encoded.units == tuple(history["titles"]) and encoded.notes == ()
