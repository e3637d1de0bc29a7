"""Hugging Face models behind the one protocol: five families and more, made on the fly."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from cleann_lite.models import text as models  # noqa: E402
from cleann_lite.models.classifier import TextClassifier  # noqa: E402
from cleann_lite.models.fast_pass import fused_attention, one_place  # noqa: E402
from cleann_lite.models.loading import load_model  # noqa: E402
from cleann_lite.models.protocol import Model  # noqa: E402
from tests import tiny  # noqa: E402

TEXT = "The plot is thin, but it's a Wonderful mess! 🙂 <b>ok</b>"
ENCODERS = [f for f in tiny.FAMILIES if f != "gpt2"]
KINDS = [
    *((f, "SequenceClassification") for f in tiny.FAMILIES),
    *((f, "MaskedLM") for f in ENCODERS),
    ("gpt2", "CausalLM"),
]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    made = {}

    def make(family, head, layers=2):
        if (family, head, layers) not in made:
            folder = tmp_path_factory.mktemp(f"{family}-{head}")
            made[family, head, layers] = tiny.make(family, head, folder, layers=layers)
        return made[family, head, layers]

    return make


def load_double(folder):
    """A model in double precision: two ways to compute one thing then agree on any processor."""
    model = load_model(folder)
    model.model.double()
    return model


def encode(model, text=TEXT):
    return model.encode(text, target="plot" if model.task == "masked-word" else None)


@pytest.mark.parametrize(("family", "head"), KINDS)
def test_every_family_answers_the_protocol(folder_of, family, head):
    model = load_double(folder_of(family, head))
    assert isinstance(model, Model)
    encoded = encode(model)
    attention = model.attention(encoded)
    assert attention.dtype == np.float64
    np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-10)
    masks = [(), (1,), (7, 8), tuple(range(len(encoded.units)))]
    predicted = model.predict(encoded, masks)
    np.testing.assert_allclose(predicted.sum(1), 1)
    one_by_one = np.concatenate([model.predict(encoded, [m]) for m in masks])
    np.testing.assert_allclose(predicted, one_by_one, atol=1e-10)
    assert model.label(encoded.target) == encoded.outcome
    if head != "MaskedLM":
        assert encoded.target == predicted[0].argmax()


@pytest.mark.parametrize(("family", "head"), KINDS)
def test_computing_what_is_read_alone_changes_no_prediction(folder_of, family, head, monkeypatch):
    model = load_double(folder_of(family, head))
    encoded = encode(model)
    masks = [(), (1,), (7, 8), tuple(range(len(encoded.units)))]
    sizes = []
    for name, part in model.model.named_modules():
        if isinstance(part, torch.nn.Linear) and (
            "intermediate" in name or "lin1" in name or "lm_head" in name
        ):
            part.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[1]))
    narrowed = model.predict(encoded, masks)
    alike = family == "albert" or (family, head) == ("gpt2", "SequenceClassification")
    assert alike or sizes[-1] == 1
    monkeypatch.setattr(models, "one_place", lambda model, place: nullcontext(False))
    np.testing.assert_allclose(narrowed, model.predict(encoded, masks), atol=1e-10)
    assert not any(part._forward_pre_hooks for part in model.model.modules())


@pytest.mark.parametrize(("family", "head"), KINDS)
def test_a_model_whose_first_layer_is_its_last_predicts_the_same(folder_of, family, head, monkeypatch):
    model = load_double(folder_of(family, head, layers=1))
    encoded = encode(model)
    masks = [(), (1,), (7, 8), tuple(range(len(encoded.units)))]
    saved = model.predict(encoded, masks)
    monkeypatch.setattr(models, "one_place", lambda model, place: nullcontext(False))
    np.testing.assert_allclose(saved, model.predict(encoded, masks), atol=1e-10)


@pytest.mark.parametrize(("family", "head"), KINDS)
def test_the_fused_kernel_of_attention_changes_no_prediction(folder_of, family, head, monkeypatch):
    model = load_double(folder_of(family, head))
    encoded = encode(model)
    masks = [(unit,) for unit in range(len(encoded.units))]
    ran = []
    model.model.register_forward_pre_hook(lambda *_: ran.append(model.model.config._attn_implementation))
    fused = model.predict(encoded, masks)
    before = model.attention(encoded)
    alike = family == "albert" or (family, head) == ("gpt2", "SequenceClassification")
    assert ran == ["eager" if alike else "sdpa", "eager"]
    monkeypatch.setattr(models, "fused_attention", lambda model: nullcontext())
    np.testing.assert_allclose(fused, model.predict(encoded, masks), atol=1e-10)
    np.testing.assert_array_equal(before, model.attention(encoded))


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_threads_that_share_a_model_get_the_answers_of_one(folder_of, family):
    head = "CausalLM" if family == "gpt2" else "MaskedLM"
    model = load_double(folder_of(family, head))
    text = "the plot is thin but the actors are wonderful and i loved it"
    words = text.split()
    texts = [" ".join(words[:n]) for n in range(6, len(words) + 1)] * 4
    if family == "gpt2":
        encoded = [model.encode(text) for text in texts]
    else:
        encoded = [model.encode(text, target=i % 6) for i, text in enumerate(texts)]

    def ask(one):
        masks = [(unit,) for unit in range(len(one.units))]
        return model.predict(one, masks), model.predict(one, masks[:1]), model.attention(one)

    alone = [ask(one) for one in encoded]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(ask, encoded))
    for first, second in zip(alone, together, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-10)


def test_a_failing_pass_gives_the_kernel_of_attention_back(folder_of):
    model = load_model(folder_of("bert", "SequenceClassification"))
    with pytest.raises(RuntimeError), fused_attention(model.model):
        assert model.model.config._attn_implementation == "sdpa"
        raise RuntimeError
    assert model.model.config._attn_implementation == "eager"


def test_a_model_of_ones_own_is_not_narrowed(folder_of):
    class BertForSequenceClassification(transformers.BertForSequenceClassification):
        pass

    own = BertForSequenceClassification.from_pretrained(folder_of("bert", "SequenceClassification"))
    with one_place(own, 0) as narrowed:
        assert not narrowed
    own.set_attn_implementation("eager")
    with fused_attention(own):
        assert own.config._attn_implementation == "eager"


@pytest.mark.parametrize(("family", "head"), KINDS)
def test_masked_input_reads_back_to_the_ids_that_the_model_saw(folder_of, family, head):
    model = load_model(folder_of(family, head))
    encoded = encode(model)
    for mask in [(), (0,), (1,), (1, 2), (6, 7, 8), tuple(range(len(encoded.units)))]:
        text = model.masked_input(encoded, mask)
        seen = model._masked_ids(encoded, [mask])[0].tolist()
        assert model.tokenizer(text)["input_ids"] == seen, text


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_gradients_agree_with_finite_differences(folder_of, family):
    """Completeness: integrated gradients add up to the change of the outcome's log-probability."""
    model = load_model(folder_of(family, "SequenceClassification"))
    encoded = model.encode("the plot is thin but wonderful")
    everything = tuple(range(len(encoded.units)))
    whole, none = np.log(model.predict(encoded, [(), everything])[:, encoded.target])
    scores = model.attributions(encoded, "integrated-gradients", steps=400)
    assert scores.sum() == pytest.approx(whole - none, rel=0.02, abs=0.01)
    part = tuple(range(0, len(encoded.units), 2))
    own = model.attributions(encoded, "integrated-gradients", steps=100, masked=part)
    whole, without = np.log(model.predict(encoded, [(), part])[:, encoded.target])
    assert own.sum() == pytest.approx(whole - without, abs=0.02)
    assert not own[1::2].any()  # they are the same all the way
    assert model.attributions(encoded).shape == (len(encoded.units),)
    with pytest.raises(ValueError, match="gradient-x-input"):
        model.attributions(encoded, "magic")


