# %% [markdown]
# # Test independence with partial correlations
#
# Notebook 01 ended with a line: correlations below it cannot be told from zero. This notebook builds that line. You
# write the conditional-independence test that every graph of this course is built on, and then break it in a way that a real
# program once did.
#
# | | |
# |---|---|
# | **You will do** | make a correlation vanish by holding a third variable fixed, and make one appear; write the test in three short functions |
# | **You will learn** | partial correlation, Fisher's z, what α and *n* decide, and why the sign must not be ignored |
# | **You need** | notebook 01 |
# | **Time** | 45 minutes to work through; the cells run for about five seconds on two CPU cores and stay below 0.5 GB |

# %% tags=["setup"]

import networkx as nx
import numpy as np
from scipy.special import ndtr, ndtri  # the normal distribution function Φ, and its inverse

import cleann_lite as cl
from cleann_lite.course import bars, check, lines, plot_style, recorded, scatters

plot_style()
rng = np.random.default_rng(7)

# %% tags=["question", "recall"]
check("1.a", "b")

# %% [markdown]
# ## Three ways to be connected
#
# Two variables can be connected through a third in three ways. A **chain** passes something on. A **fork** has a common
# cause. A **collider** has a common effect. They differ only in their arrowheads.

# %%
shapes = {
    "chain": [("smoke", "tar"), ("tar", "cough")],
    "fork": [("sun", "ice cream"), ("sun", "sunburn")],
    "collider": [("rain", "wet"), ("sprinkler", "wet")],
}
middle = {"chain": "tar", "fork": "sun", "collider": "wet"}
cl.draw(
    nx.DiGraph([edge for edges in shapes.values() for edge in edges]), title="A chain, a fork and a collider"
)

# %% [markdown]
# Give every arrow the weight 1, draw data, and look at the two *outer* variables: first all samples, then only samples in
# which the middle variable is nearly zero. Holding the middle fixed in this way is called **conditioning** on it.


# %%
def draw_samples(edges, size):
    """Samples of a linear model with weight 1 on each arrow, as a table name -> values."""
    values = {}
    for name in nx.topological_sort(nx.DiGraph(edges)):
        causes = sum(values[cause] for cause, effect in edges if effect == name)
        values[name] = causes + rng.standard_normal(size)
    return values


# %%
panels = {}
for shape, edges in shapes.items():
    data = draw_samples(edges, 3000)
    near = np.abs(data.pop(middle[shape])) < 0.2
    panels[shape] = (data, near)
    r_all, r_near = (np.corrcoef(*(values[kept] for values in data.values()))[0, 1] for kept in (slice(None), near))
    print(f"{shape:>8}: r = {r_all:+.2f} over all samples, {r_near:+.2f} where {middle[shape]} is near zero")
scatters(panels, "Three scatter plots of the outer two variables; crosses where the middle is near zero. "
         "The chain and the fork lose their slope there, the collider gains one.")  # fmt: skip

# %% tags=["question"]
check("2.c", "b")

# %% [markdown]
# In the chain and the fork a correlation **disappears** when the middle is held fixed. In the collider there is none, and
# it **appears**, with a negative sign: if the path is wet and it did not rain, the sprinkler must have run.
# This difference is all that causal discovery has to work with.
#
# ## Partial correlation
#
# Throwing away most samples is wasteful. In a linear model there is a better way to hold Z fixed: predict x and y from Z, and
# correlate what is left over, the residuals. This is the **partial correlation** of x and y given Z. It needs no samples at
# all, only the correlations among x, y and Z. Take that block of the correlation matrix and call its inverse P:
#
# $$r_{xy\cdot Z} = \frac{-P_{xy}}{\sqrt{P_{xx}\,P_{yy}}}$$

# %%
data = draw_samples(shapes["fork"], 3000)
x, y, z = data["ice cream"], data["sunburn"], data["sun"]
left_x, left_y = x - z * (x @ z) / (z @ z), y - z * (y @ z) / (z @ z)
P = np.linalg.inv(np.corrcoef([x, y, z]))
print(f"correlation of the residuals: {np.corrcoef(left_x, left_y)[0, 1]:.3f}")
print(f"by the inverse:               {-P[0, 1] / np.sqrt(P[0, 0] * P[1, 1]):.3f}")

