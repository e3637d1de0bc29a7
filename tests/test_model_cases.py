"""What each model really says: labels on or off, the row that is read, order, places, pairs, ids."""

import json
import re
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import cleann_lite as cl  # noqa: E402
from cleann_lite.__main__ import main  # noqa: E402
from cleann_lite.models.text import with_outcome  # noqa: E402
from tests.architectures import Row, build, tokenizer  # noqa: E402
from tests.test_architectures import alone, rows_that_matter  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
TEXT = "the plot is thin but the actors are wonderful"
SHARED = {}


@pytest.fixture
def made(tmp_path_factory):
    """A tiny model of one row, saved once: (folder, loaded model)."""

    def make(family, task="classification", tokens="wordpiece", seed=0, **settings):
        key = (family, task, tokens, seed, json.dumps(settings, sort_keys=True, default=str))
        if key not in SHARED:
            row = Row(family, task, tokens, settings)
            SHARED[key] = build(row, tmp_path_factory.mktemp("model"), seed)
        return SHARED[key]

    return make


def with_settings(folder, copy, **settings):
    folder = shutil.copytree(folder, copy)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    return folder


# --- labels that are on or off (1-3, 19) --------------------------------------------------------------


@pytest.fixture
def labels(made, tmp_path):
    """A BERT with the labels toxic and insult, and the logits that are asked for."""
    folder = made("bert", problem_type="multi_label_classification", num_labels=2)
    names = {"id2label": {"0": "toxic", "1": "insult"}, "label2id": {"toxic": 0, "insult": 1}}
    folder = with_settings(folder, tmp_path / "labels", **names)

    def make(*logits, pull=0.0, threshold=None):
        model = cl.load_model(folder, threshold=threshold)
        head = model.model.classifier
        with torch.no_grad():  # the text itself has these logits; masking moves them by ``pull``
            head.weight.mul_(pull)
            head.bias.zero_()
            own = model.model(**model.tokenizer(TEXT, return_tensors="pt")).logits[0]
            head.bias.copy_(torch.tensor(logits) - own)
        return model

    return make


def test_where_no_label_is_on_there_is_nothing_to_flip(labels):
    model = labels(-5.8, -6.2)
    found = cl.explain(model, TEXT)
    assert not found.success and found.sets == () and found.prediction == "no label"
    assert found.probability == pytest.approx(1 - 1 / (1 + np.exp(5.8)), abs=1e-3)
    assert "no label is on (toxic is highest, 0.3%): name the label to explain" in found.failures[0]
    assert found.certified is None
    np.testing.assert_allclose(model.predict_proba([TEXT]), [[0.00302, 0.00202]], atol=1e-4)


def test_a_label_that_stays_on_is_no_flip_whatever_another_does(labels):
    model = labels(4.2, 3.7)
    found = cl.explain(model, TEXT, words="all", alpha=0.3)
    assert found.prediction == found.target == "toxic" and not found.success
    assert any("labels that are on: toxic, insult" in note for note in found.notes)


def test_every_label_can_be_the_target(labels):
    model = labels(4.2, 3.7)
    found = cl.explain(model, TEXT, target="Insult", words="all", alpha=0.3)
    assert found.prediction == found.target == "insult" and not found.success
    assert found.probability == pytest.approx(1 / (1 + np.exp(-3.7)), abs=1e-6)
    assert "predicts" not in found.failures[0], "insult is predicted too"


@pytest.mark.parametrize("threshold", [None, 0.2, 0.8])
def test_a_flip_crosses_the_threshold_in_either_direction(labels, threshold):
    level, crossed = 0.5 if threshold is None else threshold, set()
    edge = float(np.log(level / (1 - level)))
    for shift in (-0.5, -0.1, 0.1, 0.5):
        model = labels(edge + shift, edge - shift, pull=1.0, threshold=threshold)
        for target in ("toxic", "insult"):
            found = cl.explain(
                model, TEXT, target=target, words="all", alpha=0.5, max_calls=60, certify=False
            )
            column = ["toxic", "insult"].index(target)
            before = model.predict_proba([TEXT])[0, column]
            on = before >= level
            assert found.prediction == found.target == (target if on else f"not {target}")
            assert found.probability == pytest.approx(before if on else 1 - before, abs=1e-6)
            for one in found.sets:
                after = model.predict_proba([one.masked])[0, column]
                assert (after >= level) != on
                assert one.replacement == (f"not {target}" if on else target)
                assert one.probability == pytest.approx(1 - after if on else after, abs=1e-5)
                assert one.rank == 2
                crossed.add(bool(on))
    assert crossed == {True, False}