def test_a_note_says_that_the_model_would_fill_in_another_word(folder_of):
    model = load_model(folder_of("bert", "MaskedLM"))
    text = "the plot is thin"
    for target, word in enumerate(text.split()):
        encoded = model.encode(text, target=target)
        noted = any(f"not {word!r}: its own word is explained" in note for note in encoded.notes)
        assert noted == (encoded.outcome != word)
    with_gap = text.replace("plot", model.mask_token)
    assert model.encode(with_gap).notes == model.encode(with_gap, target=1).notes == ()


def test_predict_proba_agrees_with_predict(folder_of):
    model = load_double(folder_of("bert", "SequenceClassification"))
    texts = ["the plot", "a dull film with wooden acting", "a boring film with wooden acting", "yes"]
    expected = [model.predict(model.encode(t), [()])[0] for t in texts]
    np.testing.assert_allclose(model.predict_proba(texts), expected, atol=1e-10)
    with pytest.raises(ValueError, match="list of texts"):
        model.predict_proba("one string")


def test_a_model_without_a_mask_token_says_what_stands_in(folder_of):
    model = load_model(folder_of("gpt2", "CausalLM"))
    assert any("<|endoftext|> stands in" in note for note in model.encode("the plot").notes)


def test_attention_of_the_next_word_pass_is_lower_triangular_and_holds_the_outcome(folder_of):
    model = load_model(folder_of("gpt2", "CausalLM"))
    encoded = model.encode("the plot is thin")
    attention = model.attention(encoded)
    assert attention.shape[1] == encoded.outcome_tokens[0] + 1
    assert np.triu(attention[0], 1).max() == 0
    assert model.causal