# %% [markdown]
# ### Exercise 2.1: partial correlation
#
# Write a function from a correlation matrix C, two variables x and y, and a list `given` (perhaps empty) to the partial
# correlation of x and y given those.
#
# <details><summary>Hint</summary>Put the variables in one list, <code>[x, y, *given]</code>, and take rows and columns with
# <code>np.ix_</code>. Invert this block, not C: what is not in the list must stay free.</details>


# %% tags=["exercise"]
def partial_correlation(C, x, y, given):
    raise NotImplementedError(
        "Exercise 2.1: return the partial correlation of x and y given the variables in given"
    )


# %% tags=["solution"]
def partial_correlation(C, x, y, given):
    block = np.ix_([x, y, *given], [x, y, *given])
    P = np.linalg.inv(C[block])
    return -P[0, 1] / np.sqrt(P[0, 0] * P[1, 1])


# %% tags=["check"]
check("2.1", partial_correlation)

# %% [markdown]
# ## How far from zero is far enough?
#
# A partial correlation that is zero in truth is never exactly zero in data. Draw many data sets in which x and y *are*
# independent given z, and see where r lands. Fisher's transform, atanh r, spreads r over all numbers; multiplied by
# $\sqrt{n-|Z|-3}$ it is, for normal data, very close to a standard normal variable. That is the whole test:
#
# $$p = 2\,\bigl(1-\Phi(\sqrt{n-|Z|-3}\;|\operatorname{atanh} r|)\bigr), \qquad \text{independent when } p > \alpha.$$

# %%
n, repeats = 100, 4000
Z = rng.standard_normal((repeats, n))
X, Y = Z + rng.standard_normal((repeats, n)), Z + rng.standard_normal((repeats, n))
rxy, rxz, ryz = (
    np.einsum("ij,ij->i", a, b) / np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    for a, b in ((X, Y), (X, Z), (Y, Z))
)
r = (rxy - rxz * ryz) / np.sqrt((1 - rxz**2) * (1 - ryz**2))  # the formula above, written out for one z
statistic = np.sqrt(n - 1 - 3) * np.arctanh(r)
beyond = np.mean(np.abs(statistic) > -ndtri(0.005))
print(f"{beyond:.1%} of {repeats} data sets lie beyond the lines for α = 0.01")

# %%
heights, edges = np.histogram(statistic, bins=39, range=(-4, 4), density=True)
grid = (edges[1:] + edges[:-1]) / 2
normal = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
lines(grid, {f"{repeats} data sets of {n} samples": heights, "standard normal": normal},
      f"The statistic follows the normal curve; {beyond:.1%} lie beyond the lines for α = 0.01.",
      xlabel="√(n − |Z| − 3) · atanh r", ylabel="density",
      upright=[(ndtri(0.005), "α = 0.01"), (-ndtri(0.005), "α = 0.01")])  # fmt: skip

# %% [markdown]
# ### Exercise 2.2: the p-value
#
# Write a function from r, the number of samples n and the number of conditioning variables k to the two-sided p-value.
# `ndtr` is Φ.
#
# <details><summary>Hint</summary>Both tails count: a correlation of −0.5 speaks against independence as loudly as one of
# +0.5. <code>2 * ndtr(-abs(z))</code> is the exact way to write 2(1 − Φ(|z|)).</details>


# %% tags=["exercise"]
def p_value(r, n, k):
    raise NotImplementedError(
        "Exercise 2.2: return the two-sided p-value of r from n samples given k variables"
    )


# %% tags=["solution"]
def p_value(r, n, k):
    return 2 * ndtr(-np.sqrt(n - k - 3) * abs(np.arctanh(r)))


# %% tags=["check"]
check("2.2", p_value)

