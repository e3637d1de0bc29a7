# %% [markdown]
# # Question the attention weights
#
# Everything in this course is read from attention weights. So ask the weights for their papers: given what goes into a head and what comes out, are they the *only* weights that
# could have done it? Often they are not. This notebook finds the others, asks which of them the head could really make, looks at a layer that was built to be more honest, and then asks
# what the graphs of the earlier notebooks are worth if the weights may move.
#
# | | |
# |---|---|
# | **You will do** | count the free directions of a head, move its weights without moving its output, test which moves the head can make, compare two ways to combine heads, shake a causal graph |
# | **You will learn** | null space and effective attention; why *any attention* and *attention that the head can make* are two questions; what small keys and added heads change, and what they do not |
# | **You need** | notebook 05; ranks of matrices |
# | **Time** | 50 minutes to work through; the cells run for about half a minute on two CPU cores and stay below 1.5 GB |

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

import cleann_lite as cl
from cleann_lite.attention.identifiability import (
    attention_distance,
    equivalent_attention,
    generatable_attention,
    local_test,
    null_space_dimension,
    softmax_attention,
)
from cleann_lite.course import check, plot_style, recorded, show
from cleann_lite.course import identifiability_record as record
from cleann_lite.course import robustness_record as robust_record
from cleann_lite.datasets.shipped import data_path
from cleann_lite.explaining.robustness import explanation_robustness, layer_corners
from cleann_lite.models.decoupled import text_heads
from cleann_lite.widgets import IdentifiabilityExplorer
from training.identifiable import quick_runs

plot_style()
rng = np.random.default_rng(8)

# %% [markdown]
# ## What the head tells, and what it keeps to itself
#
# A head multiplies its attention A (n × n) with a matrix T (n × d): its values, with their bias, times its slice of the output projection if you like. Row *i* of the output is
#
# $$z_i = a_i^{\mathsf T}\,T, \qquad a_i \ge 0, \quad \textstyle\sum_j a_{ij} = 1.$$
#
# That is *d* equations, and one more for the sum, for *n* weights. If n > d + 1 there must be directions *x* with $x^{\mathsf T}T = 0$ and $\sum x = 0$: add a little of one to a row, and
# neither its sum nor the output changes. These directions are the **null space** of the head.
#
# Here is a real review and the real heads of the last layer of `pocket-sentiment`.

# %%
model = cl.load_model("pocket-sentiment")
review = recorded("ferry").text
heads = text_heads(model, review)
A, T, K = heads.attention[0], heads.value[0], heads.key[0]
n, d = T.shape
print(review, "\n")
print(
    f"{model.predict_proba([review])[0, 1]:.0%} positive; {n} word-pieces, {len(heads.value)} heads, values of {d} numbers, keys of {K.shape[1]}:"
)
print(f"up to {d + 1} word-pieces can be determined by what the heads put out, here {n - d - 1} too many")

# %% [markdown]
# ### Exercise 8.1: how many directions are free?
#
# Write a function that takes T and returns the number of independent directions in which a row of attention can move while its output and its sum stay the same.
#
# <details><summary>Hint</summary>Both conditions together say $x^{\mathsf T}[T, 1] = 0$. <code>np.column_stack</code> puts a column of ones beside T, <code>np.linalg.matrix_rank</code> counts the conditions
# that are independent.</details>


# %% tags=["exercise"]
def free_directions(T):
    raise NotImplementedError("Exercise 8.1: return the number of directions that keep output and row sum")


# %% tags=["solution"]
def free_directions(T):
    conditions = np.column_stack([T, np.ones(len(T))])
    return len(T) - np.linalg.matrix_rank(conditions)


# %% tags=["check"]
check("8.1", free_directions)

# %%
for h, value in enumerate(heads.value):
    print(
        f"head {h}: {null_space_dimension(value)} directions keep the output, {null_space_dimension(value, sum_to_one=True)} of them the row sum too"
    )
lengths = {name: len(recorded(name).tokens) for name in recorded()}
width = 32  # of the values of MiniLM, whose recorded attention notebooks 01 to 05 read
print(f"\nreal heads of a larger encoder, value size {width}; weights are determined up to {width + 1} tokens:")
print(",  ".join(f"{name}: {length} tokens, {max(0, length - width - 1)} free" for name, length in lengths.items()))

