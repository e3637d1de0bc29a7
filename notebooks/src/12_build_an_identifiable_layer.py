# %% [markdown]
# # Build an identifiable layer
#
# Notebook 08 found that attention weights are often not determined by what a head puts out, and counted when they are. Can a layer be *built* so that they are, without losing accuracy? A published proposal says yes. You
# will count what it buys, train it small, read a recorded experiment on four public sets, and judge its claim.
#
# | | |
# |---|---|
# | **You will do** | count the free directions of a whole layer, train four small layers, judge a claim by intervals |
# | **You will learn** | what small keys and added heads change, what they do not, and why the layer must be asked, not the head |
# | **You need** | notebook 08 |
# | **Time** | 30 minutes to work through; the cells run for about half a minute on two CPU cores and stay below 1.5 GB |

# %% tags=["setup"]
import torch
from IPython.display import Markdown, display

import cleann_lite as cl
from cleann_lite.course import (
    DecoupledEncoderLayer,
    check,
    identifiability_record,
    plot_style,
    quick_runs,
    show,
)

plot_style()

# %% tags=["question", "recall"]
check("11.b", "a")

# %% [markdown]
# ## A layer that was built to be honest
#
# Bhardwaj and others (2021) take the counts at their word: make keys small and values as large as the model, so that both conditions hold more often. Heads with wide values no longer fit side by side, so
# their outputs are **added**. `DecoupledEncoderLayer` of the package is such a layer; value size, key size and the way to combine are free.
#
# The next cell makes one, and shows the shapes: keys of 4 numbers, values of 64, the outputs of four heads added.

# %%
layer = DecoupledEncoderLayer(d_model=64, heads=4, key_size=4, combine="add")
tokens = torch.randn(1, 10, 64)
print("in:", tuple(tokens.shape), " out:", tuple(layer(tokens).shape))
for name, weight in layer.self_attn.named_parameters():
    print(f"   {name}: {tuple(weight.shape)}")

# %% [markdown]
# Before you train it, count once more. The count of notebook 08 (free directions: n − d − 1, if that is positive) is for *one head with its output known*. But the rest of the network never sees one head's output. It sees the layer's.
#
# ### Exercise 12.1: the free directions of a layer
#
# One token has a row of attention in each of `heads` heads, values have `size` numbers, all in general position. Write a function of (n, heads, size, combine) that returns the number of directions in which the rows
# of all heads *together* can move while the output of the **layer** and all row sums stay the same. `combine` is "concat" (heads side by side, then an invertible projection) or "add".
#
# <details><summary>Hint</summary>Count the weights of all heads, then the equations: one per head for the sums, and as many as the layer has outputs. Concatenated heads can be counted one by one. No count is below 0.</details>


# %% tags=["exercise"]
def layer_free(n, heads, size, combine):
    raise NotImplementedError("Exercise 12.1: return the number of free directions of the layer")


# %% tags=["solution"]
def layer_free(n, heads, size, combine):
    if combine == "concat":
        return heads * max(0, n - size - 1)
    return max(0, heads * n - heads - size)


# %% tags=["check"]
check("12.1", layer_free)

# %% tags=["question"]
check("12.a", "c")

# %% [markdown]
# So wide values buy nothing here. Concatenated, every narrow head has its own free directions. Added, a wide head has fewer or none, if you could look at its output alone; but the layer leaves exactly as many open as before: what head 1 does, head 2 may take back. The same holds for attention that heads can make:
# $d_k$ ≤ `d_model` / `heads` in both. Adding heads moves the uncertainty from inside the heads to between them. Small keys are another matter: they help in the count of what heads can make, either way.
#
# ## The experiment
#
# The recorded experiment (`python -m training identifiable`) trains a small classifier of one layer on four public sets, with several key sizes, both ways to combine, and several seeds. First a
# small version, live, on texts made up by a rule (so easy that accuracy says nothing); then the record of the real one. *null space* and *local* are the shares of texts and heads whose weights are determined by the
# output of the head, in the two senses; *layer* asks for the output of the layer. The standard layer concatenates, and its keys are as large as its values.
#
# The list below the table is about differences between runs alike in all else (same set, seed, and key size or way to combine). *Equal* is confirmed where every interval holds 0 and is short; *more identifiable* where some shares grow and none shrinks.

# %%
Markdown(identifiability_record.as_text(identifiability_record.summary(quick_runs())))

