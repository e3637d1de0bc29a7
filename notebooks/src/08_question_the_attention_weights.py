# %% [markdown]
# # Question the attention weights
#
# Everything in this course is read from attention weights. So ask whether they are identifiable: given what goes into a head and what comes out, are they the *only* weights that
# could have done it? Often they are not. This notebook finds the others, asks which of them the head could really make, and then asks
# what the graphs of the earlier notebooks are worth if the weights may move. (Notebook 12 builds a layer whose weights are meant to be identifiable.)
#
# | | |
# |---|---|
# | **You will do** | count the free directions of a head, move its weights without moving its output, test which moves the head can make, shake a causal graph |
# | **You will learn** | null space and effective attention; why *any attention* and *attention that the head can make* are two questions; what of a graph survives |
# | **You need** | notebook 05; ranks of matrices |
# | **Time** | 45 minutes to work through; the cells run for about half a minute on two CPU cores and stay below 1.5 GB |

# %% tags=["setup"]
import numpy as np
from IPython.display import Markdown, display
from scipy.optimize import nnls

import cleann_lite as cl
from cleann_lite.course import (
    bars,
    check,
    explanation_robustness,
    layer_corners,
    plot_style,
    recorded,
    robustness_record,
    text_heads,
)
from cleann_lite.widgets import IdentifiabilityExplorer

plot_style()
identifiability = cl.identifiability
rng = np.random.default_rng(8)

# %% tags=["question", "recall"]
check("6.b", "c")

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
h = int(heads.attention.max(axis=2).mean(axis=1).argmin())  # the head that spreads its attention most
A, T, K = heads.attention[h], heads.value[h], heads.key[h]
n, d = T.shape
print(review, "\n")
positive = model.predict_proba([review])[0, 1]
print(f"{positive:.0%} positive; {n} word-pieces, {len(heads.value)} heads, values of {d} numbers, keys of {K.shape[1]}:")
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
    free, with_sum = (identifiability.null_space_dimension(value, sum_to_one=kept) for kept in (False, True))
    print(f"head {h}: {free} directions keep the output, {with_sum} of them the row sum too")
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
other = identifiability.equivalent_attention(A, T)
moved = identifiability.attention_distance(A, other)
print(f"largest difference of the output: {np.abs(other @ T - A @ T).max():.1e}")
print(f"least weight {other.min():.1f}, row sums within {np.abs(other.sum(axis=1) - 1).max():.0e} of 1")
print(f"share of the attention that lies elsewhere: {np.median(moved):.0%} in the median row, {moved.max():.0%} at most")

# %%
pieces = model.tokenizer.convert_ids_to_tokens(model.encode(review).data.ids)
i = int(np.argmax(moved))  # the row that can move farthest
heavy = np.sort(np.argsort(-np.maximum(A[i], other[i]))[:14])  # the heaviest tokens of both, in their order
five = [np.argsort(-weights[i])[:5] for weights in (A, other)]
top = [", ".join(pieces[j] for j in places) for places in five]
print(f"of the five heaviest tokens in the row of “{pieces[i]}”, {len(np.intersect1d(*five))} are the same in both")
alt = f"Two rows of attention of “{pieces[i]}” with the same output. Heaviest as computed: {top[0]}; in the other {top[1]}."
names = [f"{pieces[j]} ({j})" if pieces.count(pieces[j]) > 1 else pieces[j] for j in heavy]
bars(names, {"as computed": A[i, heavy], "another, same output": other[i, heavy]}, alt,
     ylabel=f"weight in the row of “{pieces[i]}”")  # fmt: skip

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
of_both = [identifiability.effective_attention(weights, T) for weights in (A, other)]
first, sums = of_both[0], of_both[0].sum(axis=1)
apart = [np.abs(one - two).max() for one, two in ((A, other), of_both)]
print(f"the two attentions differ by up to {apart[0]:.2f}, their effective attentions by {apart[1]:.0e}")
print(f"negative entries: {np.mean(first < 0):.0%}; row sums from {sums.min():.2f} to {sums.max():.2f}")
norms = [np.linalg.norm(weights) for weights in (first, A, other)]
print(f"norm {norms[0]:.2f}, of the attention itself {norms[1]:.2f}, of the other {norms[2]:.2f}")

# %% [markdown]
# **Two views.** *Brunner and others (2020), Bhardwaj and others (2021)*: since infinitely many attentions give the same output, weights cannot explain it; show the effective part, or build layers where there is no choice.
# *Naim and Asher (2024)* answer that the argument proves too little. They compute an *efficient attention* that keeps what the output needs **and** remains a probability distribution, and show that it predicts what the model does. So being free is no reason to give up: one may choose a representative.
#
# Beside effective attention, on our head: the projection that also keeps the row sums, and the smallest *distribution* with the same output (there is exactly one; that it be the smallest is our choice, in their spirit).

# %%
T1 = np.column_stack([T, np.ones(n)])
with_sums = A @ T1 @ np.linalg.pinv(T1)
weight = 1e4 / np.abs(T1).max()  # nnls: x ≥ 0; the equations weigh much, the size of x little
equations = np.vstack([weight * T1.T, np.eye(n)])
smallest = np.array([nnls(equations, [*(weight * a @ T1), *np.zeros(n)], maxiter=2000)[0] for a in A])

