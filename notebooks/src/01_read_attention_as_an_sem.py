# %% [markdown]
# # Read attention as a structural equation model
#
# A Transformer mixes its tokens with a matrix called attention. A structural equation model (SEM) mixes its causes
# with a matrix of the same kind. This notebook puts the two side by side, and then asks the honest question: if a
# graph of causes *were* planted in that matrix, would we find it again?
#
# | | |
# |---|---|
# | **You will do** | build a small causal model, add up its paths, read a real attention head as such a model, plant thirty graphs and look for them |
# | **You will learn** | what (I − G)⁻¹ means, why the correlation of two tokens is the cosine of their attention rows, what such a reading can find and what it cannot |
# | **You need** | matrices and correlations; no deep learning |
# | **Time** | 45 minutes to work through; the cells run for about ten seconds on two CPU cores and stay below 0.5 GB |

# %% tags=["setup"]
from itertools import chain, combinations

import networkx as nx
import numpy as np

import cleann_lite as cl
from cleann_lite.course import check, lines, plot_style, recorded, show

plot_style()
rng = np.random.default_rng(2023)

# %% tags=["question", "recall"]
check("0.a", "b")

# %% [markdown]
# ## A small model of causes
#
# It rains, or the sprinkler runs; the path gets wet; a wet path is slippery. Rain also brings down leaves, which are
# slippery by themselves. An arrow from one thing to another means: *set the first, and the second responds.*

# %%
things = ["rain", "sprinkler", "wet", "slippery"]
G = np.zeros((4, 4))  # row: the effect, column: the cause
G[2, 0] = 0.9  # rain -> wet
G[2, 1] = 0.5  # sprinkler -> wet
G[3, 2] = 0.7  # wet -> slippery
G[3, 0] = 0.2  # rain -> slippery, by the leaves

arrows = {(things[j], things[i]): f"{G[i, j]:.1f}" for i, j in zip(*np.nonzero(G), strict=True)}
cl.draw(nx.DiGraph(list(arrows)), edge_labels=arrows, legend=False, title="Rain, sprinkler, wet, slippery")

# %% [markdown]
# In symbols, each variable is a weighted sum of its direct causes plus a source that belongs to it alone:
#
# $$X = G\,X + \Lambda\,U$$
#
# G holds the weights of the arrows (row *i* lists the causes of variable *i*). The entries of U are independent of
# each other and have variance 1. Λ is diagonal and says how strongly each source acts. Solve for X:
#
# $$X = (I - G)^{-1}\,\Lambda\,U$$
#
# Because the arrows form no cycle, some power of G is zero, and the inverse is a finite sum:
# $(I-G)^{-1} = I + G + G^2 + \dots$ The entries of $G^k$ belong to directed paths of $k$ arrows. Look:

# %%
power, k = np.eye(4), 0
while power.any():
    found = [
        f"{things[j]} to {things[i]}: {power[i, j]:.2f}" for i, j in zip(*np.nonzero(power), strict=True)
    ]
    print(f"paths of {k} arrows   " + ",  ".join(found if k else ["each variable to itself: 1.00"]))
    power, k = power @ G, k + 1

# %% [markdown]
# ### Exercise 1.1: the total effects
#
# Write a function that takes G and returns the matrix of total effects: entry [i, j] adds up, over **all** directed
# paths from j to i, the product of the weights along the path.
#
# <details><summary>Hint</summary>You do not need to walk along any path: the formula above does it for you, and
# <code>np.linalg.inv</code> inverts a matrix.</details>


# %% tags=["exercise"]
def total_effects(G):
    raise NotImplementedError("Exercise 1.1: return the matrix of total effects, one row per effect")


# %% tags=["solution"]
def total_effects(G):
    return np.linalg.inv(np.eye(len(G)) - G)


# %% tags=["check"]
check("1.1", total_effects)

# %%
mixing = np.linalg.solve(np.eye(4) - G, np.eye(4))
print(f"direct effect of rain on slippery: {G[3, 0]:.2f}")
print(
    f"total effect of rain on slippery:  {mixing[3, 0]:.2f} = {G[3, 0]:.2f} + {G[2, 0]:.2f} × {G[3, 2]:.2f}"
)
show(
    cl.heat_map(mixing, things, title="Total effects: row = effect, column = cause"),
    f"Heat map of the total effects. Rain acts on slippery with {mixing[3, 0]:.2f}, by two paths. All is 0 above the diagonal.",
)

