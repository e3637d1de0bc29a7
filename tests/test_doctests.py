"""The examples in the docstrings of the causal core run and print what they say."""

import doctest
from importlib import import_module

import pytest

MODULES = [
    "discovery",
    "graphs",
    "independence",
    "mags",
    "orientation",
    "pds",
    "sem",
    "separation",
    "skeleton",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(import_module(f"cleann_lite.{name}"))
    assert result.failed == 0
