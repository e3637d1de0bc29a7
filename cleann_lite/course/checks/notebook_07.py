"""Checks of notebook 07, explain a recommendation."""

import numpy as np

from . import WrongAnswer, call, expect, numbers

SCORES = np.array([0.05, 0.30, 0.10, 0.25, 0.02, 0.08, 0.20])
SEEN = {1, 5}
UNSEEN = [film for film in range(len(SCORES)) if film not in SEEN]


def _in_order(came):
    if isinstance(came, set | frozenset):
        raise TypeError
    return numbers(came)


def top_unseen(answer):
    down = np.argsort(-SCORES).tolist()
    unseen = [film for film in down if film not in SEEN]
    causes = [
        ("seen films are still in the list.", tuple(down[:3])),
        ("too few remain: leave out the seen ones first, and then cut to k.",
         tuple(film for film in down[:3] if film not in SEEN)),
        ("the worst come first: argsort goes up; sort the negative scores.", tuple(unseen[::-1][:3])),
        ("these are the scores; return the numbers of the films.", tuple(SCORES[unseen[:3]])),
        ("these are the seen films.", tuple(film for film in down if film in SEEN)),
        ("all unseen films came; cut to k.", tuple(unseen)),
        ("the films are right; the best comes first.", tuple(unseen[:3][::-1])),
        ("the films are right, but a set has no order: return a list, the best first.", set(unseen[:3])),
        ("these are films with their scores; return the films' numbers.",
         tuple(x for film in unseen[:3] for x in (film, SCORES[film]))),
        ("these are places among the unseen films only; return the films' own numbers.",
         tuple(np.argsort(-SCORES[UNSEEN])[:3])),
    ]  # fmt: skip
    got = call(answer, SCORES.copy(), set(SEEN), 3, to=_in_order)
    expect("The three best unseen films", got, tuple(unseen[:3]), causes)
    return "Seen films never come back."


def rank_of(answer):
    films = (0, 2, 3)
    above = np.array([(SCORES[UNSEEN] > SCORES[film]).sum() for film in films])
    of_all = np.array([(SCORES[film] < SCORES).sum() for film in films])
    got = tuple(call(answer, SCORES.copy(), set(SEEN), film) for film in films)
    if not all(isinstance(rank, int | float | np.number) for rank in got):
        expect(f"The rank of film {films[0]}", got[0], int(above[0] + 1))
    causes = [
        ("ranks begin at 1.", tuple(above)),
        ("seen films count as well here; leave them out.", tuple(of_all + 1)),
        ("only seen films were counted; count the unseen ones.", tuple(of_all - above + 1)),
        ("you counted from the worst film up.", tuple(len(UNSEEN) - above)),
        ("argsort lists films by rank; the entry at place `film` is another film.",
         tuple(np.argsort(-SCORES)[list(films)] + 1)),
        ("this is the score of the film; count the unseen films that have more.", tuple(SCORES[list(films)])),
        ("one too many: the best has rank 1; only higher scores count (>, not >=).", tuple(above + 2)),
    ]  # fmt: skip
    expect(f"The ranks of the films {films}", got, tuple((above + 1).tolist()), causes)
    return "Rank 1 is the recommendation itself."


def attention_baseline(answer):
    attention = np.array([0.1, 0.4, 0.05, 0.3, 0.15])
    asked = []

    def works(s):
        asked.append(tuple(sorted(int(x) for x in s)))
        return {1, 3, 4} <= set(s) or set(s) == {0}

    causes = [
        ("the films are right; return them in ascending order.", (1, 3, 4)[::-1]),
        ("the films are right; return them as a tuple, in ascending order.", {1, 3, 4}),
        ("these are all films: begin with the most attended, then add one at a time.", (0, 1, 2, 3, 4)),
        ("the films were masked one at a time, not added to those before.", (0,)),
        ("this is how many films; return which.", (3,)),
        ("nothing was returned: let sizes run over 1 … n, return the tuple as soon as it works.", None),
        ("this is the whole order; stop at the first prefix that works.", (1, 3, 4, 0, 2)),
        ("this is one film too many: test the prefix before you add the next.", (0, 1, 3, 4)),
    ]
    got = call(answer, attention.copy(), works, to=_in_order, none=True)
    expect("The first prefix that works", got, (1, 3, 4), causes)
    if (1,) not in asked:
        raise WrongAnswer(
            f"The most attended film alone was not tried; the first that was tried is {asked[0]}.\n"
            "Likely cause: begin with a prefix of size 1."
        )
    expect(
        "The prefix where only all films together work",
        call(answer, attention.copy(), lambda s: len(s) == 5, to=_in_order, none=True),
        (0, 1, 2, 3, 4),
        [("the last prefix, all films, was not tried: go up to len(attention), included.", None)],
    )
    nothing = call(answer, attention.copy(), lambda s: False, none=True)
    if nothing is not None:
        raise WrongAnswer(
            f"Where nothing works, None was expected, and {nothing!r} came.\n"
            "Likely cause: the last prefix is returned although it does not work."
        )
    return "A ranking proposes one set of each size; a graph proposes several."


CHECKS = {"7.1": top_unseen, "7.2": rank_of, "7.3": attention_baseline}
