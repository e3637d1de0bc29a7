"""What a user's own model, reading, test or learner hands over is checked where it enters: one sentence."""

import dataclasses

import numpy as np
import pytest

import cleann_lite as cl
from tests.linear_model import LinearModel

GIVEN = {
    "units": ("a", "b"), "tokens": ((1,), (2, 3)), "outcome_tokens": (0,), "outcome": "yes", "target": 1,
    "data": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "field, value, said",
    [
        ("units", ("a", 2), "units must be text: got int 2"),
        ("units", "ab", "units must be a list or tuple: got 'ab'"),
        ("tokens", ((1,),), "tokens must be given for each of 2 units: got 1"),
        ("tokens", (1, 2), "tokens of a unit must be a list or tuple: got 1"),
        ("tokens", ((1,), ()), "tokens of a unit must name at least 1"),
        ("tokens", ((1,), (-2,)), "tokens of a unit must be whole numbers from 0 on: got -2"),
        ("outcome_tokens", (), "outcome_tokens must name at least 1"),
        ("outcome_tokens", 0, "outcome_tokens must be a list or tuple: got 0"),
        ("outcome", 3, "outcome must be text: got int 3"),
        ("target", "yes", "target must be whole numbers from 0 on: got 'yes'"),
        ("target", 1.0, "target must be whole numbers"),
        ("eligible", (0, 2), "eligible must be whole numbers from 0 on below 2: got 2"),
        ("eligible", (True, False), "eligible must be whole numbers"),
        ("unknown", (7,), "unknown must be whole numbers"),
        ("notes", "a note", "notes must be a list or tuple"),
        ("groups", (0,), "groups must be given for each of 2 units"),
        ("binary", (0, 1), "binary must be"),
        ("binary", (0, 1, float("nan")), "binary must be"),
        ("nothing", 3, "nothing must be text"),
    ],
)
def test_a_field_of_an_input_that_is_not_what_it_says_is_refused(field, value, said):
    with pytest.raises(ValueError, match=said):
        cl.Encoded(**GIVEN | {field: value})


def test_an_input_may_come_in_lists_and_numpy_numbers():
    rows = np.array([[1], [2]])
    given = {"units": ["a", "b"], "tokens": rows, "outcome_tokens": np.zeros(1, int), "target": np.int64(1)}
    more = {"eligible": np.arange(2), "groups": np.zeros(2, int), "notes": ["told"]}
    got = cl.Encoded(**GIVEN | given | more)
    assert got == dataclasses.replace(
        got, tokens=((1,), (2,)), eligible=(0, 1), groups=(0, 0), notes=("told",)
    )
    assert got.tokens == ((1,), (2,)) and type(got.target) is int and got.eligible == (0, 1)


class Voting(LinearModel):
    """The linear model, with one answer changed."""

    def __init__(self, **changed):
        super().__init__({"bad": -2.0, "good": 1.0}, bias=1.5)
        for name, function in changed.items():
            own = getattr(self, name)
            setattr(self, name, lambda *given, own=own, f=function: f(own(*given)))


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"predict": lambda p: p[:, :1]}, "predicts 1 outputs, and the input asks for number 1"),
        ({"predict": lambda p: p[:, :0]}, "predicts 0 outputs"),
        ({"predict": lambda p: p + 0j}, "must predict a numpy array: got ndarray of complex128"),
        ({"predict": lambda p: p.astype(str)}, "a numpy array: got ndarray of <U"),
        ({"predict": lambda p: np.ma.masked_array(p, p > 0.7)}, "a numpy array: got MaskedArray"),
        ({"predict": lambda p: np.hstack([p] * len(p))}, "must predict 2 outputs again: got"),
        ({"attention": lambda a: a + 1j}, "attention must be a numpy array of numbers: got ndarray"),
        ({"attention": lambda a: a[:0]}, r"attention must be \(heads, tokens, tokens\): got shape \(0"),
        ({"attention": lambda a: [a[0], a[1][1:]]}, "attention must be a numpy array of numbers: got list"),
        ({"label": lambda name: 3}, "label of linear must give text: got int 3"),
        (
            {"masked_input": lambda text: None},
            "masked_input of linear must give a text or a list of texts: got None",
        ),
        ({"masked_input": lambda text: [1, 2]}, "masked_input of linear must give"),
        ({"encode": lambda encoded: None}, "encode of linear must give an Encoded: got NoneType"),
    ],
)
def test_what_a_model_answers_is_checked(changed, said):
    with pytest.raises(ValueError, match=said):
        cl.explain(Voting(**changed), "bad good film plot")


@pytest.mark.parametrize("thing", [None, {}, LinearModel, "pocket-sentiment", object()])
def test_what_is_no_model_is_told_what_a_model_is(thing):
    for ask in (cl.explain, cl.explain_by):
        with pytest.raises(ValueError, match=r"a model (must have name, task|is needed, not its name)"):
            ask(thing, "a film")


def test_probabilities_beyond_one_by_rounding_are_still_probabilities():
    found = cl.explain(Voting(predict=lambda p: np.round(p) * (1 + 5e-7)), "bad good film")
    assert found.probability == 1
    assert cl.Explanation.from_json(found.to_json()) == found


def test_no_advice_on_a_level_that_your_own_test_does_not_have():
    class Apart:
        n_variables = 5

        def independent(self, x, y, given=()):
            return True

    for settings in ({"test": lambda attention: Apart()}, {}):
        found = cl.explain(
            Voting(attention=lambda a: np.stack([np.eye(a.shape[1])])),
            "bad good film plot",
            search="cleann",
            **settings,
        )
        assert ("alpha" in found.failures[0]) == (not settings)


def test_a_page_is_alive_for_the_input_as_it_was_given():
    class Numbers(LinearModel):
        def encode(self, input, target=None, split_into="words"):
            if not all(isinstance(item, int) for item in input):
                raise ValueError("numbers are needed")
            return super().encode(" ".join(map(str, input)), target)

    assert "<script" in cl.explain(Numbers({"3": -2.0}, bias=1.0), [1, 2, 3]).to_html(live=True)
    with pytest.raises(ValueError, match="made of a text or a list: got set"):
        cl.explain(Numbers({"3": -2.0}, bias=1.0), {1, 2, 3}).to_html(live=True)
    with pytest.raises(ValueError, match="or is a baseline's"):
        cl.explain_by(Voting(), "bad film").to_html(live=True)