# %%
runs = identifiability_record.read_runs(cl.data_path("recorded", identifiability_record.RESULTS))
rows, words = identifiability_record.summary(runs), identifiability_record.differences(runs)
sets, keys, ways, seeds = (len({getattr(r, part) for r in runs}) for part in ("set", "key_size", "combine", "seed"))
print(f"{len(runs)} trainings: {sets} sets x {keys} key sizes x {ways} ways to combine x {seeds} seeds")
chosen = [("concat", identifiability_record.D_MODEL // identifiability_record.HEADS), ("concat", 4), ("add", 16), ("add", 4)]
display(Markdown(identifiability_record.as_text(rows, chosen)))

# %%
display(Markdown("\n".join(f"- {line}" for line in words + identifiability_record.verdict(runs))))
alt = f"Accuracy and identifiable shares, for head and layer, against the key size, on four sets. {'; '.join(words)}."
show(identifiability_record.draw(rows), alt)

# %% [markdown]
# ### "Equal accuracy, more identifiable": the verdict
#
# **Equal accuracy: confirmed.** No set tells added from concatenated heads, nor the smallest keys from the largest.
#
# **More identifiable: confirmed for a head, denied for the layer.** Given the output of each head, wide values determine the weights of every text here, where the standard layer leaves all longer texts open; and large keys
# lose their uniqueness only in concatenated heads. But the rest of the network receives the *sum*. Given that, both layers leave the same texts open.
#
# **What helps in every column of the second question is a small key.** The attention that a head can make is then locally unique even given the layer's output, its condition number falls, and no accuracy is lost. What no layer repairs is the
# first question on a long text: some other matrix of weights always has the same output. It is just none that the head could have made.
#
# ### Tasks that vary
#
# Those four sets all ask for sentiment, and the paper speaks of tasks. So the experiment was repeated on seven of other kinds, with one and with two layers, keys of 8 and of 64 numbers, up to five seeds. They were made for this purpose from public sets: genre of a film from its title and from the films watched before it (six classes), stars of a review (eight), what a sentence reviews (three), question or statement, whether two sentences are neighbours, whether a word is spelled right.

# %%
tasks = identifiability_record.read_runs(cl.data_path("recorded", "tasks", identifiability_record.RESULTS))
print(f"{len(tasks)} trainings; the table shows those with one layer, the list below speaks of all")
shown = identifiability_record.summary(run for run in tasks if run.layers == 1)
display(Markdown(identifiability_record.as_text(shown, [("concat", 64), ("concat", 8), ("add", 8)])))

# %%
told = identifiability_record.differences(tasks) + identifiability_record.verdict(tasks)
display(Markdown("\n".join(f"- {line}" for line in told)))

# %% [markdown]
# The second half of the claim comes out as before, on every task: more identifiable by the head, not by the layer; a small key makes the attention locally unique everywhere. The first half does not hold quite so well. Of fourteen intervals a few leave out 0, and not all on one side; with fourteen tries, one is expected to by chance. The differences are one or two points.
#
# Read the column of accuracy before you believe "equal": on *same review* and *spelling* every layer is near one half: none learned the task, and layers that learned nothing are equal for free. Short texts (*title genre*, *spelling*) are identifiable in every layer. What the table says is about these tasks and this small encoder.
#
# ## In practice
#
# - Say which question was asked: any attention, or attention that the head can make; for the head's output, or for the layer's.
# - Small keys cost no accuracy here and help in one of the two counts. They are the cheap part of the proposal.
#
# ## On your own
#
# 1. Give the layer a `value_size` of twice `d_model`, added with an output projection. Which of the four shares change?
# 2. Exercise 12.1 counts a layer. What does the count become if the *residual* connection and the next layer are taken in too?
# 3. Train with five seeds (`quick_runs(seed=…)`). Which shares depend on the seed?
#
# ## Two projects to end with
#
# Each takes one to three days, has a known answer for its first half and an open end.
#
# 1. **Films yes, sentences no.** Notebook 09 finds that the graph selects for films and hardly for sentences. Reproduce it on 100 inputs each with a control that *you* design, and say why it is fair. Known: the direction of both results. Open: why. Is it the number of heads, the length, the density of the
#    graph, the model's depth? Change one at a time (`max_nodes=`, `heads=`, `alpha=`).
# 2. **A confidence score for what comes next.** Rohekar and others (ICML 2025) claim that a GPT's legal moves come with graphs that the tests are more certain of. Train a model of the kind of `pocket-gpt` on a small grammar or board game whose legal continuations you can list, learn ordered-ICD graphs at each step, and score a graph by its p-values.
#    Known: legality itself, from the rules. Open: does the score tell legal from illegal continuations better than the model's own probability does? Count failures, and give an interval.
#
# ## Further reading
#
# - R. Bhardwaj, N. Majumder, S. Poria, E. Hovy. *More Identifiable yet Equally Performant Transformers for Text Classification.* ACL 2021. arXiv:2106.01269.
# - G. Brunner and others. *On Identifiability in Transformers.* ICLR 2020. arXiv:1908.04211.
# - R. Y. Rohekar, Y. Gurwicz, S. Yu, E. Aflalo, V. Lal. *A Causal World Model Underlying Next Token Prediction.* ICML 2025. arXiv:2412.07446.
#
# **This is the last notebook.** Back to the [map](00_start_here.ipynb).
