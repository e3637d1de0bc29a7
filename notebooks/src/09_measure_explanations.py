# %% [markdown]
# # Measure explanations
#
# One good example proves nothing. Is an explanation by causal graph *smaller* than one by attention? Does it fail more often? At what cost? This
# notebook measures: many inputs, several methods under the same rules, every failure counted, and intervals around every figure.
#
# | | |
# |---|---|
# | **You will do** | run a small experiment, count failures, compare in pairs, draw a bootstrap interval, score a set by comprehensiveness and sufficiency, read a recorded run on many inputs, add your own method |
# | **You will learn** | what a fair comparison needs, and what the figures say of our two models |
# | **You need** | notebooks 06 and 07 |
# | **Time** | 60 minutes to work through; the cells run for about thirty seconds on two CPU cores and stay below 1 GB |

# %% tags=["setup"]
import numpy as np
from IPython.display import Markdown, display

import cleann_lite as cl
from cleann_lite.course import (
    averaged_faithfulness,
    benchmark,
    check,
    intervals,
    plot_style,
    verdicts_markdown,
)

plot_style()
rng = np.random.default_rng(9)

# %% tags=["question", "recall"]
check("7.b", "c")

# %% [markdown]
# ## The rules of a fair comparison
#
# 1. **Same inputs, same units, same heads, same caps.** All methods may mask the same words, read the same heads, and run the model at most as often.
# 2. **The model decides.** A set counts only if masking it changes the prediction, and every reported set is run again.
# 3. **Failures count.** A method that answers on easy inputs only will look brilliant on average.
# 4. **Pairs.** Two methods are compared on inputs that *both* explained, and separately over all inputs.
# 5. **Intervals.** Another draw of inputs would give another mean. How different?
#
# Here is a run made on the spot, on ten short texts. Each row of the table is one method on one text.

# %%
texts = [
    "A dull film with a boring plot.", "Every joke lands and the cast is a delight.",
    "The story drags, yet the ending moved me.", "I loved the music and hated the script.",
    "Clumsy, loud and far too long.", "A warm and clever little comedy.",
    "Not bad at all, and often very funny.", "The actors try hard, but the writing is awful.",
    "A beautiful, sad and honest portrait.", "It wastes a great idea on cheap tricks.",
]  # fmt: skip
equal = ("random-at-equal-sizes", "permuted-at-equal-sizes", "attention-at-equal-sizes")
methods = ("cleann", *equal, "attention", "leave-one-out", "exhaustive")
run = cl.evaluate("sentiment", len(texts), data=texts, methods=methods)
run.frame()[["input", "method", "success", "size", "rank", "calls", "minimal"]].head(14)

# %% [markdown]
# The columns: *success* (1 or 0), *size* (words in the set), *rank* of the replacement (with two classes always 2), *calls* of the model, and *minimal*: 1 if no smaller set works, 0 if one does, `<NA>` where there is no set or no proof. The methods:
#
# | name | what it does |
# |---|---|
# | `cleann` | the search by graph of notebook 06, over all heads |
# | `attention` | sorts words by the outcome's attention, and masks one, two, three … until the prediction changes |
# | `random-at-equal-sizes` | tries, at each size, as many sets as the graphs of `cleann` allow, drawn at random: the control, mean of 20 draws |
# | `permuted-at-equal-sizes` | the same graphs after their words changed places: as many sets, connected in the same way |
# | `attention-at-equal-sizes` | as many sets of each size, those with the largest summed attention |
# | `leave-one-out` | sorts words by what masking each alone costs, then goes on like `attention` |
# | `exhaustive` | every set of the words in the graph, by size: the minimum, where the cap allows it |

# %%
for row in run.summary():
    print(f"{row['method']:>26}: explained {row['success']}, words {row['size']}, calls {row['calls']}")