def test_one_output_is_a_binary_head(made):
    folder = made("bert", num_labels=1, id2label={0: "good"})
    model = cl.load_model(folder)
    _, logits = alone(Row("bert"), folder)
    text_ids = model.tokenizer(TEXT)["input_ids"]
    probability = float(logits(text_ids).sigmoid())
    assert model.predict_proba([TEXT]).shape == (1, 1)
    assert model.predict_proba([TEXT])[0, 0] == pytest.approx(probability, abs=1e-5)
    found = cl.explain(model, TEXT)
    assert found.prediction == ("good" if probability >= 0.5 else "not good")
    high = cl.load_model(folder, threshold=min(0.999, probability + 1e-4))
    assert high.encode(TEXT).outcome == "not good"
    with pytest.raises(ValueError, match="predicts a number, not a class"):
        cl.load_model(made("bert", num_labels=1, problem_type="regression"))
    for wrong in (0, 1, "half", 2.5):
        with pytest.raises(ValueError, match="threshold must lie between 0 and 1"):
            cl.load_model(folder, threshold=wrong)
    with pytest.raises(ValueError, match="exclude each other"):
        cl.load_model("pocket-sentiment", threshold=0.3)


# --- the text is left open, order is seen (4-6) -------------------------------------------------------


def test_the_next_word_is_read_behind_the_text_whatever_the_tokenizer_appends(made):
    folder = made("gpt2", "next-word", "wordpiece")
    model, (_, logits) = cl.load_model(folder), alone(Row("gpt2", "next-word"), folder)
    encoded = model.encode("the acting is")
    assert model.tokenizer("the acting is")["input_ids"][-1] == model.tokenizer.sep_token_id
    assert encoded.data.ids.tolist() == model.tokenizer("the acting is")["input_ids"][:-1]
    expected = logits(encoded.data.ids)[-1].softmax(-1).numpy()
    np.testing.assert_allclose(model.predict(encoded, [()])[0], expected, atol=1e-6)
    assert encoded.outcome != "[SEP]" or expected.argmax() == model.tokenizer.sep_token_id
    found = cl.explain(model, "the acting is", words="all", alpha=0.3)
    assert found.settings["method"] == "ordered-icd"


@pytest.mark.parametrize(
    ("family", "tokens", "settings"),
    [("xlnet", "metaspace, end", {}), ("bert", "wordpiece", {}), ("roberta", "byte-level", {})],
)
def test_a_model_that_sees_later_words_predicts_no_next_word(made, family, tokens, settings):
    with pytest.raises(ValueError, match="attends to later words"):
        cl.load_model(made(family, "next-word", tokens, **settings), task="next-word")


def test_xlm_and_flaubert_are_read_as_what_they_were_trained_for(made):
    for family in ("xlm", "flaubert"):
        model = cl.load_model(made(family, "masked-word"))
        assert model.task == "masked-word" and not model.causal
    model = cl.load_model(made("xlm", "next-word", causal=True))
    assert model.task == "next-word" and model.causal
    for family in ("bert", "xlnet"):
        tokens = "metaspace, end" if family == "xlnet" else "wordpiece"
        assert not cl.load_model(made(family, tokens=tokens)).causal
    assert cl.load_model(made("gpt2", tokens="byte-level, open")).causal


# --- the row that the head reads (7-10) ---------------------------------------------------------------

OPEN = {"metaspace, open": ("llama", "mistral"), "byte-level, open": ("gpt2", "qwen2", "opt", "bloom")}
DECODERS = [(family, tokens) for tokens, families in OPEN.items() for family in families]