# %%
for name, weights in {"effective attention": first, "with row sums kept": with_sums, "smallest distribution": smallest}.items():
    sums, moved = weights.sum(axis=1), np.abs(weights @ T - A @ T).max()
    cosine = (weights * A).sum() / np.linalg.norm(weights) / np.linalg.norm(A)
    print(f"{name:>21}: rows sum to {sums.min():.2f} – {sums.max():.2f}, {np.mean(weights < -1e-9):.0%} negative, "
          f"output differs by {moved:.0e}, norm {np.linalg.norm(weights):.3f}, cosine to A {cosine:.2f}")  # fmt: skip

# %% [markdown]
# All three have the same output. Only the last could be an attention, and it is a little larger for it. Whether *it* is the explanation, or A, or the effective part, no output settles: it is a choice, to be stated.
#
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
# Now count on random heads. For each of 12 heads of each size, the local test asks for the rank, and a search from 64 random queries looks for a *different* attention of the same head with the same output.

# %%
print(" n  d_k  d    locally unique   another one found")
for size, d_k, d_v in ((40, 4, 8), (40, 4, 40), (40, 4, 4), (10, 4, 4), (40, 8, 4)):
    unique, found = [], []
    for trial in range(12):
        draw = np.random.default_rng([size, d_k, d_v, trial])
        query, key, value = (draw.normal(size=shape) for shape in ((1, d_k), (size, d_k), (size, d_v)))
        row = identifiability.softmax_attention(query, key)[0]
        unique.append(identifiability.local_test(row, key, value).identifiable)
        found.append(identifiability.generatable_attention(query, key, value, seed=trial) is not None)
    print(f"{size:2d} {d_k:4d} {d_v:3d} {np.mean(unique):12.0%} {np.mean(found):18.0%}")

# %%
rows = [(h, i) for h in range(len(heads.key)) for i in range(0, n, 6)]
tests = [identifiability.local_test(heads.attention[h][i], heads.key[h], heads.value[h]) for h, i in rows]
condition = np.array([test.condition for test in tests])
unique = np.mean([test.identifiable for test in tests])
print(f"pocket-sentiment (d_k = d = {d}): {unique:.0%} of {len(tests)} rows are locally unique")
print(f"some changes of the weights show in the output {np.median(condition):,.0f} times fainter than others (median row)")
print(f"in the worst row {condition.max():,.0f} times")

# %% [markdown]
# Keys smaller than values: never another one. Keys larger: always, a whole continuum. Equal, as in BERT: locally unique, and yet most random heads have a second, isolated solution somewhere else.
#
# The real heads are of the last kind. But look at the condition numbers: even where a row has full rank, some changes of its weights hardly show in the output. *Determined* in algebra is not *determined* in practice.
# Move the sizes yourself:

# %%
IdentifiabilityExplorer(n=12, d_k=4, d_v=6)

# %% tags=["question"]
check("8.b", "c")

# %% [markdown]
# ## Does the graph survive?
#
# Now the question behind this notebook. The other attentions have the same output, but not the same correlation, so not the same graph. Take the review, let every row of every head go to a random corner of what the output
# allows, learn the graphs again, and search explanations in them. An edge that stays is *robust*; the drawing fades the others.

# %%
corners = layer_corners(heads.attention, heads.value, samples=3)
near, far = (
    explanation_robustness(model, review, corners, reach, max_size=2, max_calls=100) for reach in (0.1, 1.0)
)
for name, found in (("a tenth of the way", near), ("the whole way", far)):
    graphs = found.graphs.values()
    moved = np.mean([g.distance.mean() for g in graphs])
    edges, marks = np.mean([g.edge_share for g in graphs]), np.mean([g.mark_share for g in graphs])
    print(f"{name}: {moved:.0%} of the attention moved; {edges:.0%} of the edges and {marks:.0%} of the marks stay")

# %%
head = max(near.graphs, key=lambda h: near.graphs[h].edge_share)
graph = near.graphs[head]
print("\n".join(graph.describe()[:6]))
share = np.where(graph.pag.marks != 0, graph.edges, 0)
title = f"Head {head}: edges that other attention does not have are faint"
cl.draw(graph.pag, outcome=graph.pag.nodes[-1], share=share, title=title)

# %% [markdown]
# One review is an anecdote. `python benchmarks/robust_graphs.py` did the same for the example reviews that ship and for reviews of the public IMDB test set. What would *chance* give? For edges: the share of all pairs that the other graphs join. For explanations: what the search finds
# in the same graph when its words are shuffled. The table gives means over reviews, half of their 95 % interval, and chance in brackets.

# %%
lines = robustness_record.read(cl.data_path("recorded", "robust_graphs.csv"))
display(Markdown(robustness_record.as_text(lines)))
Markdown("\n".join(f"- {sentence}" for sentence in robustness_record.verdict(lines)))

# %% tags=["question"]
check("8.a", "b")

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
# 2. Let the rows go only half of the way (`explanation_robustness(…, 0.5)`). Which edges are still there?
#
# ## Further reading
#
# - G. Brunner, Y. Liu, D. Pascual, O. Richter, M. Ciaramita, R. Wattenhofer. *On Identifiability in Transformers.* ICLR 2020. arXiv:1908.04211.
# - R. Bhardwaj, N. Majumder, S. Poria, E. Hovy. *More Identifiable yet Equally Performant Transformers for Text Classification.* ACL 2021. arXiv:2106.01269.
# - O. Naim, N. Asher. *On Explaining with Attention Matrices.* ECAI 2024. arXiv:2410.18541.
# - S. Jain, B. C. Wallace. *Attention is not Explanation.* NAACL 2019. arXiv:1902.10186.
# - S. Wiegreffe, Y. Pinter. *Attention is not not Explanation.* EMNLP 2019. arXiv:1908.04626.
#
# **Next:** [09, measure explanations](09_measure_explanations.ipynb)
