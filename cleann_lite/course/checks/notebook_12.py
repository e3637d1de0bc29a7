"""Check of notebook 12, build an identifiable layer."""

from . import call, expect
from .notebook_08 import plain

_LAYERS = (
    (100, 4, 16, "concat"),
    (100, 4, 64, "add"),
    (20, 4, 64, "add"),
    (10, 2, 16, "concat"),
    (12, 3, 40, "add"),
)


def apart(n, h, d):
    return h * max(0, n - d - 1)


def free_in_layer(n, heads, size, combine):
    """Free directions of the rows of all heads together, given the output of the layer."""
    return apart(n, heads, size) if combine == "concat" else max(0, heads * (n - 1) - size)


def layer_free(answer):
    def count(concat, add):
        return tuple((concat if how == "concat" else add)(n, h, d) for n, h, d, how in _LAYERS)

    causes = [
        ("added heads are seen only as a sum: head 1 may shift by what head 2 takes back. There are heads·n"
         " weights, and d + heads equations.",
         count(apart, apart)),
        ("each head has rows that sum to 1: subtract one per head, not one in all.",
         count(apart, lambda n, h, d: max(0, h * n - d - 1))),
        ("the row sums are missing: each head's row sums to 1.",
         count(lambda n, h, d: h * max(0, n - d), lambda n, h, d: max(0, h * n - d))),
        ("a number of directions is never below 0.",
         count(lambda n, h, d: h * (n - d - 1), lambda n, h, d: h * (n - 1) - d)),
        ("a number of directions is never below 0.", count(apart, lambda n, h, d: h * (n - 1) - d)),
        ('"concat" and "add" have changed places.', count(lambda n, h, d: max(0, h * (n - 1) - d), apart)),
        ("concatenated heads stay apart: add up their own counts.",
         count(lambda n, h, d: max(0, n - d - 1), lambda n, h, d: max(0, h * (n - 1) - d))),
    ]  # fmt: skip
    got = tuple(plain(call(answer, *layer)) for layer in _LAYERS)
    right = count(apart, lambda n, h, d: max(0, h * (n - 1) - d))
    expect("The free directions of five layers", got, right, causes)
    return (
        "4 heads of 16 side by side and 4 heads of 64 added leave the same 332 directions free in 100 tokens."
    )


CHECKS = {"12.1": layer_free}