# %% [markdown]
# ### Exercise 2.3: the smallest visible correlation
#
# Turn the test around. For given n, k and α, which |r| has p exactly equal to α? Everything smaller counts as independent:
# this is the dashed line of notebook 01. `ndtri` is the inverse of Φ.
#
# <details><summary>Hint</summary>Solve p = α for r, step by step: first |z| = −ndtri(α / 2), then divide by the square
# root, then undo atanh with <code>np.tanh</code>.</details>


# %% tags=["exercise"]
def smallest_visible(n, k, alpha):
    raise NotImplementedError("Exercise 2.3: return the |r| at which p equals alpha")


# %% tags=["solution"]
def smallest_visible(n, k, alpha):
    return np.tanh(-ndtri(alpha / 2) / np.sqrt(n - k - 3))


# %% tags=["check"]
check("2.3", smallest_visible)

# %%
ns = np.unique(np.logspace(1.2, 5, 120).astype(int))
curves = {f"α = {alpha:g}": np.tanh(-ndtri(alpha / 2) / np.sqrt(ns - 3)) for alpha in (0.05, 0.01, 1e-5)}
lines(ns, curves, "The smallest visible correlation falls like one over √n; a smaller α lifts the curve.",
      xlabel="n", ylabel="smallest visible |r|", log="x",
      upright=[(64, "head of BERT: 64"), (768, "hidden size: 768")])  # fmt: skip

# %% [markdown]
# α and *n* act through this one number only. With attention, *n* is a convention, so the threshold is a **knob**:
# turning it up removes weak edges first. Do not read "α = 0.01" as "one edge in a hundred is wrong".
#
# ## The package's test
#
# `cl.PartialCorrelation` is your three functions with a memory: it answers many questions at once, counts distinct ones, and
# survives matrices that cannot be inverted. Here is the fork again, asked from its exact correlations.

# %%
r = np.sqrt(0.5)  # of the sun with either; all arrows have the weight 1
C = np.array([[1, 0.5, r], [0.5, 1, r], [r, r, 1]])  # ice cream, sunburn, sun
test = cl.PartialCorrelation(C, n_samples=100, alpha=0.01)
print(
    f"ice cream and sunburn:            p = {test.p_value(0, 1):.2g}, independent: {test.independent(0, 1)}"
)
print(
    f"ice cream and sunburn, given sun: p = {test.p_value(0, 1, [2]):.2g}, independent: {test.independent(0, 1, [2])}"
)
print(f"distinct tests so far: {test.n_tests}")

# %% tags=["question"]
check("2.a", "b")

# %% [markdown]
# ## The one-sided trap
#
# Attention weights are never negative, so no correlation of tokens is negative (notebook 01). It is tempting to conclude: "a
# negative r is noise, call it independent". The first public code of the method did so until January 2025. But
# *partial* correlations do come out negative, as in the collider above. How often, in real heads?

# %%
attention = recorded("plot").attention
shares = []
k = attention.shape[-1]
xs, ys, zs = np.array([(x, y, z) for x in range(k) for y in range(x) for z in range(k) if z not in (x, y)]).T
for A in attention:
    rho = cl.attention_correlation(A)
    first = cl.PartialCorrelation(rho, 384).partial_correlations(xs, ys, zs[:, None])
    P = np.linalg.inv(rho)
    shares.append((np.mean(rho < 0), np.mean(first < 0), np.mean(P[np.triu_indices(k, 1)] > 0)))
none, order_one, full = np.mean(shares, axis=0)
print(f"negative among plain correlations:            {none:.0%}")
print(f"negative given one other token:               {order_one:.0%}")
print(f"negative given all other tokens:              {full:.0%}")

# %% [markdown]
# A negative partial correlation far from zero is as good a sign of an edge as a positive one. What happens to the
# planted truth of notebook 01 if we ignore it?

# %%
planted = [cl.planted_sem(cl.random_dag(10, 2.0, rng), rng) for _ in range(20)]
sizes = [768, 10**5, 10**8]