# %% [markdown]
# Short sentences are safe, whatever the weights. BERT has values of 64 numbers: beyond 65 word-pieces its weights are not determined by what its heads put out.
#
# ## Walk until a weight is used up
#
# A direction is not yet another attention: weights must not fall below 0. A row can follow a direction until the first of its weights reaches 0.
#
# ### Exercise 8.2: the longest step
#
# Write a function that takes a row of attention and a shift (both of length n) and returns the largest t for which `row + t * shift` has no negative weight. The shift has negative entries.
#
# <details><summary>Hint</summary>Weight j reaches 0 at t = row[j] / −shift[j], and only if its shift is negative. The first one to do so ends the way.</details>


# %% tags=["exercise"]
def longest_step(row, shift):
    raise NotImplementedError("Exercise 8.2: return the largest t with row + t * shift >= 0")


# %% tags=["solution"]
def longest_step(row, shift):
    shrinks = shift < 0
    return np.min(row[shrinks] / -shift[shrinks])


# %% tags=["check"]
check("8.2", longest_step)

# %%
left = np.linalg.svd(np.column_stack([T, np.ones(n)]))[0]
null_space = left[:, d + 1 :]  # n x (n - d - 1): an orthonormal basis of the free directions
ways = []
for _ in range(200):
    shift = null_space @ rng.normal(size=null_space.shape[1])
    shrinks = shift < 0
    ways.append(np.min(A[0][shrinks] / -shift[shrinks]) * np.abs(shift).sum() / 2)
print(
    f"the row of [CLS], 200 random directions: at most {max(ways):.2%} of its attention moves, then a weight is used up"
)

# %% [markdown]
# A random direction needs a little from everywhere, and most weights of a trained head are close to 0, so it gets nowhere. That does not mean that no other attention is far away. To find one,
# say what is wanted and what must hold, and give it to a solver: *find x ≥ 0 with $x^{\mathsf T}[T, 1] = a^{\mathsf T}[T, 1]$ that overlaps with a as little as possible*. Objective and
# conditions are linear: a **linear program**, exact and fast.

# %%
other = equivalent_attention(A, T)
moved = attention_distance(A, other)
print(f"largest difference of the output: {np.abs(other @ T - A @ T).max():.1e}")
print(f"least weight {other.min():.1f}, row sums within {np.abs(other.sum(axis=1) - 1).max():.0e} of 1")
print(
    f"share of the attention that lies elsewhere: {np.median(moved):.0%} in the median row, {moved.max():.0%} at most"
)

pieces = model.tokenizer.convert_ids_to_tokens(model.encode(review).data.ids)
i = int(np.argmax(moved))  # the row that can move farthest
heavy = np.sort(np.argsort(-np.maximum(A[i], other[i]))[:32])  # the heaviest tokens of both, in their order
figure, axes = plt.subplots(2, 1, figsize=(9, 3.6), sharex=True, sharey=True, layout="constrained")
for axis, weights, name, colour in (
    (axes[0], A, "as computed", "#0072B2"),
    (axes[1], other, "another, same output", "#D55E00"),
):
    axis.bar(range(len(heavy)), weights[i, heavy], color=colour)
    axis.set_title(f"attention of “{pieces[i]}”, {name}", fontsize=9)
    axis.set_ylabel("weight")
axes[1].set_xticks(range(len(heavy)), [pieces[j] for j in heavy], rotation=60, fontsize=8)
axes[1].set_xlabel(f"the {len(heavy)} heaviest of {n} tokens")
top = [", ".join(pieces[j] for j in np.argsort(-weights[i])[:5]) for weights in (A, other)]
show(
    figure,
    f"Two rows of attention of “{pieces[i]}” with the same output. As computed the five heaviest tokens are {top[0]}; in the other {top[1]}.",
)