# %% [markdown]
# ## From mixing matrix to correlation
#
# Call the mixing matrix $A = (I-G)^{-1}\Lambda$, so that $X = A\,U$. Since the entries of U are independent with
# variance 1, the covariance of X is
#
# $$C = A\,A^{\mathsf T}, \qquad \rho_{ij} = \frac{C_{ij}}{\sqrt{C_{ii}\,C_{jj}}}.$$
#
# Two variables correlate to the extent that they listen to the same sources. The next cell does not trust the formula: it
# draws samples of X and compares.

# %%
exact = mixing @ mixing.T
sizes = np.logspace(1, 5, 9).astype(int)
off = []
for size in sizes:
    X = rng.standard_normal((size, 4)) @ mixing.T  # one row per sample
    off.append(np.abs(X.T @ X / size - exact).max())

alt = f"The difference falls from {off[0]:.2f} at {sizes[0]} samples to {off[-1]:.4f} at {sizes[-1]}."
lines(sizes, {"": off}, alt, xlabel="samples drawn", ylabel="largest difference to A Aᵀ", log="xy")

# %% [markdown]
# ### Exercise 1.2: the correlation of a mixing matrix
#
# Write a function from a mixing matrix A (n × n) to the correlation matrix ρ (n × n) that the formula above gives.
#
# <details><summary>Hint</summary>Compute <code>A @ A.T</code> first. Its diagonal holds the variances; <code>np.outer</code>
# makes a table of the products of two lists. Think twice before you reach for <code>np.corrcoef</code>: it takes
# <em>data</em>, and subtracts the mean of each row.</details>


# %% tags=["exercise"]
def correlation(A):
    raise NotImplementedError(
        "Exercise 1.2: return the correlation matrix that belongs to the mixing matrix A"
    )


# %% tags=["solution"]
def correlation(A):
    C = A @ A.T
    scale = np.sqrt(np.diag(C))
    return C / np.outer(scale, scale)


# %% tags=["check"]
check("1.2", correlation)

# %% [markdown]
# ## The same equation inside a Transformer
#
# A self-attention head takes a matrix of values V (a row for each token) and returns $Z = A\,V$: each row of Z is a weighted
# mean of the rows of V. The weights A are the **attention**; each of its rows sums to 1. Put the two equations
# under each other:
#
# | | structural equation model | self-attention head |
# |---|---|---|
# | equation | $X = (I-G)^{-1}\Lambda\;U$ | $Z = A\;V$ |
# | what is mixed | independent causes U | values V |
# | the mixing | paths through the graph G | attention A |
# | what comes out | variables X | tokens Z; the columns are the samples |
#
# So read A as $(I-G)^{-1}\Lambda$. We do not know G, but we know the correlation of the tokens, $A A^{\mathsf T}$
# scaled to a diagonal of ones, and from correlations graphs can be learned. This reading is due to Rohekar, Gurwicz and
# Nisimov (2023). Keep in mind what it assumes: that the columns of V count as samples of uncorrelated causes of
# variance 1, and that the mixing came from a graph without cycles, some of whose causes may be hidden.
#
# Here is a real head: one of twelve in the last layer of a small pre-trained BERT, recorded for this course.

# %%
whale = recorded("whale")
head = 8
A = whale.attention[head]
print(whale.text)
show(
    cl.heat_map(A, whale.tokens, title=f"Attention of head {head}: row looks at column"),
    f"Attention of head {head}. Every row sums to 1. The column of [CLS] takes {A[:, 0].mean():.2f} on average.",
)

# %%
rho = cl.attention_correlation(A)
pairs = [(rho[i, j], i, j) for i in range(len(A)) for j in range(i)]
least, most = min(pairs), max(pairs)
print(f"least correlated: {whale.tokens[least[2]]} and {whale.tokens[least[1]]}, {least[0]:.2f}")
print(f"most correlated:  {whale.tokens[most[2]]} and {whale.tokens[most[1]]}, {most[0]:.2f}")
show(
    cl.heat_map(rho, whale.tokens, title=f"Correlation of the tokens, head {head}"),
    f"Correlations of all tokens, between {least[0]:.2f} and 1; none is negative.",
)

# %% [markdown]
# `cl.attention_correlation` is Exercise 1.2 with checks of its input. Three things to notice:
#
# 1. ρ of two tokens is the **cosine** between their attention rows: they correlate when they *look at* the same tokens.
# 2. Attention weights are never negative, so no ρ is negative.
# 3. The soft-max that makes rows sum to 1 does not matter: scaling a row leaves a cosine as it is. Try it:

# %%
factors = rng.uniform(0.1, 10, size=(len(A), 1))
scaled = factors * A
norms = np.linalg.norm(scaled, axis=1)
again = scaled @ scaled.T / np.outer(norms, norms)
print(
    f"rows scaled by {factors.min():.2f} to {factors.max():.2f}: ρ moves by at most {np.abs(again - rho).max():.0e}"
)

# %% tags=["question"]
check("1.a", "b")

# %% [markdown]
# ### Exercise 1.3: tokens of interest
#
# Suppose we want the correlation among a few tokens only, say *blue*, *whale*, *largest*, *animal* and *planet*. The other
# tokens do not disappear from the model: they go on being looked at, as causes that we no longer show.
# Write a function that takes the full attention and a list of positions to keep, and returns the correlation among
# those.
#
# <details><summary>Hint</summary>There are two orders: cut then correlate, or correlate then cut. Only one of them
# still knows that two tokens look at the same [CLS]. <code>np.ix_(keep, keep)</code> picks rows and columns.</details>


# %% tags=["exercise"]
def correlation_among(A, keep):
    raise NotImplementedError(
        "Exercise 1.3: return the correlation among the tokens in keep, (len(keep), len(keep))"
    )


# %% tags=["solution"]
def correlation_among(A, keep):
    return cl.attention_correlation(A)[np.ix_(keep, keep)]


# %% tags=["check"]
check("1.3", correlation_among)

# %%
keep = [whale.tokens.index(word) for word in ("blue", "whale", "largest", "animal", "planet")]
worst = []
for matrix in whale.attention:
    rows = matrix[np.ix_(keep, keep)]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    worst.append(np.abs(rows @ rows.T - cl.attention_correlation(matrix)[np.ix_(keep, keep)]).max())
print(
    f"Cutting first would change ρ by up to {max(worst):.2f} (head {int(np.argmax(worst))}), never less than {min(worst):.2f}."
)

# %% tags=["question"]
check("1.c", "a")

# %% [markdown]
# ## Plant a truth, and look for it
#
# Is the reading right? With a real Transformer nobody knows the true graph. So we plant one: draw a random graph,
# fill in weights, compute $A=(I-G)^{-1}$, forget G, and hand only the correlation to a learner.
#
# The learner is `cl.learn_pag`, which notebook 04 opens up. For now: it starts with an edge between every two
# variables and takes an edge away when some set of other variables explains the correlation of its two ends.
# *Explains* is decided by a test (notebook 02) that must know from how many samples the correlation came. We give it
# that number, *n*, as we please, since our correlations are exact.

# %%
def found_edges(sem, n):
    """Which pairs the learner joins when it believes in n samples."""
    test = cl.PartialCorrelation(sem.correlation, n)
    return cl.learn_pag(test, selection_bias=False).marks != 0


# thirty random graphs over ten variables, without hidden ones, with weights between ±0.5 and ±2
planted = [cl.planted_sem(cl.random_dag(10, 2.0, rng), rng) for _ in range(30)]
true_edges = [(sem.weights != 0) | (sem.weights != 0).T for sem in planted]

# %%
ns = [64, 128, 384, 768, 5_000, 50_000, 10**6, 10**8]
exactly = [sum((found_edges(s, n) == t).all() for s, t in zip(planted, true_edges, strict=True)) for n in ns]
alt = "Graphs found exactly: " + ", ".join(f"{e} at n = {n:,}" for n, e in zip(ns, exactly, strict=True)) + "."
lines(ns, {"": exactly}, alt, xlabel="n, samples that the test believes in", log="x",
      ylabel=f"graphs found exactly, of {len(planted)}", upright=[(768, "768, hidden size of a BERT")])  # fmt: skip

# %% [markdown]
# Both halves of this picture matter.
#
# **The right half**: with *n* large, nearly every graph comes back edge by edge. Reading a mixing matrix as a causal model
# is *consistent*; nothing is lost in $A A^{\mathsf T}$ that would hide the edges.
#
# **The left half**: at an *n* that people use for Transformers (the hidden size, the number of columns of V), fewer than
# half of the graphs are exact. Why? Ask each true edge how weak it can get: the smallest correlation of its two ends that remains when some
# set of other variables is held fixed (a *partial* correlation; notebook 02 explains it). An edge survives only if even this is
# larger than what the test can see at the given *n*. We try every set, on the first twelve graphs.

# %%
def partial(correlation, x, y, given):
    """Correlation of x and y when the variables in given are held fixed."""
    P = np.linalg.inv(correlation[np.ix_([x, y, *given], [x, y, *given])])
    return -P[0, 1] / np.sqrt(P[0, 0] * P[1, 1])