def found_exactly(n, one_sided):
    """How many of the planted graphs come back edge by edge."""
    exact = 0
    for sem in planted:
        test = cl.PartialCorrelation(sem.correlation, n, one_sided=one_sided)
        joined = cl.learn_pag(test, selection_bias=False).marks != 0
        exact += bool((joined == ((sem.weights != 0) | (sem.weights != 0).T)).all())
    return exact


# %%
counts = {name: [found_exactly(n, name == "one-sided") for n in sizes] for name in ("two-sided", "one-sided")}
alt = "Planted graphs found exactly. " + "; ".join(f"{name}: {c}" for name, c in counts.items()) + f", at n = {sizes}."
bars([f"n = {n:,}" for n in sizes], counts, alt, ylabel=f"exact, of {len(planted)}", numbers=True)

# %% tags=["question"]
check("2.b", "c")

# %% [markdown]
# With the one-sided rule the planted truth does not come back, however large *n* is. So the package tests both sides, and
# keeps `one_sided=True` as a switch for comparing with old results.
#
# ### Exercise 2.4: where the two rules part
#
# Write a function that takes an array of partial correlations (each given k variables), n and α, and returns the list of
# positions where the two-sided rule says *dependent* and the rule "r ≤ 0 is independent" says *independent*.
#
# <details><summary>Hint</summary>For positive r the two rules agree. For negative r the one-sided rule always says
# independent; the two-sided rule says dependent if |r| is visible: use your functions from above.</details>


# %% tags=["exercise"]
def disagreements(r, n, k, alpha):
    raise NotImplementedError("Exercise 2.4: return the positions at which the two rules disagree")


# %% tags=["solution"]
def disagreements(r, n, k, alpha):
    return [i for i, value in enumerate(r) if value < 0 and p_value(value, n, k) <= alpha]


# %% tags=["check"]
check("2.4", disagreements)

# %% [markdown]
# ## Matrices on the edge
#
# One trap remains. $C = AA^{\mathsf T}$ has the condition number of A *squared*: it is nearly singular. Two tokens with the
# same attention row make it singular. How near are real heads?

# %%
conditions = [np.linalg.cond(cl.attention_correlation(A)) for A in attention]
print(f"condition numbers of ρ in twelve heads: {min(conditions):.0e} to {max(conditions):.0e}")

twin = attention[0].copy()
twin[5] = twin[4]  # two tokens that look at exactly the same tokens
test = cl.PartialCorrelation(cl.attention_correlation(twin), 384)
print(
    f"the twins, given another token: p = {test.p_value(4, 5, [7]):.2g}; tests that could not be solved: {test.n_singular}"
)

# %% [markdown]
# `PartialCorrelation` computes in 64-bit floats; if a block cannot be inverted, it answers *dependent* and counts the case. A twin
# never stops the program, and never removes an edge by accident.
#
# ## In practice
#
# - Partial correlation tests **linear** dependence. For a linear SEM that is the right question.
# - Many tests at level α are not one test at level α. Treat α as a knob, and report what is stable as it turns.
# - Each conditioning variable costs a sample (the k in n − k − 3), and makes the block harder to invert.
# - Any object with `n_variables` and `independent(x, y, given)` can take this test's place: see notebook 10.
#
# ## On your own
#
# 1. At which *n* does a correlation of 0.1 become visible at α = 0.01? Use `smallest_visible`.
# 2. Count `disagreements` in the real heads, given one token and given three.
# 3. Draw data from the collider with weight −1 on one arrow. What sign has r given *wet*?
#
# ## Further reading
#
# - R. A. Fisher. *The distribution of the partial correlation coefficient.* Metron 3, 1924.
# - P. Spirtes, C. Glymour, R. Scheines. *Causation, Prediction, and Search.* 2nd edition, MIT Press, 2000.
# - J. Pearl. *Causality.* 2nd edition, Cambridge University Press, 2009 (chapter 1).
#
# **Next:** [03, draw graphs with hidden causes](03_draw_graphs_with_hidden_causes.ipynb)
