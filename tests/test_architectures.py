"""Every architecture and task of the table: what transformers alone computes, or one sentence at load.

The references here use transformers only: ids from the tokenizer, logits from the model's own class, and the
row that the head reads by changing one row of the last hidden state at a time.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import cleann_lite as cl  # noqa: E402
from tests.architectures import ROWS, build, tokenizer  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, about settings of its families
TEXTS = (
    "the plot is thin but the actors are wonderful",
    "it's not a good film, what a waste of a talented cast",
    "a dull lifeless mess",
)
READ = [row for row in ROWS if not row.refused]
flips, ran = {"classification": 0, "masked-word": 0, "next-word": 0}, set()


@pytest.fixture(autouse=True)
def quiet():
    transformers.utils.logging.set_verbosity_error()


def alone(row, folder):
    """The model as transformers reads it, and a function from ids to its logits."""
    kinds = {
        "classification": transformers.AutoModelForSequenceClassification,
        "masked-word": transformers.AutoModelForMaskedLM,
        "next-word": transformers.AutoModelForCausalLM,
    }
    network = kinds[row.task].from_pretrained(folder, attn_implementation="eager").eval()
    types = tokenizer(row.tokens)("the plot").get("token_type_ids")

    def logits(ids):
        given = {"input_ids": torch.tensor([list(ids)])}
        if types is not None:  # XLNet: types of the pieces around a text, which end in [SEP] [CLS]
            given["token_type_ids"] = torch.tensor([[0] * (len(ids) - 1) + [2]])
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        with torch.no_grad():
            return network(**given).logits[0].double()

    return network, logits


def rows_that_matter(network, logits, ids, place):
    """Rows of the last hidden state whose change moves the logits, one at a time."""
    with torch.no_grad():
        extra = (
            {"token_type_ids": torch.tensor([[0] * (len(ids) - 1) + [2]])}
            if network.config.model_type == "xlnet"
            else {}
        )
        last = network(
            input_ids=torch.tensor([list(ids)]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            output_hidden_states=True, **extra,
        ).hidden_states[-1].reshape(len(ids), -1)  # fmt: skip
    whole = logits(ids) if place is None else logits(ids)[place]
    moved = []
    for row in range(len(ids)):
        changed = []

        def change(module, inputs, output, row=row, changed=changed):
            first = output[0] if isinstance(output, tuple) and output else output
            if not isinstance(first, torch.Tensor) or first.numel() != last.numel() or changed:
                return None
            other = first.clone()
            turned = first.shape[-1] == len(ids) and first.shape[-2] == last.shape[1]  # SqueezeBERT
            by_row = other[0].T if turned else other.reshape(len(ids), -1)
            if not torch.equal(by_row, last):
                return None
            changed.append(module)
            by_row[row] += torch.linspace(-3, 5, last.shape[1])
            return (other, *output[1:]) if isinstance(output, tuple) else other

        hook = torch.nn.modules.module.register_module_forward_hook(change)
        try:
            now = logits(ids) if place is None else logits(ids)[place]
        finally:
            hook.remove()
        assert changed, "no module gives the last hidden state"
        if not torch.allclose(now, whole, atol=1e-6):
            moved.append(row)
    return moved


def probabilities(row, logits, slot):
    if row.task != "classification":
        return logits[slot].softmax(-1).numpy()
    several = row.settings.get("problem_type") == "multi_label_classification" or len(logits) == 1
    return (logits.sigmoid() if several else logits.softmax(-1)).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_is_read_as_transformers_reads_it_or_refused_in_words(row, tmp_path):
    folder = build(row, tmp_path / "model")
    if row.refused:
        with pytest.raises(ValueError) as caught:
            cl.load_model(folder, task=row.task)
        assert row.refused in str(caught.value) and "\n" not in str(caught.value)
        return
    ran.add(row.name)
    model = cl.load_model(folder, task=row.task)
    network, logits = alone(row, folder)
    tokens = tokenizer(row.tokens)
    for text in TEXTS:
        units = model.encode(text, target=2 if row.task == "masked-word" else None)
        ids = tokens(text)["input_ids"]
        slot = None
        if row.task == "next-word":
            while tokens.convert_ids_to_tokens(ids[-1]) in ("[SEP]", "[CLS]", "</s>"):
                ids = ids[:-1]
            slot = len(ids) - 1
        assert units.data.ids.tolist() == ids
        if row.task == "masked-word":
            slot = units.tokens[2][0]
            ids = [model.mask_id if i in units.tokens[2] else t for i, t in enumerate(ids)]
        expected = probabilities(row, logits(ids), slot)
        if row.task == "classification":
            got = model.predict_proba([text])[0]
            if units.nothing is None:
                assert units.target % len(expected) == expected.argmax()
            else:
                assert row.label == "labels on or off" and (expected < 0.5).all()
                assert units.outcome == "no label"
        else:
            got = model.predict(units, [()])[0]
            assert units.target == expected.argmax()
        np.testing.assert_allclose(got, expected, atol=1e-5)
        check_outcome(row, model, units, network, logits, ids, slot)
        if units.nothing is None:
            check_sets(row, model, text, ids, logits, slot)


def check_outcome(row, model, units, network, logits, ids, slot):
    """The outcome stands for the rows that the head reads, and rows of attention sum to 1."""
    attention = model.attention(units)
    np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-5)
    moved = rows_that_matter(network, logits, ids, slot)
    n = len(ids)
    if row.task == "masked-word":
        assert moved == [slot] and units.outcome_tokens == units.tokens[2]
    elif row.task == "next-word":
        assert moved == [slot] and units.outcome_tokens == (n,)
        assert np.triu(attention, 1).max() == 0
    elif units.outcome_tokens != (n,):
        assert (moved,) == (list(units.outcome_tokens),)
        assert not any(set(moved) & set(p) for p in units.tokens)
    else:  # the mean of all rows, or the row of a word
        assert len(moved) == n or any(set(moved) & set(p) for p in units.tokens)
        whole = model._forward({"input_ids": units.data.ids} | units.data.extras, output_attentions=True)
        read = whole.attentions[-1][0, :, moved].mean(1).numpy()
        both = attention[:, n, :n] + (attention[:, n, n:] if len(moved) == 1 else 0) * np.eye(n)[moved[0]]
        np.testing.assert_allclose(both, read, atol=1e-5)
    assert len({p for own in units.tokens for p in own}) == sum(map(len, units.tokens))


def check_sets(row, model, text, ids, logits, slot):
    """Each reported set flips the prediction when transformers alone reads its ids."""
    target = 2 if row.task == "masked-word" else None
    found = cl.explain(model, text, target=target, alpha=0.3, words="all", max_calls=150, certify=40)
    units = model.encode(text, target=target)
    tokens = tokenizer(row.tokens)
    before = probabilities(row, logits(ids), slot)
    for one in found.sets:
        flips[row.task] += 1
        wanted = [
            model.mask_id if any(i in units.tokens[u] for u in one.positions) else t
            for i, t in enumerate(ids)
        ]
        seen = model.masked_ids(units, one.positions)
        if seen is None:
            seen = tokens(one.masked)["input_ids"][: len(ids)]
        assert list(seen) == wanted == model._masked_ids(units, [one.positions])[0].tolist()
        after = probabilities(row, logits(seen), slot)
        if row.label in ("labels on or off", "one output"):
            index = units.target % len(after)
            assert (after[index] >= 0.5) != (before[index] >= 0.5)
        else:
            assert after.argmax() != before.argmax()
            assert model.label(after.argmax()) == one.replacement
            assert after.max() == pytest.approx(one.probability, abs=1e-5)


def test_the_table_is_large_and_sets_were_found_in_it():
    assert len(READ) >= 45 and len({row.family for row in READ}) >= 30
    if len(ran) == len(READ):  # in this process
        assert min(flips.values()) >= 20


@pytest.mark.slow
def test_the_page_of_models_is_what_its_tool_writes():
    from tools.build_models_page import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page(), "run python tools/build_models_page.py"