# %% [markdown]
# Each figure is an estimate with its 95 % interval. Ten inputs: see how wide they are.
#
# ## Failures
#
# Sizes of two methods on six inputs; NaN is a failure. Which method is better?
#
# | input | 1 | 2 | 3 | 4 | 5 | 6 |
# |---|---|---|---|---|---|---|
# | bold | 1 | 1 | – | – | – | – |
# | careful | 1 | 1 | 3 | 3 | 4 | 4 |
#
# By its mean size, the bold one. It found *less*, though. So a failure gets a stated cost: here, the largest size that was tried, plus one.
#
# ### Exercise 9.1: count failures
#
# Write a function from sizes (an array, NaN for failures) and the cost of a failure to the mean size over **all** inputs.
#
# <details><summary>Hint</summary><code>np.nan_to_num(sizes, nan=cost)</code> fills the gaps.</details>


# %% tags=["exercise"]
def counted_mean(sizes, cost):
    raise NotImplementedError("Exercise 9.1: return the mean size with every failure counted as cost")


# %% tags=["solution"]
def counted_mean(sizes, cost):
    return np.nan_to_num(sizes, nan=cost).mean()


# %% tags=["check"]
check("9.1", counted_mean)

# %% [markdown]
# ## Pairs
#
# Inputs differ in difficulty much more than methods do. Compare them input by input, where both succeeded.
#
# ### Exercise 9.2: the paired difference
#
# Write a function from the sizes of two methods (arrays, NaN for failures) to the mean of first − second over the inputs that both explained.
#
# <details><summary>Hint</summary><code>np.isnan</code> tells the failures. A difference with NaN is NaN.</details>


# %% tags=["exercise"]
def paired_difference(first, second):
    raise NotImplementedError("Exercise 9.2: return the mean difference over common successes")


# %% tags=["solution"]
def paired_difference(first, second):
    difference = first - second
    return difference[~np.isnan(difference)].mean()


# %% tags=["check"]
check("9.2", paired_difference)

# %% [markdown]
# ## Intervals
#
# How far would the mean move with other inputs? The **bootstrap** answers with what we have: draw as many inputs from ours, with replacement, and take the mean; again and again. The middle 95 % of those means are the interval.
#
# ### Exercise 9.3: a bootstrap interval
#
# Write a function from values (one per input) and `drawn`, an integer array of shape (draws, inputs) that says which inputs each draw took, to the two ends of the 95 % interval of the mean.
#
# <details><summary>Hint</summary><code>values[drawn]</code> has the shape of <code>drawn</code>. Then a mean for each draw, then <code>np.quantile</code> at 0.025 and 0.975.</details>


# %% tags=["exercise"]
def bootstrap_ends(values, drawn):
    raise NotImplementedError("Exercise 9.3: return the two ends of the 95 % interval of the mean")


# %% tags=["solution"]
def bootstrap_ends(values, drawn):
    return np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])


# %% tags=["check"]
check("9.3", bootstrap_ends)

# %%
c = run.compare("cleann", "attention")
print(f"{c.common} of {len(run.records)} inputs explained by both")
print(f"words, cleann minus attention:          {c.size}")
print(f"the same over all, failures counted as {run.cost}: {c.counted_size}")
print(f"model calls, cleann minus attention:    {c.calls}")

# %% tags=["question"]
check("9.c", "b")

# %% [markdown]
# ## Is the set needed, and is it enough?
#
# Two scores that other tools report as well (DeYoung and others, 2020), here for a set of words *r* and the probability of the predicted class:
#
# - **comprehensiveness** p(x) − p(x without r): how much is lost when the set is masked. High: the set was needed.
# - **sufficiency** p(x) − p(only r): how much is lost when everything *else* is masked. Low: the set is enough.
#
# ### Exercise 9.4: both scores
#
# Write a function from `probability` (a function: positions to mask → probability), the number of units and the positions of a set to the pair (comprehensiveness, sufficiency).
#
# <details><summary>Hint</summary><code>probability([])</code> is that of the whole input. For sufficiency, mask the positions that are not in the set.</details>


# %% tags=["exercise"]
def scores_of(probability, n_units, chosen):
    raise NotImplementedError("Exercise 9.4: return (comprehensiveness, sufficiency)")


# %% tags=["solution"]
def scores_of(probability, n_units, chosen):
    others = [unit for unit in range(n_units) if unit not in chosen]
    whole = probability([])
    return whole - probability(chosen), whole - probability(others)