# %% [markdown]
# Read the two rows as explanations ("the model looks at …"). Some tokens lose everything, others come out of nowhere. Nothing that leaves the head tells which of the two stories is true. Other rows can move less: a heavy token whose value no mixture of others can make keeps its place.
#
# ## What does reach the output: effective attention
#
# Split every row into a part in the null space, which no output ever sees, and the rest. The rest is the **effective attention** of Brunner and others,
#
# $$A^{\perp} = A\,T\,T^{+},$$
#
# with $T^{+}$ the pseudo-inverse: $T T^{+}$ projects on what T can see. Of all matrices with the same output it is the smallest. It is unique, and it pays for that: its rows may have negative entries and need not sum to 1.
#
# ### Exercise 8.3: effective attention
#
# Write a function that takes A (n × n) and T (n × d) and returns the effective attention.
#
# <details><summary>Hint</summary><code>np.linalg.pinv</code> gives the pseudo-inverse. Check the shapes: (n, n), (n, d), (d, n).</details>


# %% tags=["exercise"]
def effective(A, T):
    raise NotImplementedError("Exercise 8.3: return the effective attention")


# %% tags=["solution"]
def effective(A, T):
    return A @ T @ np.linalg.pinv(T)


# %% tags=["check"]
check("8.3", effective)

# %%
of_both = [cl.identifiability.effective_attention(weights, T) for weights in (A, other)]
print(
    f"the two attentions differ by up to {np.abs(A - other).max():.2f}, their effective attentions by {np.abs(of_both[0] - of_both[1]).max():.0e}"
)
print(
    f"negative entries: {np.mean(of_both[0] < 0):.0%}; row sums from {of_both[0].sum(axis=1).min():.2f} to {of_both[0].sum(axis=1).max():.2f}"
)
print(
    f"norm {np.linalg.norm(of_both[0]):.2f}, of the attention itself {np.linalg.norm(A):.2f}, of the other {np.linalg.norm(other):.2f}"
)

# %% [markdown]
# ## A second question: could the head have made it?
#
# The solver may write any numbers into a row. A head may not: with its keys K (n × $d_k$) in place, a row is $a = \mathrm{softmax}(K q/\sqrt{d_k})$, and only the $d_k$ numbers of the query are free, however long
# the text. The output has *d* numbers. Count again: if $d_k \le d$, a small change of the query should show in the output; if $d_k > d$ there are too few outputs to tell, at any length.
#
# The two questions have different answers, so do not mix them:
#
# | | any attention | attention that the head can make |
# |---|---|---|
# | free numbers | $n$ weights | $d_k$ numbers of the query |
# | determined, in general, if | $n \le d + 1$ | $d_k \le d$ |
# | depends on the length | yes | no |
#
# "In general" has a sharp form: the derivative of the output with the query must have full rank.
#
# ### Exercise 8.4: the change of the output with the query
#
# Write a function that takes a row *a*, keys K (n × $d_k$) and values T (n × d) and returns the matrix (d × $d_k$) of derivatives of the output with the query (leave out the factor $1/\sqrt{d_k}$).
#
# <details><summary>Hint</summary>The output is Tᵀa, the logits are K q, and the derivative of a softmax with its logits is diag(a) − a aᵀ. Chain rule.</details>


# %% tags=["exercise"]
def output_change(a, K, T):
    raise NotImplementedError("Exercise 8.4: return the (d, d_k) derivatives of the output with the query")


# %% tags=["solution"]
def output_change(a, K, T):
    return T.T @ (np.diag(a) - np.outer(a, a)) @ K


# %% tags=["check"]
check("8.4", output_change)

# %% [markdown]
# Now count on random heads. For each of 30 heads of each size, the local test asks for the rank, and a search from 64 random queries looks for a *different* attention of the same head with the same output.

# %%
print(" n  d_k  d    locally unique   another one found")
for size, d_k, d_v in ((40, 4, 8), (40, 4, 40), (40, 4, 4), (10, 4, 4), (40, 8, 4)):
    unique, found = [], []
    for trial in range(30):
        draw = np.random.default_rng([size, d_k, d_v, trial])
        query, key, value = (
            draw.normal(size=(1, d_k)),
            draw.normal(size=(size, d_k)),
            draw.normal(size=(size, d_v)),
        )
        unique.append(local_test(softmax_attention(query, key)[0], key, value).identifiable)
        found.append(generatable_attention(query, key, value, seed=trial) is not None)
    print(f"{size:2d} {d_k:4d} {d_v:3d} {np.mean(unique):12.0%} {np.mean(found):18.0%}")

print()

