# %% [markdown]
# # Ask whether the graph explains
#
# A review gives no answer to the question that matters: did the graph find the words that the model really used? Nobody knows which those are. So make a model for which the answer is known: train a small Transformer on a rule, check that it uses the rule, and ask every reader of this course for its words. Then take the weights away and see what is left of an explanation.
#
# | | |
# |---|---|
# | **You will do** | plant a rule in a Transformer and prove by intervening that it is used; score seven readers; read one input by masking singles and pairs; shuffle a model's weights |
# | **You will learn** | when a graph of attention finds the words that matter and when it does not, why the residual connection belongs in it, and what an explanation is worth that survives random weights |
# | **You need** | notebooks 01, 05, 06 and 09 |
# | **Time** | 60 minutes to work through; the cells run for about a minute on two CPU cores and stay below 1.5 GB |

# %% tags=["setup"]
import copy
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

import cleann_lite as cl
from cleann_lite.course import (
    check,
    how_it_mixes,
    planted,
    plot_style,
    randomised,
    readers,
    show,
    truth_record,
    yours,
)

plot_style()
rng = np.random.default_rng(11)

# %% tags=["question", "recall"]
check("9.a", "a")

# %% [markdown]
# ## Plant a rule
#
# Sentences of twelve words: fillers, and four words A, B, C, D that rules may read. The rule here: *A and B are both there*. A BERT of one layer (four heads, residual connections and layer norms as usual) learns to say whether it holds.

# %%
rule = planted.RULES["together"]
model = planted.train(rule, layers=1, seed=0)
print(f"rule: {rule.about}; learned in {model.steps} steps, right on {model.accuracy:.1%} of fresh sentences")

# %% [markdown]
# Being right is not yet *using the rule*: a model may use something that goes along with it. An **interchange intervention** (Geiger and others, 2021) asks directly: put the hidden state of some words from another sentence into this one, and see whether the answer
# becomes what the rule says of the mixed sentence.

# %%
for where, share in planted.interchange_accuracy(model, rng).items():
    print(f"exchanged {where:>6}: answers as the rule says in {share:.1%}")

# %% [markdown]
# So the truth is known: in each sentence, A and B and nothing else. Which readers name them?
#
# ## Score a reader
#
# A reader gives each word a score. It is good if the rule's words score above the others. The **AUC** is the probability that it ranks a word of the rule above another word, drawn at random; ties count one half. Chance is one half.
#
# ### Exercise 11.1: AUC
#
# Write a function from scores (an array) and `true` (an array of truth values: is it a word of the rule?) to the AUC.
#
# <details><summary>Hint</summary>Compare every true one with every other: <code>scores[true][:, None] - scores[~true]</code> is a table of differences. The mean of "above" plus half of the mean of "equal".</details>


# %% tags=["exercise"]
def auc(scores, true):
    raise NotImplementedError("Exercise 11.1: return the probability that a true one scores above another")


# %% tags=["solution"]
def auc(scores, true):
    difference = scores[true][:, None] - scores[~true]
    return np.mean(difference > 0) + 0.5 * np.mean(difference == 0)


# %% tags=["check"]
check("11.1", auc)

# %% [markdown]
# Now all readers, on eight sentences. *edge*: is the word joined to the outcome, in how many heads? *possible cause*: is it a possible ancestor? *attention row*: how much does the outcome attend to it? *leave-one-out*: what does masking it change? For those that read attention, `reading` says what is read as the mixing of the layer:
# 0.0 is attention alone, as published; 0.5 adds the residual connection with weight one half; `norms` measures its share in the model, token by token; `rollout` multiplies all layers.

# %%
lines = pd.DataFrame(readers.examine(model, rng, n=8, permutations=5))
shown = lines[lines.reading.isin(["", "0.0", "0.5", "norms"])]
shown.pivot_table("auc", index="reader", columns="reading").round(2)