@pytest.mark.parametrize(("family", "tokens"), DECODERS)
def test_the_last_word_of_a_decoder_can_be_masked_and_stands_in_the_graph(made, family, tokens):
    folder = made(family, tokens=tokens)
    model, (_, logits) = cl.load_model(folder), alone(Row(family, tokens=tokens), folder)
    flipped = 0
    texts = "the plot is thin|a dull lifeless film|the actors are wonderful|it is a mess|i loved every minute"
    for text in (*texts.split("|"), "the largest animal", "wooden acting and a boring script"):
        encoded = model.encode(text)
        last, n = len(encoded.units) - 1, len(encoded.data.ids)
        assert encoded.tokens[last][-1] == n - 1 and encoded.outcome_tokens == (n,)
        found = cl.explain(model, text, words="all", alpha=0.5, max_calls=400)
        assert last in found.in_graph
        attention = model.attention(encoded)
        assert np.triu(attention, 1).max() == 0
        ids = encoded.data.ids.copy()
        ids[list(encoded.tokens[last])] = model.mask_id
        alone_flips = int(logits(ids).argmax()) != encoded.target
        np.testing.assert_allclose(
            model.predict(encoded, [(last,)])[0], logits(ids).softmax(-1).numpy(), atol=1e-5
        )
        if alone_flips:
            flipped += 1
            assert len(found.sets[0].positions) == 1 if found.success else True
            if found.success and found.certified:
                everything = model.predict(encoded, [(u,) for u in range(last + 1)]).argmax(1)
                assert {s.positions[0] for s in found.sets} <= set(
                    np.flatnonzero(everything != encoded.target)
                )
    SHARED.setdefault("flipped", []).append(flipped)


def test_last_words_did_flip():
    if len(SHARED.get("flipped", [])) == len(DECODERS):
        assert sum(SHARED["flipped"]) >= 3


def test_a_decoder_with_cls_and_sep_is_read_in_its_last_row(made):
    model = cl.load_model(made("gpt2", tokens="wordpiece"))
    encoded = model.encode(TEXT)
    n = len(encoded.data.ids)
    assert encoded.outcome_tokens == (n - 1,)
    assert model.attention(encoded)[:, n - 1].min() > 0


def test_an_encoder_without_cls_is_read_in_its_first_row(made):
    model = cl.load_model(made("bert", tokens="byte-level, open"))
    encoded = model.encode(TEXT)
    assert encoded.tokens[0][0] == 0 and encoded.outcome_tokens == (len(encoded.data.ids),)
    whole = model._forward({"input_ids": encoded.data.ids}, output_attentions=True).attentions[-1][0].numpy()
    attention = model.attention(encoded)
    np.testing.assert_allclose(attention[:, -1, 1:-1], whole[:, 0, 1:], atol=1e-6)
    np.testing.assert_allclose(attention[:, 0, 0], 1)


def test_a_mean_is_a_row_of_its_own(made):
    modern = {"num_hidden_layers": 3, "global_attn_every_n_layers": 2, "classifier_pooling": "mean"}
    model = cl.load_model(made("modernbert", **modern))
    encoded = model.encode(TEXT)
    n = len(encoded.data.ids)
    assert encoded.outcome_tokens == (n,)
    attention = model.attention(encoded)
    np.testing.assert_allclose(attention[:, n, :n], attention[:, :n, :n].mean(1))
    assert model.encode(TEXT).mixing is None


def test_a_head_that_reads_several_rows_in_unequal_parts_is_refused(made):
    folder = made("bert")
    network = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager"
    )

    class Largest(torch.nn.Module):
        def forward(self, hidden):
            return hidden.max(dim=1).values

    network.bert.pooler = Largest()
    from cleann_lite.models.classifier import TextClassifier

    with pytest.raises(ValueError, match="in unequal parts: needed is one row, or their mean"):
        TextClassifier(network, tokenizer("wordpiece"), "mine")


