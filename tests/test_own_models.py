"""Explanations of real networks: run again by themselves, and beside the exhaustive truth."""

import importlib.util
import json
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import cleann_lite as cl  # noqa: E402
from cleann_lite.datasets.shipped import load_histories, load_reviews  # noqa: E402
from cleann_lite.explaining.baselines import BASELINES, explain_by  # noqa: E402
from tests import tiny  # noqa: E402

ROOT = Path(__file__).parent.parent
WORDS = sorted({w for text in tiny.TEXTS for w in text.replace(",", "").split()})


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    made = {}

    def make(family, head, seed=0):
        key = (family, head, seed)
        if key not in made:
            folder = tiny.make(family, head, tmp_path_factory.mktemp("model"), seed)
            made[key] = cl.load_model(folder)
        return made[key]

    return make


def rerun(model, found, input, target=None):
    """The prediction with each reported set masked, run alone and outside the search."""
    encoded = model.encode(input, target=target)
    for one in (*found.sets, *found.proposed, *found.smaller):
        row = model.predict(encoded, [one.positions])[0]
        assert row.argmax() != encoded.target
        assert model.label(row.argmax()) == one.replacement
        assert row.max() == pytest.approx(one.probability, abs=1e-5)
        assert row[encoded.target] == pytest.approx(one.target_probability, abs=1e-5)
        outcome = set(encoded.outcome_tokens)
        assert not any(outcome & set(encoded.tokens[u]) for u in one.positions)
    return encoded


def check_nothing_smaller_works(model, found, encoded, cap=3):
    """Certificates against brute force over all sets of up to ``cap`` units."""
    outcome = set(encoded.outcome_tokens)
    units = [u for u, p in enumerate(encoded.tokens) if not outcome & set(p)]
    assert len(units) <= 12
    smallest = np.inf
    for size in range(1, cap + 1):
        sets = list(combinations(units, size))
        if sets and (model.predict(encoded, sets).argmax(1) != encoded.target).any():
            smallest = size
            break
    size = len(found.sets[0].positions)
    assert size >= min(smallest, cap + 1)
    if found.certified is True and size <= cap + 1:
        assert smallest == size or (smallest == np.inf and size == cap + 1)
    assert found.certified is not False  # a refuted set is not reported first


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "masked-word", "next-word", "recommendation"])
def test_sets_flip_and_certificates_hold_on_100_inputs_of_each_task(task, tiny_model):
    rng = np.random.default_rng(0)
    found_any, certified = 0, {True: 0, False: 0, None: 0}
    if task == "recommendation":
        model = cl.load_model("pocket-bert4rec")
        titles = sorted({t for h in load_histories() for t in h["titles"]})
    for number in range(100):
        target = None
        if task == "recommendation":
            input = rng.choice(titles, size=int(rng.integers(1, 9)), replace=False).tolist()
        else:
            words = rng.choice(WORDS, size=int(rng.integers(3, 11)), replace=False)
            input = " ".join(words)
            head = {"classification": "SequenceClassification", "masked-word": "MaskedLM"}.get(
                task, "CausalLM"
            )
            family = "gpt2" if task == "next-word" else ("bert", "electra")[number % 2]
            model = tiny_model(family, head)
            target = int(rng.integers(len(words))) if task == "masked-word" else None
        found = cl.explain(model, input, target=target, alpha=0.1, words="all", max_size=4)
        encoded = rerun(model, found, input, target)
        certified[found.certified] += 1
        if found.success:
            found_any += 1
            check_nothing_smaller_works(model, found, encoded)
    assert found_any >= 25
    assert certified[True] >= 10


@pytest.mark.parametrize("family", list(tiny.FAMILIES))
def test_every_family_is_explained_from_a_local_folder(family, tiny_model):
    head = "CausalLM" if family == "gpt2" else "SequenceClassification"
    model = tiny_model(family, head)
    text = "The plot is thin, but it's a wonderful mess! 🙂"
    found = cl.explain(model, text, alpha=0.2)
    rerun(model, found, text)
    assert cl.Explanation.from_json(found.to_json()) == found
    assert found.settings["method"] == ("ordered-icd" if family == "gpt2" else "icd")