# %% [markdown]
# Read the row *edge*. As published (0.0), it hardly tells the words of the rule from the others: C = A Aᵀ compares *whom two tokens look at*. The outcome looks at A and B; A and B look elsewhere. So the outcome and the words it uses have different rows, and no edge. But a layer does not compute A V. It computes
# x + A V: every token keeps its own state. Put that into the mixing,
#
# $$\tilde A = (1 - r)\,A + r\,I, \qquad C = \tilde A\,\tilde A^{\mathsf T},$$
#
# and each row holds the token itself; a token that looks at A now shares a source with A. That is what $(I-G)^{-1}$ looks like too: its diagonal is 1 (notebook 01).
#
# ### Exercise 11.2: the residual in the mixing
#
# Write a function from attention A (n × n) and r to the correlation of the rows of (1 − r) A + r I.
#
# <details><summary>Hint</summary>Mix first, then Exercise 1.2. <code>np.eye(len(A))</code> is I.</details>


# %% tags=["exercise"]
def with_residual(A, r):
    raise NotImplementedError("Exercise 11.2: return the correlation with the residual in the mixing")


# %% tags=["solution"]
def with_residual(A, r):
    mixed = (1 - r) * A + r * np.eye(len(A))
    scale = np.linalg.norm(mixed, axis=1)
    return mixed @ mixed.T / np.outer(scale, scale)


# %% tags=["check"]
check("11.2", with_residual)

# %%
with_residual = yours("11.2")
sentence = planted.examples(rule, rng, 1)[0]
true = rule.causes(sentence)
attention = how_it_mixes(model.network, input_ids=torch.as_tensor([[planted.CLS, *sentence]]))()[-1].attention
for r in (0.0, 0.2, 0.5, 0.8):
    rho = np.mean([with_residual(A, r)[0, 1:] for A in attention], axis=0)  # the outcome with each word
    print(f"r = {r}: correlation with the outcome {rho[true].mean():.2f} for A and B, {rho[~true].mean():.2f} for the others")

# %% [markdown]
# ## Depth
#
# One layer is the easy case. The same rule in two layers: by the last layer, what A and B said may have moved to other places, and the last attention says little of words. The reading `rollout` multiplies the mixing of all layers, back to the words.

# %%
deeper = planted.train(rule, layers=2, seed=0)
for layer in (0, 1):
    found = planted.interchange_accuracy(deeper, rng, layer=layer)
    print(f"states of A and B exchanged before layer {layer + 1}: as the rule says in {found['all']:.0%}")
lines = pd.DataFrame(readers.examine(deeper, rng, n=8, permutations=5))
auc_of = lines.set_index(["reader", "reading"])["auc"]
print("edge at the outcome, AUC:", ", ".join(f"{reading} {value:.2f}" for reading, value in auc_of["edge"].items()))
print(f"attention row {auc_of['attention row', '0.0']:.2f}, leave-one-out {auc_of['leave-one-out', '']:.2f}")

# %% tags=["question"]
check("11.a", "c")

# %% [markdown]
# One rule, one seed, eight sentences: such figures move a lot from seed to seed, and prove nothing. The recorded run did eight rules (a majority, a negation, an order, a decoy, a hidden common cause …), one to three layers, several seeds (`cleann-lite evaluate planted`). Mean AUC over rules, the worst and the best rule in brackets:

# %%
planted_lines = truth_record.read(cl.data_path("recorded", "planted.csv"))
networks = truth_record.read(cl.data_path("recorded", "planted_networks.csv"))
least = min(line["interchange"] for line in networks)
print(f"{len(networks)} networks; each does what its rule says after at least {least:.1%} of the interchanges")
display(Markdown(truth_record.planted_table(planted_lines)))

# %%
show(
    truth_record.planted_figure(planted_lines),
    "Readers by rules at one, two and three layers: the AUC behind each mean, worst and best of the table above.",
)

# %% [markdown]
# *What this shows:* where the truth is known, leave-one-out, which asks the model, is right nearly throughout. Of the readers of attention, the published edge is at chance or a little below; the residual repairs one layer (not for the majority rule), the rollout most of the depth. With all that, the graph's partial correlation comes near the attention row, rolled out, its edges less near; neither passes it.
#
# *What it does not show:* anything about reviews. These models have four words that matter and 24 sentences each.
#
# An edge is not yet an explanation. How often is the **set** that a graph leads to exactly one of the rule's smallest? Beside it, the same graph with its names permuted: it allows as many sets, and knows nothing.

# %%
display(Markdown(truth_record.planted_sets_table(planted_lines)))