@pytest.mark.parametrize("rows", [[0], [3], [1, 2], [0, 1, 2, 3]])
def test_an_appended_outcome_keeps_rows_that_sum_to_one(rows):
    attention = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 4))
    larger = with_outcome(attention, rows)
    np.testing.assert_allclose(larger.sum(-1), 1)
    others = [r for r in range(4) if len(rows) > 1 or r not in rows]
    np.testing.assert_array_equal(larger[:, others, :4], attention[:, others])
    assert (larger[:, :4, 4] == 0).all()


# --- targets and labels (5, 11, 21) -------------------------------------------------------------------


def test_a_target_means_the_word_with_its_space(made):
    model = cl.load_model(made("gpt2", "next-word", "byte-level, open"))
    spaced = model.encode("the plot", target="is")
    assert model.tokenizer.convert_ids_to_tokens(spaced.target) == "Ġis"
    assert spaced.outcome == "is"
    assert model.encode("the plot ", target="i").target == model.tokenizer.convert_tokens_to_ids("i")
    meta = cl.load_model(made("llama", "next-word", "metaspace, open"))
    piece = next(t for t in sorted(meta.tokenizer.get_vocab()) if t.startswith("▁") and len(t) > 2)
    encoded = meta.encode("the plot", target=piece[1:])
    assert meta.tokenizer.convert_ids_to_tokens(encoded.target) == piece and encoded.outcome == piece[1:]
    with pytest.raises(ValueError, match="target must be one token: got 'unknowable'"):
        model.encode("the plot", target="unknowable")


def test_labels_show_no_marks_of_spaces(made):
    for tokens in ("byte-level, open", "metaspace, open"):
        model = cl.load_model(made("gpt2" if "byte" in tokens else "llama", "next-word", tokens))
        labels = [model.label(index) for index in range(len(model.tokenizer))]
        assert all(label and not label.startswith(("Ġ", "▁")) for label in labels)


def test_classes_match_without_case():
    model = cl.load_model("pocket-sentiment")
    assert model.encode("A dull film.", target="Negative").outcome == "negative"
    assert model.encode("A dull film.", target="POSITIVE").target == 1
    with pytest.raises(ValueError, match="target must be one of negative, positive: got 'bad'"):
        model.encode("A dull film.", target="bad")


# --- what the model saw (12, 14, 15, 16, 20) ----------------------------------------------------------

HARD = "it does n't reach them, but the effort is gratefully received."


@pytest.mark.parametrize("family", ["albert", "xlm-roberta", "deberta-v2", "llama"])
def test_masked_text_reads_back_or_the_ids_are_given(made, family):
    tokens = "metaspace, open" if family == "llama" else "metaspace"
    folder = made(family, tokens=tokens)
    model, (_, logits) = cl.load_model(folder), alone(Row(family, tokens=tokens), folder)
    given = 0
    for text in (HARD, TEXT, "well , it 's a  mess !"):
        encoded = model.encode(text)
        for mask in [(u,) for u in range(len(encoded.units))] + [(0, 1), (1, 3), (2, 4)]:
            wanted = model._masked_ids(encoded, [mask])[0].tolist()
            ids = model.masked_ids(encoded, mask)
            written = model.tokenizer(model.masked_input(encoded, mask))["input_ids"]
            assert (written == wanted) if ids is None else (list(ids) == wanted != written)
            given += ids is not None
            expected = logits(wanted).softmax(-1).numpy()
            what = model.masked_input(encoded, mask) if ids is None else ids
            np.testing.assert_allclose(model.predict_proba([what])[0], expected, atol=1e-5)
    found = cl.explain(model, HARD, words="all", alpha=0.5)
    for one in found.sets:
        assert one.masked_ids == model.masked_ids(model.encode(HARD), one.positions)
    told = any("masked_ids" in note for note in found.notes)
    assert told == any(one.masked_ids is not None for one in found.sets)
    SHARED.setdefault("ids given", []).append(given)