# %% tags=["check"]
check("9.4", scores_of)

# %%
model = cl.load_model("pocket-sentiment")
encoded = model.encode(texts[7])
found = cl.explain(model, texts[7])
for one in found.sets[:3]:
    print(f"{' + '.join(one.units):>24}: comprehensiveness {cl.comprehensiveness(model, encoded, one.positions):.3f}, "
          f"sufficiency {cl.sufficiency(model, encoded, one.positions):.3f}")  # fmt: skip
ranking = averaged_faithfulness(model, encoded, rng.random(len(encoded.units)))
print(f"{'a random ranking':>24}: comprehensiveness {ranking[0]:.3f}, sufficiency {ranking[1]:.3f} (over the first 1 to 50 %)")

# %% [markdown]
# A set that explains has high comprehensiveness by construction: masking it changed the class. Sufficiency asks something else, and nobody promised that a
# small set is enough.
#
# ## A large run
#
# Intervals shrink with the square root of the number of inputs. So the same experiment was recorded on many more, once for sentences, once for viewing histories, and once more for sentences with a real BERT (MiniLM, fine-tuned on SST-2), with every method of the package. The commands:
#
# ```
# cleann-lite evaluate sentiment --n 500 --from-file YOUR_COPY_OF_SST2
# cleann-lite evaluate recommend --n 500 --from-file YOUR_COPY_OF_MOVIELENS
# cleann-lite evaluate sentiment --n 300 --model FOLDER_OF_MINILM --from-file YOUR_COPY_OF_SST2
# ```
#
# Each uses all cores, goes on where it stopped when it is killed, and writes a table and a report. The recording holds numbers only.

# %%
files = {task: cl.data_path("recorded", f"evaluation_{task}.jsonl.gz") for task in ("sentiment", "recommend", "minilm")}
large = {task: cl.Evaluation.read(path) for task, path in files.items()}
for task, recorded_run in large.items():
    s = recorded_run.settings
    print(f"{task}: {len(recorded_run.records)} inputs of {s['data']}, {s['model']}, heads {s['heads']}, α = {s['alpha']}, "
          f"at most {s['max_size']} units and {s['max_calls']} calls")  # fmt: skip

# %%
names = ["cleann", "cleann-causes", *equal, "attention", "leave-one-out"]
for task, recorded_run in large.items():
    rows = {r["method"]: r for r in recorded_run.summary()}
    panels = {label: {name: (i.low, i.estimate, i.high) for name in rows if name in names and (i := rows[name][column])}
              for column, label in (("success", "share explained"), ("counted_size", "units, failures counted"))}  # fmt: skip
    told = ", ".join(f"{name} explains {rows[name]['success'].estimate:.0%}" for name in names if name in rows)
    print(task)
    display(intervals(panels, f"{task}: share explained and counted size with intervals. {told}."))

# %% tags=["question"]
check("9.b", "c")

# %% [markdown]
# ## What the papers claim, and what our models say
#
# CLEAR and CLEANN claim that explanations by graph are smaller than attention-ranked ones, and that the replacement ranks higher in the original list. Does it hold for *these* models, against fair rivals?

# %%
for task, recorded_run in large.items():
    display(Markdown(f"**{task}** ({recorded_run.settings['model']}). {verdicts_markdown(recorded_run)}"))

# %% [markdown]
# How to read it:
#
# - *Better* and *worse* need an interval that leaves 0 out, and ten inputs on which the two differ: of fewer, a bootstrap interval is too narrow. *Not decided* is an answer too.
# - The opponent matters. An order by attention never takes back a word, so a search over sets beats it easily. A rival with as many calls *in all* tries every single word before any pair, and hardly leaves size 1. Comparing that way misleads. So the strict rivals try as many sets *of each size* as the graphs allow; what then differs is the graph's choice.
# - The real model has twelve heads, and their graphs together allow nearly every set: then the choice of sets cannot differ much from chance, whatever the graphs are worth. A reader that proposes everything teaches nothing.
# - On common successes the hard inputs are missing where one method failed. So look at the counted size beside it.
#
# ## Your own method
#
# A method is a function from a case (input, model, settings) to what it found. This one masks long words first:


# %%
def longest_first(case):
    return case.masked_in_order([len(unit) for unit in case.encoded.units])


mine = cl.evaluate("sentiment", len(texts), data=texts, methods=("attention", longest_first))
for row in mine.summary():
    print(f"{row['method']:>15}: explained {row['success']}, words {row['size']}, calls {row['calls']}")

# %% tags=["question"]
check("9.a", "a")

# %% [markdown]
# Not bad, for a rule that knows nothing; and see how far the intervals overlap: ten texts do not tell a good method from a naive one.
#
# `case.first_that_works(sets)` runs sets in your order; `case.explain(alpha=0.1)` runs CLEANN with other settings. The evaluation checks every reported set with the model, so a method cannot claim what is not so.
#
# ## Two views: is masking a fair judge?
#
# *For it*: an explanation that names words must at least survive their removal. Jain and Wallace (2019) showed that attention weights often do not say what matters, Bastings and Filippova (2020) ask why one should read attention at all when gradients and erasure ask the model itself.
# *Against it*: a text with holes is an input that the model may never have seen, so its answer may be about the holes. Hase and others (2021) showed that scores change once models see masked inputs in training; Madsen and others (2024) therefore train the mask in. Our pocket models saw [MASK] in training (sentiment, masked word, films), and `certified` speaks of masking,
# not of deleting. And Adebayo and others (2018) add the test that any reader should pass: it must change when the weights do (notebook 11).
#
# ## Graphs can be measured too
#
# For graphs of planted models the truth is known (notebooks 01 and 04). How much of it do the learners find in a sample of 1,000?

# %%
graphs = benchmark(8, n_nodes=12)
for row in graphs.summary():
    print(f"{row['method']:>12}: skeleton F1 {row['f1']}, right marks {row['marks']}, tests {row['tests_median']:.0f} (median)")

# %% [markdown]
# ## In practice
#
# - Report how often a method fails *beside* every mean. State the cost of a failure.
# - Say the budget: model calls, not only seconds.
# - Compare with a control that knows nothing (random order), and with the best possible (exhaustive), not only with another method.
# - A new data set, another model: `cleann-lite evaluate sentiment --model FOLDER --data my_texts.csv`. On a cluster: `--cluster tcp://…`.
#
# ## On your own
#
# 1. In `large["recommend"]`, compare `cleann` with `cleann-best-head`. What do several heads buy, and what do they cost?
# 2. Rank the inputs by the minimum (`large["recommend"].minimum`). On which does `cleann` fail?
# 3. Is a larger α better? Compare `cleann-alpha-0.001`, `cleann` and `cleann-alpha-0.1`.
#
# ## Further reading
#
# - J. DeYoung and others. *ERASER: A Benchmark to Evaluate Rationalized NLP Models.* ACL 2020. arXiv:1911.03429.
# - R. Y. Rohekar, Y. Gurwicz, S. Nisimov. *Causal Interpretation of Self-Attention in Pre-Trained Transformers.* NeurIPS 2023. arXiv:2310.20307.
# - S. Nisimov, R. Y. Rohekar, Y. Gurwicz, G. Koren, G. Novik. *CLEAR: Causal Explanations from Attention in Neural Recommenders.* CONSEQUENCES at RecSys 2022. arXiv:2210.10621.
# - B. Efron, R. Tibshirani. *An Introduction to the Bootstrap.* Chapman & Hall, 1993.
# - S. Jain, B. C. Wallace. *Attention is not Explanation.* NAACL 2019. arXiv:1902.10186.
# - J. Bastings, K. Filippova. *The elephant in the interpretability room: Why use attention as explanation when we have saliency methods?* BlackboxNLP 2020. arXiv:2010.05607.
# - P. Hase, H. Xie, M. Bansal. *The Out-of-Distribution Problem in Explainability and Search Methods for Feature Importance Explanations.* NeurIPS 2021. arXiv:2106.00786.
# - A. Madsen, S. Reddy, S. Chandar. *Faithfulness Measurable Masked Language Models.* ICML 2024. arXiv:2310.07819.
#
# **Next:** [10, build your own variant](10_build_your_own_variant.ipynb)