@pytest.mark.parametrize("method", BASELINES)
def test_baselines_explain_a_real_model(method, tiny_model):
    model = tiny_model("bert", "SequenceClassification")
    text = "a dull lifeless film with wooden acting"
    found = explain_by(model, text, method)
    rerun(model, found, text)


@pytest.mark.parametrize(
    "text",
    [
        '<img src=x onerror="alert(1)"> a <script>alert(2)</script> dull film',
        "הסרט הזה היה משעמם מאוד",
        "😡😡 👎🏽 worst",
        "!!!",
        "这部电影很无聊",
        "[MASK] [CLS] dull [SEP] film",
        "dull\u0000film\n\n\tboring",
    ],
)
def test_any_text_gets_a_result(text):
    model = cl.load_model("pocket-sentiment")
    found = cl.explain(model, text, max_calls=200)
    rerun(model, found, text)
    html = found._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert found.describe()


def short_texts(count):
    """Six to nine plain words in a row, out of the shipped reviews."""
    rng, found = np.random.default_rng(0), []
    reviews = [re.findall("[a-z]+", review["text"].lower()) for review in load_reviews()]
    while len(found) < count:
        words = reviews[rng.integers(len(reviews))]
        start, length = rng.integers(len(words)), rng.integers(6, 10)
        found.append(words[start : start + length])
    return [words for words in found if len(words) > 1]


def test_certificates_of_the_pocket_model_hold_against_brute_force_by_transformers_alone():
    folder = cl.data_path("models", "pocket-sentiment")
    network = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, found_any = cl.load_model("pocket-sentiment"), 0
    for words in short_texts(32):
        read = tokenizer(words, is_split_into_words=True)

        def classes(sets, read=read):
            rows = [
                [
                    tokenizer.mask_token_id if word in hidden else piece
                    for word, piece in zip(*both, strict=True)
                ]
                for hidden in sets
                for both in [(read.word_ids(), read["input_ids"])]
            ]
            with torch.no_grad():
                return network(torch.tensor(rows)).logits.argmax(-1).numpy()

        found = cl.explain(model, " ".join(words))
        assert list(found.units) == words
        intact = classes([()])[0]
        flips = []  # by size
        for size in range(1, len(words) + 1):
            sets = list(combinations(range(len(words)), size))
            flips.append({one for one, said in zip(sets, classes(sets), strict=True) if said != intact})
        assert found.success == any(flips)
        if found.success:
            found_any += 1
            size = len(found.sets[0].positions)
            assert found.certified is True and not any(flips[: size - 1])
            assert {one.positions for one in found.sets} <= flips[size - 1]
    assert found_any >= 20


def test_sentences_can_be_the_units():
    model = cl.load_model("pocket-sentiment")
    text = 'The cast is fine. "A dull, lifeless film!" I slept, and so did my friends.'
    found = cl.explain(model, text, split_into="sentences")
    assert found.units == ("The cast is fine.", '"A dull, lifeless film!"', "I slept, and so did my friends.")
    encoded = model.encode(text, split_into="sentences")
    covered = [p for own in encoded.tokens for p in own]
    assert covered == list(range(1, len(covered) + 1))  # every piece but [CLS] and [SEP], each once
    for one in found.sets:
        masked = model.predict(encoded, [one.positions])[0]
        assert masked.argmax() != encoded.target
        assert model.predict_proba([one.masked])[0] == pytest.approx(masked, abs=1e-5)
    assert "sentence" in found.describe() and "word" not in found.describe()