def test_predict_proba_reads_texts_pairs_ids_and_what_a_tokenizer_returned(made):
    model = cl.load_model(made("xlnet", tokens="metaspace, end"))
    text = "the plot is thin"
    whole = model.predict_proba([text])
    np.testing.assert_allclose(model.predict_proba([model.tokenizer(text)["input_ids"]]), whole, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba([dict(model.tokenizer(text))]), whole, atol=1e-6)
    with torch.no_grad():
        logits = model.model(**model.tokenizer(text, return_tensors="pt")).logits
    np.testing.assert_allclose(whole, logits.softmax(-1).numpy(), atol=1e-5)
    for wrong in ([[10**6]], [[-1]], [[1.5]], [[]], [None], [{"a": 1}]):
        with pytest.raises(ValueError, match=r"whole numbers from 0|explains a text"):
            model.predict_proba(wrong)


@pytest.mark.parametrize("text", ["இந்த படம் நன்றாக இல்லை", "👎👎👎", "இந்த"])
def test_unknown_words_are_told_and_nothing_about_them_is_certified(text):
    model = cl.load_model("pocket-sentiment")
    encoded = model.encode(text)
    n = len(encoded.units)
    assert encoded.unknown == tuple(range(n))
    found = cl.explain(model, text, words="all", alpha=0.5)
    assert any(f"{n} of {n} words are unknown to this model" in note for note in found.notes)
    assert found.certified is None


def test_known_words_beside_an_unknown_one():
    model = cl.load_model("pocket-sentiment")
    encoded = model.encode("a dull இந்த film")
    assert encoded.unknown == (2,)
    assert any("1 of 4 words are unknown" in note for note in encoded.notes)
    assert model.encode("a dull film").unknown == ()


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_note_says_which_end_was_cut(made, tmp_path, side):
    folder = shutil.copytree(made("bert"), tmp_path / side)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"truncation_side": side}))
    model = cl.load_model(folder)
    text = "plot " + "the film is a mess " * 60 + "end"
    encoded = model.encode(text)
    kept = "comes before «" if side == "left" else "follows «…"
    assert any(kept in note and "was cut" in note for note in encoded.notes)
    assert (encoded.units[-1] == "end") == (side == "left")
    assert (encoded.units[0] == "plot") == (side == "right")
    np.testing.assert_allclose(
        model.predict_proba([model.masked_input(encoded, (1,))])[0],
        model.predict(encoded, [(1,)])[0], atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize(("family", "tokens"), [("bert", "wordpiece"), ("roberta", "byte-level"),
                                                ("albert", "metaspace")])  # fmt: skip
def test_a_pair_has_the_words_of_both_texts_as_units(made, family, tokens):
    model = cl.load_model(made(family, tokens=tokens))
    pair = ("a dull film", "the actors are wonderful")
    encoded = model.encode(pair)
    assert encoded.units == ("a", "dull", "film", "the", "actors", "are", "wonderful")
    assert encoded.groups == (0, 0, 0, 1, 1, 1, 1)
    given = model.tokenizer(*pair, return_tensors="pt")
    with torch.no_grad():
        expected = model.model(**given).logits.softmax(-1).numpy()
    np.testing.assert_allclose(model.predict(encoded, [()]), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba([pair]), expected, atol=1e-5)
    found = cl.explain(model, pair, words="all", alpha=0.5, max_calls=300)
    assert found.input == pair and found.units == encoded.units
    page = re.sub("</?mark>", "", found.to_html())
    assert f"<p>Text 1: {pair[0]}</p><p>Text 2: {pair[1]}</p>" in page  # a pair stands in two groups
    assert found.to_html().count("<mark>") == (len(found.sets[0].units) if found.sets else 0)
    assert sorted(found.node_groups) == ["Text 1", "Text 2"]
    for number, nodes in enumerate(found.node_groups.values()):
        labels = [found.pag_of().label(node) for node in nodes]
        assert labels == [u for u, group in zip(found.units, encoded.groups, strict=True) if group == number]
        assert f'<g data-group="Text {number + 1}">' in found.to_svg()
    assert cl.Explanation.from_json(found.to_json()) == found
    older = {k: v for k, v in json.loads(found.to_json()).items() if k != "groups"}
    assert cl.Explanation.from_json(json.dumps(older)).groups is None
    with pytest.raises(ValueError, match="groups must be one for each of 7 units"):
        cl.Explanation.from_json(json.dumps(older | {"groups": [0]}))
    for one in found.sets:
        if one.masked_ids is None:
            ids = model.tokenizer(*one.masked)["input_ids"]
        else:
            ids = list(one.masked_ids)
        assert ids == model._masked_ids(encoded, [one.positions])[0].tolist()
    assert cl.Explanation.from_json(found.to_json()) == found
    with pytest.raises(ValueError, match="explains a text: got tuple"):
        model.encode(("one", "two", "three"))
    with pytest.raises(ValueError, match="the text is empty"):
        model.encode(("one", " "))


# --- long texts (13) ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "tokens", "places"),
    [
        *(("mpnet", "wordpiece", 128), ("esm", "wordpiece", 129), ("luke", "wordpiece", 129)),
        *(("ibert", "wordpiece", 129), ("bert", "wordpiece", 130), ("data2vec-text", "byte-level", 128)),
        *(("xlm-roberta-xl", "byte-level", 128), ("roberta-prelayernorm", "byte-level", 128)),
        *(("camembert", "byte-level", 128), ("xmod", "byte-level", 128)),
        *(("opt", "byte-level, open", 130), ("biogpt", "metaspace, open", 130)),
    ],
)
def test_long_text_is_cut_at_the_positions_that_a_model_has(made, family, tokens, places):
    extra = {"esm": {"position_embedding_type": "absolute"},
             "xmod": {"default_language": "en_XX", "languages": ["en_XX"]}}.get(family, {})  # fmt: skip
    model = cl.load_model(made(family, tokens=tokens, max_position_embeddings=130, **extra))
    assert model.max_length == places
    text = "the film is a mess and " * 55
    encoded = model.encode(text)
    assert len(encoded.data.ids) == places and any("was cut" in note for note in encoded.notes)
    assert model.attention(encoded).shape[1] in (places, places + 1)
    longer = np.resize(encoded.data.ids, (1, places + 1))
    with pytest.raises((IndexError, RuntimeError)):  # one more is one too many
        model.model(input_ids=torch.as_tensor(longer))


