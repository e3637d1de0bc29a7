"""The examples of the guide to variants run as they are printed."""

import re
from pathlib import Path

import numpy as np

import cleann_lite as cl
from cleann_lite.models.protocol import HasGradients, Model, ReadsIds

GUIDE = (Path(__file__).parent.parent / "docs" / "prototype_a_variant.md").read_text(encoding="utf-8")


def examples():
    names = {}
    for code in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(code, names)
    return names


def test_a_model_of_five_short_methods_is_explained():
    kind = examples()["Votes"]
    methods = [name for name, value in vars(kind).items() if callable(value)]
    assert methods == ["encode", "attention", "predict", "label", "masked_input"]
    model = kind()
    assert isinstance(model, Model)
    assert not isinstance(model, ReadsIds) and not isinstance(model, HasGradients)
    found = cl.explain(model, "a dull boring film with good actors")
    assert found.prediction == "bad" and found.success and found.certified
    for one in found.sets:
        assert model.predict(model.encode(found.input), [one.positions])[0].argmax() == 1
        assert one.masked == model.masked_input(model.encode(found.input), one.positions)
        assert one.masked_ids is None
    assert found.to_html() and cl.Explanation.from_json(found.to_json()) == found


def test_the_test_of_the_guide_learns_a_chain():
    test = examples()["BIC"](np.array([[1, 0.6, 0.36], [0.6, 1, 0.6], [0.36, 0.6, 1]]), 1000)
    pag = cl.learn_pag(test)
    assert pag.separating_set(0, 2) == (1,)