tests = [
    local_test(heads.attention[h][i], heads.key[h], heads.value[h])
    for h in range(len(heads.key))
    for i in range(0, n, 6)
]
condition = np.array([test.condition for test in tests])
print(
    f"pocket-sentiment (d_k = d = {d}): {np.mean([test.identifiable for test in tests]):.0%} of {len(tests)} rows are locally unique"
)
faint = f"{np.median(condition):,.0f}"
print(f"some changes of the weights show in the output {faint} times fainter than others (condition number, median row)")
print(f"in the worst row {condition.max():,.0f} times")

# %% [markdown]
# Keys smaller than values: never another one. Keys larger: always, a whole continuum. Equal, as in BERT: locally unique, and yet most random heads have a second, isolated solution somewhere else.
#
# The real heads are of the last kind. But look at the condition numbers: even where a row has full rank, some changes of its weights hardly show in the output. *Determined* in algebra is not *determined* in practice.
# Move the sizes yourself:

# %%
IdentifiabilityExplorer(n=12, d_k=4, d_v=6)

# %% [markdown]
# ## A layer that was built to be honest
#
# Bhardwaj and others (2021) take the counts at their word: make keys small and values as large as the model, so that both conditions hold more often. Heads with wide values no longer fit side by side, so
# their outputs are **added**. `cleann_lite.encoder.DecoupledEncoderLayer` is such a layer; value size, key size and the way to combine are free.
#
# Before you train it, count once more. The count above is for *one head with its output known*. But the rest of the network never sees one head's output. It sees the layer's.
#
# ### Exercise 8.5: the free directions of a layer
#
# One token has a row of attention in each of `heads` heads, values have `size` numbers, all in general position. Write a function of (n, heads, size, combine) that returns the number of directions in which the rows
# of all heads *together* can move while the output of the **layer** and all row sums stay the same. `combine` is "concat" (heads side by side, then an invertible projection) or "add".
#
# <details><summary>Hint</summary>Count the weights of all heads, then the equations: one per head for the sums, and as many as the layer has outputs. Concatenated heads can be counted one by one. No count is below 0.</details>


# %% tags=["exercise"]
def layer_free(n, heads, size, combine):
    raise NotImplementedError("Exercise 8.5: return the number of free directions of the layer")


# %% tags=["solution"]
def layer_free(n, heads, size, combine):
    if combine == "concat":
        return heads * max(0, n - size - 1)
    return max(0, heads * n - heads - size)


# %% tags=["check"]
check("8.5", layer_free)

# %% [markdown]
# So wide values buy nothing here. Concatenated, every narrow head has free directions of its own. Added, a wide head has fewer or none, if you could look at its output alone; but the layer leaves exactly as many open as before: what head 1 does, head 2 may take back. The same holds for attention that heads can make:
# $d_k$ ≤ `d_model` / `heads` in both. Adding heads moves the uncertainty from inside the heads to between them. Small keys are another matter: they help in the count of what heads can make, either way.
#
# ## The experiment
#
# `python -m training identifiable` trains a small classifier of one layer on four public sets, with several key sizes, both ways to combine, and several seeds. First its
# small brother, live, on texts made up by a rule (so easy that accuracy says nothing); then the record of the real one. *null space* and *local* are the shares of texts and heads whose weights are determined by the
# output of the head, in the two senses; *layer* asks for the output of the layer. The standard layer concatenates, and its keys are as large as its values.
#
# The list below the table is about differences between runs alike in all else (same set, seed, and key size or way to combine). *Equal* is confirmed where every interval holds 0 and is short; *more identifiable* where some shares grow and none shrinks.

# %%
Markdown(record.as_text(record.summary(quick_runs())))