# --- said at load (17, 18, 22) ------------------------------------------------------------------------


def test_an_adapter_and_quantised_weights_are_told_with_the_way_out(made, tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(ValueError, match="holds an adapter: merge it into its base model first"):
        cl.load_model(folder)
    four = with_settings(made("bert"), tmp_path / "four", quantization_config={"load_in_4bit": True})
    with pytest.raises(ValueError, match=r"quantised weights .* dequantise the model"):
        cl.load_model(four)


def test_a_folder_without_architectures_takes_its_task_from_the_command_line(made, tmp_path, capsys):
    folder = with_settings(made("bert"), tmp_path / "m", architectures=None)
    assert main(["explain", "the plot is thin", "--model", str(folder)]) == 2
    assert "--task" in capsys.readouterr().err
    assert main(["explain", "the plot is thin", "--model", str(folder), "--task", "classification"]) == 0
    assert "The model predicts" in capsys.readouterr().out
    assert main(["explain", "a film", "--threshold", "0.3"]) == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"num_labels": 10**9}, "num_labels"),
        ({"num_hidden_layers": -1}, "num_hidden_layers"),
        ({"num_hidden_groups": 10**9}, "num_hidden_groups"),
        ({"text_config": {"num_local_experts": 10**9}}, "num_local_experts"),
        ({"attention_types": [[["global"], 10**9]]}, "attention_types"),
    ],
)
def test_what_would_be_built_for_ever_is_told(tmp_path, settings, name):
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=f"{name} in .*config.json must be 0 to 10*: got "):
        cl.load_model(tmp_path)