def weakest(sem, x, y):
    """The smallest of them, over every set of other variables."""
    others = [k for k in range(len(sem.weights)) if k not in (x, y)]
    sets = chain.from_iterable(combinations(others, size) for size in range(len(others) + 1))
    return min(abs(partial(sem.correlation, x, y, given)) for given in sets)


# %%
n, z = 768, 2.576  # z: a normal variable is farther from 0 than this once in a hundred times
smallest_seen = np.tanh(z / np.sqrt(n - 3))
kept, lost = [], []
for sem, truth in zip(planted[:12], true_edges, strict=False):
    here = found_edges(sem, n)
    for x, y in zip(*np.nonzero(np.triu(truth)), strict=True):
        (kept if here[x, y] else lost).append(weakest(sem, x, y))
print(f"At n = {n} the test sees correlations above {smallest_seen:.3f}.")
print(f"{len(lost)} true edges lost; none of them is ever stronger than {max(lost):.3f} when its worst set is held fixed")
print(f"{len(kept)} found; {sum(w > smallest_seen for w in kept)} of them are visible whatever is held fixed")

# %%
shares = np.linspace(0, 1, 40)
series = {f"found ({len(kept)})": np.quantile(kept, shares), f"lost ({len(lost)})": np.quantile(lost, shares)}
alt = f"Found edges reach up to {max(kept):.2f}, lost ones stay below {max(lost):.3f}; the test sees {smallest_seen:.3f}."
lines(shares, series | {"the test sees": np.full(40, smallest_seen)}, alt, log="y",
      xlabel="share of the edges below", ylabel="weakest partial correlation")  # fmt: skip

# %% tags=["question"]
check("1.b", "c")

# %% [markdown]
# The dashed line is the smallest correlation that the test can tell from zero at this *n*. An edge above it is never lost: no
# set makes it invisible. An edge below it goes as soon as the search tries a set that makes it so weak; those still found there were lucky,
# since a search does not try every set. This is not a bug; it is what a finite *n* means. Notebook 02 shows where the line comes from.
#
# ### Exercise 1.4: what kind of error?
#
# "Not exact" can mean an edge is missing, or that one is there that should not be. (The edges of a graph, whatever their arrowheads,
# are called its **skeleton**.) Write a function from the true weights G (row: effect, column: cause) and the learner's marks (a k × k matrix,
# nonzero in **both** [i, j] and [j, i] where there is an edge) to a pair: the number of missing edges, the number of extra edges.
#
# <details><summary>Hint</summary><code>(G != 0) | (G != 0).T</code> has an edge in both places, as the marks do.
# Count in one triangle only: <code>np.triu</code>.</details>


# %% tags=["exercise"]
def skeleton_errors(G, marks):
    raise NotImplementedError("Exercise 1.4: return (missing edges, extra edges)")


# %% tags=["solution"]
def skeleton_errors(G, marks):
    true, found = np.triu((G != 0) | (G != 0).T), np.triu(marks != 0)
    return int((true & ~found).sum()), int((found & ~true).sum())


# %% tags=["check"]
check("1.4", skeleton_errors)

# %% [markdown]
# ## In practice
#
# - **Which *n*?** A convention, not a fact. The authors use the hidden size (768 for BERT-base) in one place and the
#   size of a head in another. State yours, and show what changes when it changes.
# - **Go to 64-bit floats before** $A A^{\mathsf T}$: squaring a matrix squares its condition number.
# - **Nothing here reads V.** The reading uses attention alone, and counts values as uncorrelated.
# - **A graph of attention is a graph of this head on this input**, not of language, and not of the world.
#
# ## On your own
#
# 1. Use your `skeleton_errors` on the planted graphs at n = 768. Which kind of error is common, and why?
# 2. Plant graphs with more edges (`degree=4`). How does the first picture of the planted truth change?
# 3. Hide two variables: give the learner `nodes=range(8)`. Are the extra edges errors? (Notebook 03 answers.)
#
# ## Further reading
#
# - R. Y. Rohekar, Y. Gurwicz, S. Nisimov. *Causal Interpretation of Self-Attention in Pre-Trained Transformers.* NeurIPS 2023. arXiv:2310.20307.
# - A. Vaswani and others. *Attention Is All You Need.* NeurIPS 2017. arXiv:1706.03762.
# - K. A. Bollen. *Structural Equations with Latent Variables.* Wiley, 1989.
#
# **Next:** [02, test independence with partial correlations](02_test_independence.ipynb)