# %% [markdown]
# The first row is the trap. About half of the sets are exactly right, and that sounds like success; the permuted graph, which knows nothing, does as well. The published graph allows enough sets for masking to find the right one among them. The other rows show graphs that choose.
#
# ## Reading against intervening
#
# There is a second way to a graph of one input: intervene. Mask every word alone, and every pair; in log-odds, the change by one word is its **effect**, and what a pair changes beyond the sum of its two is their **interaction**.
#
# ### Exercise 11.3: interactions
#
# Write a function from `f` (a function: a tuple of places to mask → log-odds of the prediction) and n to an n × n matrix: off the diagonal f(i, j) − f(i) − f(j) + f(), on the diagonal the effect f(i) − f().
#
# <details><summary>Hint</summary>Compute <code>whole = f(())</code> and a list of single values once. For the pairs, <code>combinations(range(n), 2)</code>; the matrix is symmetric.</details>


# %% tags=["exercise"]
def interactions(f, n):
    raise NotImplementedError("Exercise 11.3: return effects on the diagonal and interactions beside it")


# %% tags=["solution"]
def interactions(f, n):
    whole, single = f(()), [f((i,)) for i in range(n)]
    table = np.diag([value - whole for value in single])
    for i, j in combinations(range(n), 2):
        table[i, j] = table[j, i] = f((i, j)) - single[i] - single[j] + whole
    return table


# %% tags=["check"]
check("11.3", interactions)