# %%
runs = record.read_runs(data_path("recorded", record.RESULTS))
rows, words = record.summary(runs), record.differences(runs)
counts = {part: len({getattr(r, part) for r in runs}) for part in ("set", "key_size", "combine", "seed")}
print(f"{len(runs)} trainings: {counts['set']} sets x {counts['key_size']} key sizes x {counts['combine']} ways x {counts['seed']} seeds")
print(f"accuracy: mean and 95 % interval over seeds, on the same test texts; {record.D_MODEL} wide, {record.HEADS} heads, up to {record.LENGTH} words")
chosen = [("concat", record.D_MODEL // record.HEADS), ("concat", 4), ("add", 16), ("add", 4)]
display(Markdown(record.as_text(rows, chosen)), Markdown("\n".join(f"- {line}" for line in words + record.verdict(runs))))
show(record.draw(rows), f"Accuracy and identifiable shares against the key size, for four sets. Accuracy: {'; '.join(words)}.")

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
# ## Does the graph survive?
#
# Now the question behind this notebook. The other attentions have the same output, but not the same correlation, so not the same graph. Take the review, let every row of every head go to a random corner of what the output
# allows, learn the graphs again, and search explanations in them. An edge that stays is *robust*; the drawing fades the others.

# %%
corners = layer_corners(heads.attention, heads.value, samples=3)
near, far = (
    explanation_robustness(model, review, corners, reach, max_size=2, max_calls=200) for reach in (0.1, 1.0)
)
for name, found in (("a tenth of the way", near), ("the whole way", far)):
    graphs = found.graphs.values()
    print(f"{name}: {np.mean([g.distance.mean() for g in graphs]):.0%} of the attention moved;", end=" ")
    print(
        f"{np.mean([g.edge_share for g in graphs]):.0%} of the edges and {np.mean([g.mark_share for g in graphs]):.0%} of the marks stay"
    )

head = max(near.graphs, key=lambda h: near.graphs[h].edge_share)
graph = near.graphs[head]
print("\n".join(graph.describe()[:6]))
cl.draw(
    graph.pag,
    outcome=graph.pag.nodes[-1],
    share=np.where(graph.pag.marks != 0, graph.edges, 0),
    title=f"Head {head}: edges that other attention does not have are faint",
)

# %% [markdown]
# One review is an anecdote. `python benchmarks/robust_graphs.py` did the same for the example reviews that ship and for reviews of the public IMDB test set. What would *chance* give? For edges: the share of all pairs that the other graphs join. For explanations: what the search finds
# in the same graph when its words are shuffled. The table gives means over reviews, half of their 95 % interval, and chance in brackets.

# %%
lines = robust_record.read(data_path("recorded", "robust_graphs.csv"))
display(Markdown(robust_record.as_text(lines)))
Markdown("\n".join(f"- {sentence}" for sentence in robust_record.verdict(lines)))

# %% [markdown]
# Short texts are safe: their weights are determined, and so is everything learned from them. On longer texts the graph depends on which of the equally good attentions was taken: near the computed one much of it stays, and the farther the way, the more is lost.
# The sets that explain still explain, whatever the weights: they were checked by masking. What changes is which of them the graph proposes; read in the table whether it does so better than a graph over shuffled words.
#
# All this is about *any* attention. If you grant only what the head can make, a row that is locally unique has no neighbours to move to, and its graph stays what it is.
#
# ## In practice
#
# - Compare the number of tokens with the value size before you read anything into a long text's weights. One word-piece more than the value size is safe: 65 in BERT.
# - State which question you asked: any attention, or attention that the head can make; for the head's output, or the layer's.
# - Show the graph with its robust edges, and trust an explanation for its *mask test*: masking the words and asking the model does not depend on the weights at all.
#
# ## On your own
#
# 1. Give `equivalent_attention` the heads of an earlier layer. Are they freer or less free?
# 2. Set `value_size` of a `DecoupledEncoderLayer` to twice `d_model` and add with an output projection. Which of the four shares change?
# 3. Exercise 8.5 counts a layer. What does the count become if the *residual* connection and the next layer are taken in too?
#
# ## Further reading
#
# - G. Brunner, Y. Liu, D. Pascual, O. Richter, M. Ciaramita, R. Wattenhofer. *On Identifiability in Transformers.* ICLR 2020. arXiv:1908.04211.
# - R. Bhardwaj, N. Majumder, S. Poria, E. Hovy. *More Identifiable yet Equally Performant Transformers for Text Classification.* ACL 2021. arXiv:2106.01269.
# - S. Jain, B. C. Wallace. *Attention is not Explanation.* NAACL 2019. arXiv:1902.10186.
# - S. Wiegreffe, Y. Pinter. *Attention is not not Explanation.* EMNLP 2019. arXiv:1908.04626.
#
# **Next:** [09, measure explanations](09_measure_explanations.ipynb)