@pytest.mark.parametrize("names", [["a", "b"], {"neg": 0, "pos": 1}, "a", 3])
def test_names_of_classes_that_no_number_finds_are_told(tmp_path, names):
    (tmp_path / "config.json").write_text(json.dumps({"id2label": names}))
    with pytest.raises(ValueError, match=r"id2label in .* must name each class by its number, as in"):
        cl.load_model(tmp_path)


def test_classes_that_are_named_alike_or_not_at_all_are_told_apart(made, tmp_path):
    names = {"0": "X", "1": "X", "2": " "}
    model = cl.load_model(with_settings(made("bert"), tmp_path / "m", id2label=names, label2id={"X": 7}))
    assert model.labels == ["X (0)", "X (1)", "class 2"]
    names = {"0": "X", "1": "X (0)", "2": "X"}
    clash = cl.load_model(with_settings(made("bert"), tmp_path / "clash", id2label=names))
    assert clash.labels == ["X (0)", "X (0) (1)", "X (2)"]
    assert [model.encode(TEXT, target=label).target for label in model.labels] == [0, 1, 2]
    numbers = cl.load_model(with_settings(made("bert"), tmp_path / "n", id2label={"0": 5, "1": 6, "2": 7}))
    assert numbers.labels == ["5", "6", "7"]


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_outputs_are_read_by_name_whatever_the_settings_say(made, tmp_path, family):
    tokens = "byte-level, open" if family == "gpt2" else "wordpiece"
    folder = made(family, tokens=tokens)
    plain = cl.load_model(folder)
    other = cl.load_model(with_settings(folder, tmp_path / "m", return_dict=False, output_attentions=True))
    np.testing.assert_array_equal(plain.predict_proba([TEXT]), other.predict_proba([TEXT]))
    assert (
        cl.explain(other, TEXT, max_calls=30).prediction == cl.explain(plain, TEXT, max_calls=30).prediction
    )


@pytest.mark.parametrize("limit", ["x", -5, 0, 1, 2, None])
def test_a_tokenizer_without_room_for_a_word_is_told(made, tmp_path, limit):
    folder = shutil.copytree(made("bert"), tmp_path / "m")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": limit}))
    if limit is None:  # transformers takes it for no limit
        assert cl.load_model(folder).max_length == 66
        return
    sentence = (
        "leave no room for a word" if limit in (1, 2) else "model_max_length of the tokenizer of m must be"
    )
    with pytest.raises(ValueError, match=sentence):
        cl.load_model(folder)


def test_a_pair_and_an_open_text_need_room_too(made, tmp_path):
    folder = shutil.copytree(made("roberta", tokens="byte-level"), tmp_path / "m")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 5}))
    model = cl.load_model(folder)
    assert len(model.encode(TEXT).data.ids) == 5
    with pytest.raises(ValueError, match="leave no room for a word"):
        model.encode(("the plot", "is thin"))
    folder = shutil.copytree(made("gpt2", "next-word", "byte-level, open"), tmp_path / "n")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 1}))
    model = cl.load_model(folder)
    with pytest.raises(ValueError, match="leave no room for a word"):
        model.encode(TEXT)


@pytest.mark.parametrize(
    "text", ["the plot is <pad> <pad>", "<pad> the plot", "the plot <pad> is", "the plot is"]
)
def test_padding_inside_a_text_moves_the_row_that_a_decoder_reads(made, text):
    folder = made("llama", tokens="metaspace, open")
    model, (network, logits) = cl.load_model(folder), alone(Row("llama", tokens="metaspace, open"), folder)
    encoded = model.encode(text)
    ids = encoded.data.ids.tolist()
    read = rows_that_matter(network, logits, ids, None)
    assert read == [max(i for i, piece in enumerate(ids) if piece != model.tokenizer.pad_token_id)]
    attention, n = model.attention(encoded), len(ids)
    assert encoded.outcome_positions == (n,)
    whole = model._forward({"input_ids": encoded.data.ids}, output_attentions=True).attentions[-1][0].numpy()
    both = attention[:, n, :n] + attention[:, n, n:] * np.eye(n)[read[0]]
    np.testing.assert_allclose(both, whole[:, read[0]], atol=1e-6)


