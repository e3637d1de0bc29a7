"""Checks of notebook 05, learn a graph from real attention."""

import numpy as np

from ...attention.sem import attention_correlation
from ...causal.discovery import learn_pag
from ...causal.graphs import PAG
from ...causal.independence import PartialCorrelation
from . import call, expect, numbers
from .notebook_01 import example_attention


def merged(A, groups, columns=np.sum, rows=np.mean):
    narrow = np.column_stack([columns(A[:, group], axis=1) for group in groups])
    return np.vstack([rows(narrow[group], axis=0) for group in groups])


def merge_words(answer):
    A, groups = example_attention(7), [[0], [1, 2, 4], [3], [5, 6]]
    right = merged(A, groups)
    first, last = ([group[end] for group in groups] for end in (0, -1))
    runs = [list(range(group[0], group[-1] + 1)) for group in groups]
    causes = [
        ("the columns were averaged; attention to a word adds up over its pieces.",
         merged(A, groups, np.mean)),
        ("the rows were added; the row of a word is the average of its pieces' rows.",
         merged(A, groups, np.sum, np.sum)),
        ("sum and mean have changed places: add columns, average rows.", merged(A, groups, np.mean, np.sum)),
        ("only the first piece of each word was kept.", A[np.ix_(first, first)]),
        ("only the last piece of each word was kept.", A[np.ix_(last, last)]),
        ("columns and rows were averaged; attention to a word adds up.", merged(A, groups, np.mean, np.mean)),
        ("the largest weight was taken; add columns, average rows.", merged(A, groups, np.max, np.max)),
        ("a group need not be a run of neighbours: take A[:, group], not a slice.", merged(A, runs)),
        ("only the first piece of each word looks; average over all pieces.",
         merged(A, groups, np.sum, lambda rows, axis: rows[0])),
        ("the columns were not merged: the result must be as wide as it is high.",
         np.vstack([A[group].mean(axis=0) for group in groups])),
        ("the rows were not merged: the result must be as high as it is wide.",
         np.column_stack([A[:, group].sum(axis=1) for group in groups])),
    ]  # fmt: skip
    expect("The attention among four words", call(answer, A.copy(), groups), right, causes)
    return "Every row still sums to 1."


def edge_counts(answer):
    rho, n, alphas = attention_correlation(example_attention(7)), 60, [0.3, 0.01, 1e-4, 1e-8]

    def count(alpha, n=n, one_sided=False):
        return int((learn_pag(PartialCorrelation(rho, n, alpha, one_sided)).marks != 0).sum()) // 2

    right = [count(alpha) for alpha in alphas]
    causes = [
        ("every edge was counted twice, as [i, j] and as [j, i].", tuple(2 * c for c in right)),
        ("α did not reach the test: pass alpha=… to PartialCorrelation.", (count(0.01),) * len(alphas)),
        ("n did not reach the test.", tuple(count(alpha, 384) for alpha in alphas)),
        ("the test is one-sided.", tuple(count(alpha, one_sided=True) for alpha in alphas)),
        ("one number for each α was expected.", (right[0],)),
        ("these are the pairs without an edge.", tuple(21 - c for c in right)),
        ("the α are taken from last to first.", tuple(right[::-1])),
        ("you added up the marks, which are names, not amounts; count those that are not 0.",
         tuple(int(learn_pag(PartialCorrelation(rho, n, alpha)).marks.sum()) for alpha in alphas)),
    ]  # fmt: skip
    got = call(answer, rho.copy(), n, list(alphas), to=numbers)
    expect(f"The edges at α = {', '.join(f'{alpha:g}' for alpha in alphas)}", got, tuple(right), causes)
    return "The same matrix, four graphs."


def find_sink(answer):
    A = example_attention(6)[:, [3, 1, 0, 5, 4, 2]]
    A = np.vstack([A[:-1], np.eye(6)[5]])  # the last token looks at itself only
    share = A.mean(axis=0)
    rows = A.max(axis=1)
    causes = [
        ("position and share have changed places.", (float(share.max()), float(share.argmax()))),
        ("this is the largest single weight; take the mean over the tokens that look.",
         (float(np.unravel_index(A.argmax(), A.shape)[1]), float(A.max()))),
        ("every row has the mean 1/6, and so has A: average over the rows (axis=0).", (0.0, 1 / 6)),
        ("every row has the mean 1/6, and so has A: average over the rows (axis=0).",
         (float(A.mean(axis=1).argmax()), float(A.mean(axis=1).max()))),
        ("this is the sum over tokens; the share is the mean.",
         (float(share.argmax()), float(A.sum(0).max()))),
        ("this is the token that looks hardest, not the one looked at.",
         (float(rows.argmax()), float(rows.max()))),
        ("this is the place of the largest single weight; take the mean over the tokens that look.",
         (float(A.argmax()), float(A.max()))),
        ("this is the least attended position.", (float(share.argmin()), float(share.min()))),
        ("positions begin at 0.", (float(share.argmax()) + 1, float(share.max()))),
        ("these are the shares of all positions; return the largest and where it is.", tuple(share)),
        ("this is the share only; return the position too.", (float(share.max()),)),
        ("this is the position only; return the share too.", (float(share.argmax()),)),
    ]  # fmt: skip
    got = call(answer, A.copy(), to=numbers)
    expect("Position and share of the sink", got, (float(share.argmax()), float(share.max())), causes)
    return "The position comes first, the share second."


def edge_share(answer):
    pags = []
    for edges in ([(0, 1), (2, 1)], [(1, 0), (2, 3)], [(0, 1)], [(1, 2), (1, 0)]):
        marks = np.zeros((4, 4), dtype=int)
        for i, j in edges:
            marks[i, j], marks[j, i] = 2, 3
        pags.append(PAG(marks))
    joined = np.array([pag.marks != 0 for pag in pags])
    causes = [
        ("these are counts; divide by the number of graphs.", joined.sum(axis=0)),
        ("divide by the number of graphs that came, len(pags), not by 12.", joined.sum(axis=0) / 12),
        ("this is one number for all pairs; take the mean over the graphs only (axis=0).", joined.mean()),
        ("these are per cent; a share lies between 0 and 1.", 100 * joined.mean(axis=0)),
        ("you averaged the marks, which are names, not amounts; compare with 0 first.",
         np.mean([pag.marks for pag in pags], axis=0)),
        ("these are the edges of all graphs; a share lies between 0 and 1.", joined.any(axis=0)),
        ("these are the edges that all graphs share.", joined.all(axis=0)),
        ("do not halve the matrix: [i, j] and [j, i] both count.", np.triu(joined.mean(axis=0))),
        ("these are the shares of one kind of mark; any mark is an edge.",
         np.mean([pag.marks == 2 for pag in pags], axis=0)),
    ]  # fmt: skip
    expect("The share of heads", call(answer, pags), joined.mean(axis=0), causes)
    return "Symmetric, between 0 and 1, with an empty diagonal."


CHECKS = {"5.1": merge_words, "5.2": edge_counts, "5.3": find_sink, "5.4": edge_share}