def test_masked_word_pass_puts_the_models_own_word_in_place(folder_of):
    model = load_model(folder_of("bert", "MaskedLM"))
    encoded = model.encode("the [MASK] is thin")
    assert encoded.units[1] == "[MASK]"
    ids = model._attention_inputs(encoded)["input_ids"]
    assert ids[encoded.data.slot] == encoded.target != model.mask_id
    for target in ("absent", 99, None):
        with pytest.raises(ValueError, match=r"target|name the word"):
            model.encode("the plot is thin", target=target)


def test_pieces_and_words_are_both_units(folder_of):
    model = load_model(folder_of("albert", "SequenceClassification"))
    pieces, words = model.encode(TEXT, split_into="pieces"), model.encode(TEXT)
    assert len(pieces.units) > len(words.units)
    assert "Wonderful" in words.units
    with pytest.raises(ValueError, match="'words', 'pieces' or 'sentences'"):
        model.encode(TEXT, split_into="letters")


def test_long_text_is_cut_and_the_reader_is_told(folder_of):
    model = load_model(folder_of("bert", "SequenceClassification"))
    encoded = model.encode("plot " * 10_000)
    assert model.attention(encoded).shape[1] == 64
    assert "reads 64 word-pieces and the text has 10002" in encoded.notes[0]


@pytest.mark.parametrize("text", ["", "   \n", None, 7, "dull \udcff film"])
def test_what_is_not_a_text_gets_one_sentence(folder_of, text):
    model = load_model(folder_of("bert", "SequenceClassification"))
    with pytest.raises(ValueError, match=r"the text is empty|explains a text: got|it holds '\\udcff'"):
        model.encode(text)


def test_unknown_targets_layers_and_slow_tokenizers_are_refused(folder_of):
    model = load_model(folder_of("bert", "SequenceClassification"))
    with pytest.raises(ValueError, match="LABEL_0, LABEL_1, LABEL_2"):
        model.encode("the plot", target="good")
    with pytest.raises(ValueError, match="below 3"):
        model.encode("the plot", target=3)
    with pytest.raises(ValueError, match="layer must lie in -2 … 1"):
        model.attention(model.encode("the plot"), layer=2)
    with pytest.raises(ValueError, match="fast tokenizer"):
        TextClassifier(model.model, object())


def test_an_attention_implementation_that_returns_nothing_is_named(folder_of):
    """transformers 5 gives an empty tuple, and only a warning, with its default implementation."""
    import transformers

    folder = folder_of("bert", "SequenceClassification")
    default = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="sdpa"
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with pytest.raises(ValueError, match=r"mine returned no attention .*'sdpa'.*eager"):
        TextClassifier(default, tokenizer, name="mine")


def test_a_model_without_self_attention_says_so(folder_of):
    folder = folder_of("bert", "SequenceClassification")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 1, "num_labels": 3}
    fourier = transformers.AutoModelForSequenceClassification.from_config(transformers.FNetConfig(**sizes))
    with pytest.raises(ValueError, match=r"mine returned no attention .*none to read"):
        TextClassifier(fourier, tokenizer, name="mine")
    sizes = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "num_labels": 3, "eos_token_id": 3}
    two = transformers.BartConfig(vocab_size=len(tokenizer), **sizes)
    with pytest.raises(ValueError, match="mine has an encoder and a decoder"):
        TextClassifier(transformers.BartForSequenceClassification(two), tokenizer, name="mine")


def _with_config(folder, copy, **settings):
    folder = shutil.copytree(folder, copy)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    return folder


def test_labels_that_can_hold_together_are_scored_each_by_itself(folder_of, tmp_path):
    folder = folder_of("bert", "SequenceClassification")
    folder = _with_config(folder, tmp_path / "m", problem_type="multi_label_classification")
    model, text = load_model(folder), "the plot is thin but the actors are wonderful"
    expected = torch.sigmoid(model.model(**model.tokenizer(text, return_tensors="pt")).logits)
    expected = expected.detach().numpy()
    np.testing.assert_allclose(model.predict_proba([text]), expected, atol=1e-6)
    for index, probability in enumerate(expected[0]):
        row = model.predict(model.encode(text, target=index), [()])[0]
        assert row[[index, 3 + index]] == pytest.approx([probability, 1 - probability], abs=1e-6)
        assert row.sum() == pytest.approx(1)
    assert model.encode(text).nothing is None