# %%
def log_odds(places):
    p = np.clip(seen.probability[tuple(sorted(places))], 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


# %%
seen = readers.Sentence.of(model, sentence)
table = yours("11.3")(log_odds, len(sentence))
names = ["ABCD"[w - planted.A] if planted.A <= w <= planted.D else f"w{place}" for place, w in enumerate(sentence)]
picture = cl.heat_map(table / np.abs(table).max(), names, title="Effects on the diagonal, interactions beside it (scaled)")
a, b = np.flatnonzero(true)[:2]
print(f"effects of {names[a]} and {names[b]}: {table[a, a]:.1f} and {table[b, b]:.1f}; their interaction: {table[a, b]:+.1f}")
show(picture, "A square table of the words: on the diagonal the effect of each, beside it the interaction of each pair.")

# %% [markdown]
# Masking shows at once what the graph of attention had to be corrected to show, and one thing more: that A and B *act together*: their interaction has the opposite sign of their effects, since one mask alone already breaks the rule. Lay both over each other: which words does the graph join to the outcome, and which does intervening name?

# %%
effect = np.abs(np.diag(table))
named = effect > 0.5 * effect.max()
for r in (0.0, 0.5):
    pags, _ = readers.graphs((1 - r) * attention + r * np.eye(attention.shape[1]))
    joined = np.mean([pag.marks[-1, :-1] != 0 for pag in pags], axis=0)
    agree = [names[k] for k in np.flatnonzero(named & (joined >= 0.5))]
    print(f"r = {r}: intervening names {[names[k] for k in np.flatnonzero(named)]}; joined to the outcome in half of the heads: "
          f"{[names[k] for k in np.flatnonzero(joined >= 0.5)]}; both: {agree}")  # fmt: skip

# %% [markdown]
# Where the two agree, the graph has earned belief. Where they do not, believe the intervention: it asked the model.
#
# ## On real inputs
#
# On a review nobody knows the true words, but a fair control can still be had: which graph leads to *smaller* sets than a control that may try exactly as many sets of each size? On inputs short enough to mask every set of up to three units, this was counted for several readings (`cleann-lite evaluate readings`). Settings were chosen on other inputs (`validation`), by the gain over permuted names, and judged once. A failure counts as a set of four; a negative difference is good for the graph.

# %%
reading_lines = truth_record.read(cl.data_path("recorded", "readings.csv"))
models = ("pocket-bert4rec", "pocket-sentiment", "minilm")
picked = [truth_record.chosen(reading_lines, model) for model in models]
papers = [line for line in reading_lines if line["split"] == "test" and line["heads"] == "together"
          and (line["reading"], line["candidates"]) == ("0.0", "legal")]  # fmt: skip
display(Markdown("The published reading:\n\n" + truth_record.readings_table(papers)))
display(Markdown("The reading chosen on validation inputs:\n\n" + truth_record.readings_table(picked)))

# %%
for control, name in truth_record.CONTROLS.items():
    verdicts = [f"{line['model']} {truth_record.better(line, control)}" for line in picked]
    print(f"chosen reading against {name:>14}: {', '.join(verdicts)}")
readings = {line["model"]: truth_record.READINGS[line["reading"]] for line in picked}
print(f"and the reading chosen differs: {readings}")

# %% [markdown]
# *What this shows:* for **films**, the published graph chooses clearly better than random sets and than its own names permuted; and the attention sum, the row that it was made of, chooses as well. For **sentences** it hardly does: in the pocket model it is not told apart from random sets, and in the real MiniLM it allows nearly every set, so there is hardly a choice to judge (a hundredth of a word). With the chosen reading the graph of MiniLM chooses better than random sets and than its permuted names; that of the pocket model does not.
#
# *What it does not show:* that some reading is best. The choice differs between the models, but by less than 60 validation inputs can tell, except in MiniLM; in the size of its sets no reading beats the attention sum or leave-one-out by a decided margin; and the chosen one does worse than leave-one-out on all three models, and worse than random sets on one. That is why `residual=0.0`, the paper's, stays the default of `cl.explain`: not because it is best, but because nothing here is a reason to change it. Look at the column *inputs*, too: MiniLM was tried on few.

# %% tags=["question"]
check("11.c", "b")

# %% [markdown]
# ## Take the weights away
#
# The last control (Adebayo and others, 2018). Shuffle the weights of `pocket-sentiment`, layer by layer from the top; learn graphs from the attention of the ruined model; and let the *intact* model judge the sets. If edges or success hardly change, they did not come from what was learned. (The reviews are short ones that the trained model's graphs explain, so the first row is full by choice.)

# %%
trained = cl.load_model("pocket-sentiment")
settings = {"search": "cleann", "certify": False, "max_size": 3, "max_calls": 400}
short = [r["text"] for r in cl.load_reviews() if len(r["text"].split()) <= 14]
texts = [text for text in short[:20] if cl.explain(trained, text, **settings).success][:6]


def ruined(stage):
    """The model with its top `stage` parts shuffled; its attention is read, its predictions are not asked for."""
    other = copy.copy(trained)
    other.model = randomised.shuffled(trained.model, stage)
    return other


def edges_of(model, text):
    pags, _, _ = cl.learn_graphs(model, trained.encode(text))
    return np.array([pag.marks != 0 for pag in pags.values()])


# %%
for stage, name in enumerate(randomised.stages(trained.model)):
    other = ruined(stage)
    same, done = [], []
    for text in texts:
        same.append(randomised.overlap(edges_of(trained, text), edges_of(other, text)))
        found = cl.explain(trained, text, reading=lambda _, encoded, other=other: other.attention(encoded), **settings)
        done.append(found.success)
    print(f"{name:>10}: {np.mean(same):.0%} of the edges shared with the trained model, {sum(done)} of {len(texts)} explained")

# %% tags=["question"]
check("11.b", "a")

# %% [markdown]
# The edges do depend on what was learned. Compare the two columns: where the edges are gone and success is still high, success came from trying sets, not from the graph that proposed them. A set from a graph that means nothing is masked too, and short reviews have many sets that work. So success alone says little about a graph.
#
# The recorded run has more inputs, chance beside each figure, and the readings with the residual connection (`cleann-lite evaluate randomised`):

# %%
shuffled_lines = truth_record.read(cl.data_path("recorded", "randomised.csv"))
for model in ("pocket-sentiment", "pocket-bert4rec"):
    part = [line for line in shuffled_lines if line["model"] == model]
    ends = {r: [x["success"] for x in part if x["reading"] == r] for r in ("0.0", "norms")}
    said = "; ".join(f"{truth_record.READINGS[r]} {v[0]:.0%}, then {min(v[1:]):.0%} to {max(v[1:]):.0%}" for r, v in ends.items())
    print(f"{model}, {part[0]['n']:.0f} inputs: success with the trained weights and with shuffled ones: {said}")
    alt = f"{model}: shares of edges and allowed sets that survive, and success, beside chance. Success: {said}."
    display(show(truth_record.randomised_figure(part), alt))

# %% [markdown]
# *What this shows:* most edges go with the weights, in every reading: at once, and down to what permuted names share, or near it. The published reading keeps most of its success without them, about as much as random sets have; so success alone does not speak for its graph. With the residual by norms, success falls with the weights, because the graphs of shuffled weights allow hardly any set; as many random sets fall as well.
#
# *What it does not show:* that a reading which passes is right. It may depend on the weights and still name the wrong words; only a planted rule shows that.
#
# ## Three more rungs
#
# A graph can be doubted from three more sides (`cleann-lite evaluate rungs`).
#
# 1. **Informative? Falsified?** (Eulig and others, 2025) Permute the names. If the same graph comes out in more than 5 %, it says little. If the independences that the graph claims are violated as little under permuted names, in more than 5 %, it is falsified. Asked of the head that it was learned from, and of another head of the same layer.
# 2. **Which way do its words push?** A set changes the prediction as a whole; its words masked alone may raise it.
# 3. **Do its edges carry the prediction?** Take away what the outcome pays to one word, for words with an edge and for words without, of equal attention; compare.

# %%
rung_lines = truth_record.read(cl.data_path("recorded", "rungs.csv"))
for model in ("pocket-sentiment", "pocket-bert4rec"):
    part = [line for line in rung_lines if line["model"] == model]
    inputs = [line["n"] for line in part]
    display(Markdown(f"{model}, {min(inputs):.0f} to {max(inputs):.0f} inputs:\n\n" + truth_record.rungs_table(part)))

# %% [markdown]
# *What this shows:* a graph of **films** is informative, and holds in its own head: a weak test, since it was learned there. A graph of a **sentence** is refuted by another head of the same layer: it is a graph of one head, not of the sentence. Most words of the sets push the way one expects, some push the other way. The knock-outs decide little: at equal attention, edges that were kept mostly change the prediction neither more nor less than edges that were removed, or the inputs are too few to tell. Where a cell says *more*, it is for films, with the residual in the graph, in all layers at once, on eight inputs: a hint.
#
# *What it does not show:* that a sentence's graph is "not falsified" in its own head. Its interval reaches over the 5 %, so the answer is *not decided*. That is less than "passed".
#
# ## What to make of it
#
# | claim | where it holds |
# |---|---|
# | the mixing of an SEM holds its graph | exactly, with enough samples (notebook 01) |
# | edges of the published reading name the words that matter | not where the truth is known: chance |
# | with the residual connection in the mixing they do | for one layer (not for a majority); less with depth, unless the layers are rolled out |
# | the sets that are reported change the prediction | always: it was tried |
# | the graph chooses them better than random sets do | for films, yes; for sentences, hardly as published |
# | the graph chooses better than the attention row it was made of | not shown: for films, 4 of 500 inputs differ in success (notebook 09) |
# | a graph of one head holds for the next | for sentences, no: it is falsified there |
#
# ## In practice
#
# - Plant a rule before you believe a reader. It costs a minute.
# - Read the *residual stream* besides attention: `cl.explain(…, residual="norms")`, or "values", or "rollout". Which one, choose on inputs that you do not report.
# - Report success beside a control that knows nothing.
#
# ## On your own
#
# 1. Train on `planted.RULES["decoy"]`: a word is attended to and does not matter. Who is fooled?
# 2. Repeat the depth experiment with three layers and another seed.
# 3. Where do reading and intervening agree on a review? Use `interactions` with `model.predict` of `pocket-sentiment`.
#
# ## Further reading
#
# - A. Geiger, H. Lu, T. Icard, C. Potts. *Causal Abstractions of Neural Networks.* NeurIPS 2021. arXiv:2106.02997.
# - J. Adebayo and others. *Sanity Checks for Saliency Maps.* NeurIPS 2018. arXiv:1810.03292.
# - E. Eulig, A. A. Mastakouri, P. Blöbaum, M. Hardt, D. Janzing. *Toward Falsifying Causal Graphs Using a Permutation-Based Test.* AAAI 2025. arXiv:2305.09565.
# - G. Kobayashi, T. Kuribayashi, S. Yokoi, K. Inui. *Incorporating Residual and Normalization Layers into Analysis of Masked Language Models.* EMNLP 2021. arXiv:2109.07152.
# - S. Abnar, W. Zuidema. *Quantifying Attention Flow in Transformers.* ACL 2020. arXiv:2005.00928.
# - E. Nichani, A. Damian, J. D. Lee. *How Transformers Learn Causal Structure with Gradient Descent.* ICML 2024. arXiv:2402.14735.
#
# **Next:** [12, build an identifiable layer](12_build_an_identifiable_layer.ipynb)