def test_gradients_of_a_decoder_are_of_the_row_before_the_padding(made):
    model = cl.load_model(made("llama", tokens="metaspace, open"))
    network = model.model.double()
    encoded = model.encode("the plot is <pad> <pad>")
    embedded = network.get_input_embeddings()(torch.as_tensor(encoded.data.ids)).detach().requires_grad_()
    read = max(i for i, piece in enumerate(encoded.data.ids) if piece != model.tokenizer.pad_token_id)
    row = network.score(network.model(inputs_embeds=embedded[None]).last_hidden_state)[0, read].log_softmax(
        -1
    )
    np.testing.assert_allclose(row.exp().detach(), model.predict(encoded, [()])[0], atol=1e-9)
    pieces = (torch.autograd.grad(row[encoded.target], embedded)[0] * embedded).sum(-1).detach().numpy()
    want = [pieces[list(tokens)].sum() for tokens in encoded.tokens]
    assert read + 1 < len(encoded.data.ids) and np.abs(want).max() > 1e-3
    np.testing.assert_allclose(model.attributions(encoded), want, atol=1e-9)


def test_squeezebert_gives_its_attention_behind_the_soft_max(made):
    groups = dict.fromkeys(("q_groups", "k_groups", "v_groups", "post_attention_groups",
                            "intermediate_groups", "output_groups"), 1)  # fmt: skip
    model = cl.load_model(made("squeezebert", **groups))
    encoded = model.encode(TEXT)
    whole = model._forward({"input_ids": encoded.data.ids}, output_attentions=True).attentions[-1][0]
    np.testing.assert_allclose(model.attention(encoded), whole.double().softmax(-1).numpy(), atol=1e-9)
    np.testing.assert_allclose(model.attention(encoded).sum(-1), 1)


def test_a_piece_that_is_also_padding_hides_a_word_only_where_nothing_else_can(made):
    model = cl.load_model(made("gpt2", tokens="byte-level, open", pad_token_id=0))
    assert model.mask_id == 0 and any("also takes for padding" in note for note in model.encode(TEXT).notes)
    other = cl.load_model(made("llama", tokens="metaspace, open"))
    assert other.mask_id == other.tokenizer.mask_token_id


@pytest.mark.parametrize("threshold", [0.2, 0.8])
def test_an_evaluation_honours_the_threshold(labels, tmp_path, threshold, capsys):
    edge = np.log(threshold / (1 - threshold))
    model = labels(edge + 0.001, edge - 3, pull=1.0)
    model.model.save_pretrained(tmp_path / "pulled")
    model.tokenizer.save_pretrained(tmp_path / "pulled")
    options = {"data": [TEXT], "methods": ("beam", "exhaustive"), "nodes": "all", "max_size": 4}
    run = cl.evaluate("sentiment", 1, model=tmp_path / "pulled", threshold=threshold, **options)
    record = run.records[0]
    assert record["probability"] == pytest.approx(threshold, abs=0.05)
    one = cl.load_model(tmp_path / "pulled", threshold=threshold)
    encoded = one.encode(TEXT)
    assert encoded.outcome == "toxic"
    for row in record["rows"].values():
        assert row["success"] and row["size"] < len(encoded.units)
        assert encoded.predicted(one.predict(encoded, [row["positions"]])[0]) != encoded.target
    with pytest.raises(ValueError, match="a loaded model has its own"):
        cl.evaluate("sentiment", 1, model=one, threshold=threshold, **options)
    arguments = ["evaluate", "sentiment", "--n", "1", "--data", "examples", "--threshold", "0.3"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert "threshold is for labels that are on or off" in capsys.readouterr().err


def test_layers_that_the_settings_do_not_count_are_told(made, tmp_path):
    """They would be left out in silence, and another model explained."""
    folder = with_settings(made("bert"), tmp_path / "model", num_hidden_layers=1)
    with pytest.raises(ValueError, match=r"more layers in bert.encoder.layer than its config.json counts"):
        cl.load_model(folder)
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(ValueError, match=r"is not a model folder: config.json: Is a directory"):
        cl.load_model(folder)