def test_a_regression_has_no_class_to_change(folder_of, tmp_path):
    folder = folder_of("bert", "SequenceClassification")
    folder = _with_config(folder, tmp_path / "m", problem_type="regression")
    with pytest.raises(ValueError, match="predicts a number, not a class"):
        load_model(folder)


def test_weights_in_half_precision_run_in_float32(folder_of, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = _with_config(folder_of("bert", "SequenceClassification"), tmp_path / "half", dtype="float16")
    weights = {k: v.half() for k, v in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert {p.dtype for p in load_model(folder).model.parameters()} == {torch.float32}


def test_a_mask_that_was_cut_is_told(folder_of):
    model = load_model(folder_of("bert", "MaskedLM"))
    with pytest.raises(ValueError, match=r"\[MASK\] is beyond what .* reads"):
        model.encode("the plot is thin " * 50 + "[MASK]")


class TestWrongFolders:
    @pytest.fixture
    def folder(self, folder_of, tmp_path):
        return shutil.copytree(folder_of("bert", "SequenceClassification"), tmp_path / "model")

    def refuse(self, folder, sentence):
        with pytest.raises(ValueError, match=sentence) as caught:
            load_model(folder)
        assert "\n" not in str(caught.value)

    def test_no_config(self, folder):
        (folder / "config.json").unlink()
        self.refuse(folder, "is not a model folder: config.json is missing")

    def test_config_that_is_not_json(self, folder):
        (folder / "config.json").write_text("{")
        self.refuse(folder, "not valid JSON")

    def test_a_file(self, folder):
        self.refuse(folder / "config.json", "a model is a folder")

    def test_truncated_weights(self, folder):
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        self.refuse(folder, "cut short or altered")

    def test_pickled_weights_only(self, folder):
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        self.refuse(folder, "no weights in safetensors")

    def test_weights_without_the_head(self, folder):
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        kept = {k: v for k, v in weights.items() if not k.startswith("classifier")}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
        self.refuse(folder, r"lacks the weights classifier\.bias")

    def test_weights_that_nobody_needs_raise_no_alarm(self, folder, capfd):
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        more = weights | {"cls.seq_relationship.bias": weights["classifier.bias"].clone()}
        save_file(more, folder / "model.safetensors", metadata={"format": "pt"})
        load_model(folder)
        assert capfd.readouterr() == ("", "")

    def test_an_architecture_of_another_kind(self, folder):
        config = json.loads((folder / "config.json").read_text())
        config["architectures"] = ["BertForQuestionAnswering"]
        (folder / "config.json").write_text(json.dumps(config))
        self.refuse(folder, "holds BertForQuestionAnswering: needed is")

    @pytest.mark.parametrize("named", [None, [], "BertModel", [3]])
    def test_no_architecture(self, folder, tmp_path, named):
        self.refuse(
            _with_config(folder, tmp_path / "m", architectures=named),
            "does not say what it holds .* or --task",
        )

    def test_weights_of_another_size(self, folder, tmp_path, caplog, capfd):
        self.refuse(_with_config(folder, tmp_path / "m", hidden_size=64), "do not fit its config.json: bert")
        assert "REPORT" not in caplog.text + "".join(capfd.readouterr())

    def test_settings_of_another_kind(self, folder, tmp_path):
        self.refuse(_with_config(folder, tmp_path / "m", hidden_size="x"), "cannot be read as a model")

    def test_a_tokenizer_of_another_model(self, folder, tmp_path):
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        name = "bert.embeddings.word_embeddings.weight"
        weights[name] = weights[name][:20].clone()
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        model = load_model(_with_config(folder, tmp_path / "m", vocab_size=20))
        with pytest.raises(ValueError, match="belongs to another model"):
            model.encode("the plot is thin")

    def test_no_tokenizer(self, folder):
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
        self.refuse(folder, "has no tokenizer")


def test_names_that_are_nothing_here(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="no pocket model 'pocket-moon'"):
        load_model("pocket-moon")
    with pytest.raises(ValueError, match="neither a pocket model, nor a folder here, nor a hub id"):
        load_model("/no/such/folder")
    with pytest.raises(ValueError, match="task must be one of"):
        load_model("pocket-sentiment", task="dance")
    with pytest.raises(ValueError, match="pocket-bert4rec holds a recommender"):
        load_model("pocket-bert4rec", task="classification")
    with pytest.raises(ValueError, match="'' is neither"):
        load_model("")
    for device in ("gpu", "cuda:99"):
        with pytest.raises(ValueError, match=f"PyTorch finds here: got '{device}'"):
            load_model("pocket-sentiment", device=device)
    with pytest.raises(ValueError, match="named by a text or a path: got NoneType"):
        load_model(None)
