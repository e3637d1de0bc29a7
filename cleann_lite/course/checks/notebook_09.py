"""Checks of notebook 09, measure explanations."""

import numpy as np

from . import call, expect, numbers

SIZES = np.array([1.0, 4.0, np.nan, 1.0, np.nan, 1.0])
OTHERS = np.array([5.0, 1.0, 4.0, np.nan, np.nan, 5.0])


def counted_mean(answer):
    cost = 6
    filled = np.where(np.isnan(SIZES), cost, SIZES)
    causes = [
        ("failures were left out; each of them counts as `cost` units.", float(np.nanmean(SIZES))),
        ("a failure counted as 0; it counts as `cost`.", float(np.nansum(SIZES) / 6)),
        ("the sum was divided by the number of successes; divide by the number of inputs.",
         float(filled.sum() / 4)),
        ("a NaN is left in the mean: replace it first (np.isnan finds it; == does not).", float("nan")),
        ("these are the sizes with their failures counted; take their mean.", filled),
        ("this is the median; take the mean.", float(np.median(filled))),
        ("the cost of a failure is given: `cost`, not the largest size that was found plus one.",
         float(np.where(np.isnan(SIZES), np.nanmax(SIZES) + 1, SIZES).mean())),
        ("this is the sum; divide by the number of inputs.", float(filled.sum())),
    ]  # fmt: skip
    got = call(answer, SIZES.copy(), cost)
    expect("The mean size with failures counted", got, float(filled.mean()), causes)
    return "A method that fails often can no longer look good by failing on the hard inputs."


def paired_difference(answer):
    both = ~np.isnan(SIZES) & ~np.isnan(OTHERS)
    right = float((SIZES - OTHERS)[both].mean())
    causes = [
        ("the order: first minus second.", -right),
        ("these are the differences; take their mean.", (SIZES - OTHERS)[both]),
        ("this is the sum of the differences; take their mean.", float((SIZES - OTHERS)[both].sum())),
        ("this is the median; take the mean.", float(np.median((SIZES - OTHERS)[both]))),
        ("take the inputs that both explained, not those that one of them did.", _either()),
        ("each mean is over the method's own successes; take the inputs that both explained.",
         float(np.nanmean(SIZES) - np.nanmean(OTHERS))),
        ("failures came in as 0; take the inputs that both explained.",
         float((np.nan_to_num(SIZES) - np.nan_to_num(OTHERS)).mean())),
        ("the sum over common inputs was divided by the number of all inputs.",
         float((SIZES - OTHERS)[both].sum() / len(SIZES))),
        ("a NaN is left in the mean: keep only inputs that both explained.", float("nan")),
        ("the sign was lost: do not take absolute values.", float(np.abs(SIZES - OTHERS)[both].mean())),
    ]  # fmt: skip
    got = call(answer, SIZES.copy(), OTHERS.copy())
    expect("The mean difference on common successes", got, right, causes)
    return "Both methods are judged on the same inputs, hard or easy."


def _either():
    either = ~np.isnan(SIZES) | ~np.isnan(OTHERS)
    return float((np.nan_to_num(SIZES) - np.nan_to_num(OTHERS))[either].mean())


def bootstrap(answer):
    values = np.array([-2.0, 0.0, -1.0, 1.0, 0.0, -1.0, -3.0, 0.0])
    # no draw took the last two inputs, so an answer that draws anew ends elsewhere
    drawn = np.random.default_rng(9).integers(0, len(values) - 2, (2000, len(values)))
    means = values[drawn].mean(axis=1)
    own = np.random.default_rng(0).choice(values, drawn.shape).mean(axis=1)
    ends = lambda x, low=0.025: tuple(np.quantile(x, [low, 1 - low]).tolist())  # noqa: E731
    spread = values.std() / np.sqrt(len(values))
    causes = [
        ("these are the ends of the values themselves; take them of the 2,000 means.", ends(values)),
        ("these are ends of all values that were drawn; average each draw first.", ends(values[drawn])),
        ("the mean goes over the inputs of each draw (axis=1), not over the draws.",
         ends(values[drawn].mean(axis=0))),
        ("the draws in `drawn` were asked for, not others.", ends(own)),
        ("these ends leave 5 % out on each side; for 95 % leave out 2.5 %.", ends(means, 0.05)),
        ("the upper end came first.", ends(means)[::-1]),
        ("this is the width of the interval; return its two ends.", (ends(means)[1] - ends(means)[0],)),
        ("np.percentile counts in per cent: 2.5 and 97.5.",
         tuple(np.percentile(means, [0.025, 0.975]).tolist())),
        ("these are medians of the draws; take their means.", ends(np.median(values[drawn], axis=1))),
        ("the middle 95 % of the means were asked for, not mean ± 1.96 deviations.",
         (means.mean() - 1.96 * means.std(), means.mean() + 1.96 * means.std())),
        ("these ends are for 99 %; for 95 % leave out 2.5 % on each side.", ends(means, 0.005)),
        ("this is the interval of the normal distribution; use the draws.",
         (values.mean() - 1.96 * spread, values.mean() + 1.96 * spread)),
    ]  # fmt: skip
    got = call(answer, values.copy(), drawn.copy(), to=numbers)
    expect("The ends of the interval", got, ends(means), causes)
    return "It says how far the mean would move with other inputs of the same kind."


def faithfulness(answer):
    table = {(): 0.9, (0, 2): 0.3, (1, 3): 0.7, (0, 1, 2, 3): 0.5}

    def probability(masked):
        return table[tuple(sorted(int(u) for u in masked))]

    whole, without, alone = table[()], table[0, 2], table[1, 3]
    causes = [
        ("the two have changed places: comprehensiveness masks the set itself.",
         (whole - alone, whole - without)),
        ("the sign: the drop is p(whole) − p(masked).", (without - whole, alone - whole)),
        ("these are probabilities; subtract each from that of the whole input.", (without, alone)),
        ("this is the comprehensiveness only; return the sufficiency too.", (whole - without,)),
        ("sufficiency is a drop as well: p(whole) − p(only the set).", (whole - without, alone)),
        ("these are ratios; both scores are differences.", (without / whole, alone / whole)),
        ("the set was masked both times; for sufficiency mask all the others.",
         (whole - without, whole - without)),
        ("sufficiency masked everything; the set stays.", (whole - without, whole - table[0, 1, 2, 3])),
    ]  # fmt: skip
    got = call(answer, probability, 4, [0, 2], to=numbers)
    expect("(comprehensiveness, sufficiency)", got, (whole - without, whole - alone), causes)
    return "High comprehensiveness and low sufficiency: the set is needed, and it is enough."


CHECKS = {"9.1": counted_mean, "9.2": paired_difference, "9.3": bootstrap, "9.4": faithfulness}