@pytest.mark.slow
def test_a_long_text_gets_a_set_of_which_every_unit_is_needed():
    model = cl.load_model("pocket-sentiment")
    text = " ".join(review["text"] for review in load_reviews() if review["label"] == "negative")
    text = " ".join(text.split()[:300])
    found = cl.explain(model, text, max_calls=1000)
    assert found.success and found.model_calls <= 1500
    encoded = rerun(model, found, text)
    for one in found.sets:
        for unit in one.positions:
            rest = tuple(u for u in one.positions if u != unit)
            assert model.predict(encoded, [rest])[0].argmax() == encoded.target


def test_masked_text_of_the_pocket_model_is_read_back_to_the_same_ids():
    model = cl.load_model("pocket-sentiment")
    for review in load_reviews()[:8]:
        found = cl.explain(model, review["text"], alpha=0.1, max_calls=300, heads=0)
        encoded = rerun(model, found, review["text"])
        for one in found.sets:
            wanted = model._masked_ids(encoded, [one.positions])[0].tolist()
            assert model.tokenizer(one.masked)["input_ids"] == wanted
            assert [found.units[p] for p in one.positions] == list(one.units)


def test_the_pictures_page_and_words_of_an_explanation(tmp_path):
    model = cl.load_model("pocket-sentiment")
    found = cl.explain(model, "The plot is thin, but the actors are wonderful.", alpha=0.1)
    assert found.to_svg().lstrip().startswith("<svg")
    assert found.to_dot().startswith("digraph")
    assert found.describe().endswith("not whether it is right.")
    assert found.to_html().count("<html") == 1
    record = json.loads(found.to_json())
    assert record["sets"][0]["words"] == record["sets"][0]["units"]
    with pytest.raises(ValueError, match="there is a graph for the heads"):
        found.to_svg(head=77)
    with pytest.raises(AttributeError):
        found.success = False


def test_a_vision_transformer_is_one_small_class():
    path = ROOT / "docs" / "explain_a_vision_transformer.py"
    spec = importlib.util.spec_from_file_location("vision", path)
    vision = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(vision)
    torch.manual_seed(3)
    config = transformers.ViTConfig(
        image_size=32, patch_size=8, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_labels=4
    )
    network = transformers.ViTForImageClassification._from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.2)
    model = vision.VisionModel(network)
    found_any = False
    for _ in range(8):
        image = torch.randn(3, 32, 32)
        found = cl.explain(model, image, words="all", alpha=0.1)
        rerun(model, found, image)
        found_any |= found.success
        assert found.input == found.units
    assert found_any


class _Hub:
    """A hub that holds one tiny model, to see what is said and checked on a download."""

    def __init__(self, folder, sha256):
        self.folder, self.sha256 = Path(folder), sha256

    def snapshot_download(self, name, local_files_only=False, **options):
        if local_files_only:
            raise OSError("not here")
        return str(self.folder)

    def HfApi(self):
        return self

    def model_info(self, name, **options):
        class Lfs:
            sha256 = self.sha256

        class File:
            def __init__(self, path):
                self.rfilename, self.size = path.name, path.stat().st_size
                self.lfs = Lfs if path.suffix == ".safetensors" else None

        class Info:
            siblings = [File(p) for p in self.folder.iterdir()]  # noqa: RUF012
            card_data = {"license": "apache-2.0"}  # noqa: RUF012
            sha = "0" * 40

        return Info


@pytest.mark.parametrize("honest", [True, False])
def test_a_download_is_announced_and_checked(honest, tmp_path, monkeypatch, caplog):
    import hashlib

    import huggingface_hub

    tiny.make("bert", "SequenceClassification", tmp_path)
    right = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    hub = _Hub(tmp_path, right if honest else "0" * 64)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", hub.HfApi)
    if honest:
        model = cl.load_model("someone/tiny")
        assert model.name == "tiny"
        assert "licence: apache-2.0" in caplog.text
        assert "MB" in caplog.text
    else:
        with pytest.raises(ValueError, match="lacks the sha256 that the hub states"):
            cl.load_model("someone/tiny")
