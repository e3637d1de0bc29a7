# %% [markdown]
# # Discover with FCI and ICD, step by step
#
# A test can say whether two variables are independent given others (notebook 02). A PAG shows what independences tell about
# causes (notebook 03). This notebook goes from one to the other: two algorithms that learn a PAG, opened up so that every
# step can be seen.
#
# | | |
# |---|---|
# | **You will do** | remove edges, orient colliders, apply a rule, and watch the one edge that the simple plan cannot remove |
# | **You will learn** | FCI and ICD, separating sets, Zhang's rules, PDS-paths, and what a step costs |
# | **You need** | notebooks 02 and 03 |
# | **Time** | 75 minutes to work through; the cells run for about five seconds on two CPU cores and stay below 0.5 GB |

# %% tags=["setup"]
from itertools import combinations, pairwise

import networkx as nx
import numpy as np

import cleann_lite as cl
from cleann_lite import Mark
from cleann_lite.course import bars, check, plot_style, random_latent_dag, strip, yours
from cleann_lite.widgets import DiscoveryStepper

plot_style()

# %% tags=["question", "recall"]
check("3.a", "b")

# %% [markdown]
# ## A film, its causes, and two that nobody wrote down
#
# The budget of a film pays for effects and for the cast. Effects bring good reviews, the cast sells tickets. A good director attracts
# a cast and gets good reviews; a franchise demands effects and sells tickets. Nobody recorded the director or the franchise.

# %%
arrows = [
    *(("budget", "effects"), ("budget", "cast"), ("effects", "reviews"), ("cast", "tickets")),
    *(("director", "cast"), ("director", "reviews"), ("franchise", "effects"), ("franchise", "tickets")),
]
film = nx.DiGraph(arrows)
names = ["budget", "effects", "cast", "reviews", "tickets"]
cl.draw(film, latent=["director", "franchise"], title="The true DAG; dashed: hidden")

# %% [markdown]
# The learner never sees this picture. It may only ask an oracle: *are x and y independent given this set?*
#
# ## The plan
#
# Every algorithm here has the same two parts.
#
# 1. **Skeleton**: begin with an edge between every two variables. Take an edge away as soon as a set is found that makes its ends independent, the **separating
#    set** of the two. Try small sets first.
# 2. **Orientation**: all ends begin as circles. Rules turn circles into arrowheads and tails.
#
# The trouble: with k variables there are $2^{k-2}$ sets to try for each edge. Which ones are worth a try? In a DAG without hidden variables the answer is
# simple: if any set separates x and y, then a set of neighbours of x or a set of neighbours of y does.
#
# ### Exercise 4.1: candidates among the neighbours
#
# `adjacent` is a k × k matrix of truth values. Write a function that returns the candidate sets of one size for the edge x–y: all subsets of that size of the
# neighbours of x (without y), and of the neighbours of y (without x). Return a set of tuples in ascending order, so that none counts twice.
#
# <details><summary>Hint</summary><code>combinations(pool, size)</code> gives ascending tuples if the pool is ascending. Make two pools,
# one for x and one for y, and unite the two <em>sets of tuples</em>, not the pools.</details>


# %% tags=["exercise"]
def neighbour_sets(adjacent, x, y, size):
    raise NotImplementedError("Exercise 4.1: return the candidate sets of this size as a set of tuples")


# %% tags=["solution"]
def neighbour_sets(adjacent, x, y, size):
    around_x = [z for z in range(len(adjacent)) if adjacent[x, z] and z != y]
    around_y = [z for z in range(len(adjacent)) if adjacent[y, z] and z != x]
    return set(combinations(around_x, size)) | set(combinations(around_y, size))


# %% tags=["check"]
check("4.1", neighbour_sets)

# %% [markdown]
# ## Sizes 0 and 1
#
# Here are the first two rounds on the film. Round *r* tests every remaining edge with sets of *r* variables. We let the package do it and stop it with
# `max_size`; its `trace` keeps every step.

# %%
oracle = cl.DSeparation(film, names)
rounds = [cl.learn_pag(oracle, labels=names, max_size=r, trace=True, selection_bias=False) for r in range(4)]


def by_round(trace):
    """The steps of each round; a step "level" begins a round."""
    begins = [k for k, step in enumerate(trace) if step.kind == "level"]
    return [trace[a:b] for a, b in pairwise([*begins, len(trace)])]


# %%
def told(step):
    """One step of a trace in words."""
    held = ", ".join(names[z] for z in step.given) or "nothing"
    if step.kind == "test":
        return f"{names[step.x]} and {names[step.y]} given {held}: {'independent' if step.independent else 'dependent'}"
    return f"remove {names[step.x]} – {names[step.y]}, separated by {held}"


for r, steps in enumerate(by_round(rounds[1].trace)):
    tests = [step for step in steps if step.kind == "test" and step.size == r]
    print(f"Round {r}: {len(tests)} tests, {sum(step.independent for step in tests)} found independent")
    for step in [*tests[:2], *(step for step in steps if step.kind == "remove")]:
        print("   ", told(step))

# %%
complete = cl.PAG((~np.eye(5, dtype=bool)).astype(np.int8), labels=names)
at = cl.draw(complete).positions  # every picture of the film graph keeps these places
cl.draw(rounds[1], before=rounds[0], positions=at, title="After round 1, with what changed since round 0")

# %% [markdown]
# Three edges are gone. Marks have appeared as well. Where did they come from?
#
# ## Colliders first
#
# Take three variables x ∗—∗ z ∗—∗ y, where x and y have no edge. They were separated by some set. If z is **not** in that set, then z must be a collider: x ∗→ z ←∗ y. (Were z a chain or a fork, it
# would have to be held fixed to separate them.) This is rule R0, where the first arrowheads come from.
#
# ### Exercise 4.2: orient the colliders
#
# Write a function from `adjacent` and `separating_sets` (a dictionary from (x, y), x < y, not adjacent, to a tuple) to a marks matrix: circles (1) at both ends of every edge, then arrowheads (2) at every collider.
#
# <details><summary>Hint</summary>Start from <code>marks = adjacent.astype(int)</code>. For each pair in the dictionary and each z adjacent to both: the arrowhead is <em>at z</em>, so it
# is written to <code>marks[x, z]</code> and <code>marks[y, z]</code>.</details>


# %% tags=["exercise"]
def orient_colliders(adjacent, separating_sets):
    raise NotImplementedError("Exercise 4.2: return the marks after R0")


# %% tags=["solution"]
def orient_colliders(adjacent, separating_sets):
    marks = adjacent.astype(int)
    for (x, y), separating in separating_sets.items():
        for z in range(len(adjacent)):
            if adjacent[x, z] and adjacent[y, z] and z not in separating:
                marks[x, z] = marks[y, z] = Mark.ARROW
    return marks


# %% tags=["check"]
check("4.2", orient_colliders)

# %% tags=["question"]
check("4.a", "c")

# %% [markdown]
# ## Rules that follow
#
# Once there are arrowheads, more marks follow by reasoning, not by tests. Zhang (2008) proved that ten rules suffice: no further mark can be
# known. The first shows how they all work.
#
# **R1**. If x ∗→ z o—∗ y, and x and y are not adjacent, then z → y. *Why?* There is an arrowhead at z already. If there were one from y too, z would be a collider, and R0 would have found it. So the mark
# at z on z–y is a tail; and since z causes y, y does not cause z: an arrowhead at y.
#
# ### Exercise 4.3: R1
#
# Write a function that takes marks and returns a new matrix with R1 applied once to every triple (reading the old marks, writing to the new ones).
#
# <details><summary>Hint</summary>Three loops, and <code>new = marks.copy()</code>. "x ∗→ z" is <code>marks[x, z] == 2</code>. "Circle at z on z–y" is <code>marks[y, z] == 1</code>. The tail at z goes into
# <code>new[y, z]</code>, the arrowhead at y into <code>new[z, y]</code>.</details>


# %% tags=["exercise"]
def rule_1(marks):
    raise NotImplementedError("Exercise 4.3: return the marks after one round of R1")


# %% tags=["solution"]
def rule_1(marks):
    new = marks.copy()
    k = len(marks)
    for x in range(k):
        for z in range(k):
            for y in range(k):
                if x != y and marks[x, z] == Mark.ARROW and marks[y, z] == Mark.CIRCLE and not marks[x, y]:
                    new[y, z], new[z, y] = Mark.TAIL, Mark.ARROW
    return new


# %% tags=["check"]
check("4.3", rule_1)

# %% [markdown]
# **R2**. If α → β ∗→ γ or α ∗→ β → γ, and the mark at γ on α ∗—o γ is a circle, then it becomes an arrowhead: α ∗→ γ. *Why?* Were γ a cause of α, then in the first case it would cause β too, and in the second
# β would cause α; an arrowhead says that it does not. The other rules combine the same two ideas: no new collider, no circle of causes.
#
# Each rule is one short function in `cleann_lite/causal/orientation.py`, named as in the paper. Here is what they did in round 1. (Before the package believes a collider, it takes a **second look**: with z
# added to the separating set, x and y must be dependent. A true collider always passes; with data, this keeps one wrong test from misleading all rules that follow.)

# %%
mark_words = {Mark.CIRCLE: "circle", Mark.ARROW: "arrowhead", Mark.TAIL: "tail"}
for step in by_round(rounds[1].trace)[1]:
    if step.kind == "test" and step.size == 2:
        print(f"second look: {told(step)}")
    if step.kind == "orient":
        print(f"{step.rule}: {mark_words[step.mark]} at {names[step.y]}, on its edge with {names[step.x]}")

# %% [markdown]
# ## The edge that will not go
#
# Go on with neighbours only, up to any size. Reviews and tickets stay joined, although in truth nothing joins them.


# %%
candidates = yours("4.1", neighbour_sets)


def neighbours_only(test, k):
    """The skeleton that comes from sets of neighbours alone (the PC algorithm)."""
    adjacent = ~np.eye(k, dtype=bool)
    for size in range(k - 1):
        for x, y in np.argwhere(np.triu(adjacent)):
            if any(test.independent(x, y, given) for given in candidates(adjacent, x, y, size)):
                adjacent[x, y] = adjacent[y, x] = False
    return adjacent


# %%
x, y = names.index("reviews"), names.index("tickets")
skeleton = neighbours_only(oracle, len(names))
print(f"reviews – tickets after neighbours only: {'still joined' if skeleton[x, y] else 'gone'}")
for size in range(4):
    for s in combinations(range(3), size):
        if oracle.independent(x, y, s):
            print(f"the set that separates them: {', '.join(names[z] for z in s)}")

# %% tags=["question"]
check("4.c", "b")

# %% [markdown]
# The separating set contains *budget*, which is a neighbour of neither. Why is it needed? Holding *effects* and *cast* fixed is necessary to close the paths through
# them; but each is also a collider on another path (director → cast ← budget, franchise → effects ← budget), and holding it fixed opens that one. *Budget* closes it again. With hidden causes, a separating set may reach further than the neighbours.
#
# ## PDS-paths: how far to reach
#
# How far? Along paths that conditioning can open. A path from x is a **PDS-path** if each node inside it is a collider on it, or forms a triangle with its two neighbours on the path (then the present marks cannot tell). The nodes that a PDS-path from x arrives at are
# the *possible d-separating* nodes of x.
#
# - **FCI** (Fast Causal Inference) first goes through the neighbours, orients, collects the possible d-separating nodes of x and of y, and tries their subsets, size by size. Then it orients again.
# - **ICD** (Iterative Causal Discovery) has one stage. In round *r* it tries sets of *r* nodes in which every member has a PDS-path from x (or from y) of at most *r* steps **inside the set**, and, from round 2 on, may be an ancestor of x or y. After every round it orients anew.
#   So each round begins with a better graph, and stopping after round *r* leaves a PAG that is right as far as sets of *r* variables can tell.
#
# ### Exercise 4.4: is the set legal?
#
# A set Z is *legal* for the root x if each member can be reached from x by a PDS-path whose inner nodes all lie in Z. Write the test. `goes_on(marks, u, v, w)` below tells whether a PDS-path that came from u to v may go on to w.
#
# <details><summary>Hint</summary>Whether a path may go on from v depends on where it came from. So search over pairs (previous, current): start with (root, z) for every neighbour z of the root in Z, and from (u, v) go to (v, w) for every w in Z that goes_on allows.
# A pair is visited once; a node may be visited from several sides.</details>


# %%
def goes_on(marks, u, v, w):
    """May a PDS-path … u, v go on to w? Only if v is a collider, or u, v, w form a triangle."""
    if u == w or not marks[v, w]:
        return False
    return bool(marks[u, w]) or (marks[u, v] == Mark.ARROW and marks[w, v] == Mark.ARROW)


# %% tags=["exercise"]
def is_legal(marks, root, Z):
    raise NotImplementedError("Exercise 4.4: return True if every member of Z has a PDS-path inside Z")


# %% tags=["solution"]
def is_legal(marks, root, Z):
    waiting = [(root, z) for z in Z if marks[root, z]]
    seen = set(waiting)
    while waiting:
        u, v = waiting.pop()
        for w in Z:
            if (v, w) not in seen and goes_on(marks, u, v, w):
                seen.add((v, w))
                waiting.append((v, w))
    return set(Z) <= {v for _, v in seen}


# %% tags=["check"]
check("4.4", is_legal)

# %% [markdown]
# ## Your own ICD
#
# You have written all the parts. Put together they are ICD with R0 and the first of the ten rules: the test asks, legal sets say what to ask (without the condition on ancestors, so a few more are asked), R0 and R1 orient after every round.
# (Where an exercise is not solved yet, the package's function takes its place.)

# %%
legal, colliders, r1 = yours("4.4", is_legal), yours("4.2", orient_colliders), yours("4.3", rule_1)


def oriented(adjacent, separating):
    """R0, then R1 until nothing changes."""
    marks = colliders(adjacent, separating)
    while not np.array_equal(new := r1(marks), marks):
        marks = new
    return marks


# %%
def my_icd(test, k):
    """Marks and separating sets: every round asks legal sets of one more variable."""
    adjacent, separating = ~np.eye(k, dtype=bool), {}
    for size in range(k - 1):
        marks = oriented(adjacent, separating)
        for x, y in np.argwhere(np.triu(adjacent)).tolist():
            for given in combinations([z for z in range(k) if z not in (x, y)], size):
                if (legal(marks, x, given) or legal(marks, y, given)) and test.independent(x, y, given):
                    separating[x, y] = given
                    adjacent[x, y] = adjacent[y, x] = False
                    break
    return oriented(adjacent, separating), separating


# %%
final = cl.learn_pag(oracle, labels=names, selection_bias=False)
mine, separating = my_icd(oracle, len(names))
print("same edges as cl.learn_pag:", np.array_equal(mine != 0, final.marks != 0))
print(f"marks that differ: {(mine != final.marks).sum()} of {(mine != 0).sum()}")
for (a, b), given in separating.items():
    print(f"   {names[a]} and {names[b]}, separated by {', '.join(names[z] for z in given) or 'nothing'}")

# %% [markdown]
# ## ICD, round by round
#
# The pictures show the film after each round, with what changed in it.

# %%
strip(
    {
        "round 0": cl.draw(rounds[0], positions=at, legend=False),
        "round 1": cl.draw(rounds[1], before=rounds[0], positions=at, legend=False),
        "round 2": cl.draw(rounds[2], before=rounds[1], positions=at, legend=False),
        "round 3": cl.draw(rounds[3], before=rounds[2], positions=at, legend=False),
    }
)

# %% [markdown]
# Now step through it yourself: every test, every edge that goes, every rule. Choose the pace, or press play.

# %%
DiscoveryStepper(oracle, names, pace="change")

# %%
for r, steps in enumerate(by_round(rounds[3].trace)):
    tests = [step for step in steps if step.kind == "test"]
    looks = sum(step.size != r for step in tests)  # the second looks have another size
    removed = [step for step in steps if step.kind == "remove"]
    print(f"Round {r}: tests {len(tests) - looks}, second looks {looks}, edges removed {len(removed)}")
    for step in removed:
        print("   ", told(step))

# %% tags=["question"]
check("4.b", "a")

# %%
for sentence in final.describe():
    print(sentence)

# %% [markdown]
# **When does ICD stop?** Not when a round removes nothing: round 2 removed nothing here, and round 3 the edge that would not go. It stops when no edge has a legal set of the size asked for, because
# then none has a larger one to ask about either. `pag.complete` says whether it came to that end or was stopped before.
#
# ## What it costs
#
# Both algorithms end at the same PAG if the test never errs. They differ in what they ask. Draw twenty random graphs with hidden variables, and count distinct tests by the size of the conditioning set.

# %%
rng = np.random.default_rng(4)
drawn = [random_latent_dag(12, 2.5, rng, connected=True) for _ in range(20)]
counts, learned = {}, {}
for method in ("fci", "icd"):
    tests = [cl.DSeparation(g.dag, g.observed) for g in drawn]
    learned[method] = [cl.learn_pag(test, method=method) for test in tests]
    counts[method] = np.zeros(12)
    for test in tests:
        by_size = test.tests_by_size()
        counts[method][: len(by_size)] += np.array(by_size) / len(drawn)
agree = sum(a == b for a, b in zip(learned["fci"], learned["icd"], strict=True))
print(f"same PAG from both: {agree} of {len(drawn)}")

# %%
last = max(np.flatnonzero(c).max() for c in counts.values()) + 1
series = {f"{method.upper()}: {c.sum():.0f} tests": c[:last] for method, c in counts.items()}
bars(range(last), series, f"Mean number of tests by size. {', '.join(series)}. ICD asks fewer large ones.",
     xlabel="size of the conditioning set", ylabel="tests, mean")  # fmt: skip

# %% [markdown]
# Fewer tests with large conditioning sets means more than time: those tests are the least reliable ones (each conditioning variable costs a sample).
#
# ## In practice
#
# - **Data err; the oracle does not.** With a real test two rules may contradict each other. The package lets an arrowhead win within one application, takes back what still contradicts itself at the end (notebook 05), and never depends on how the variables are numbered.
# - **Order independence**: all edges of one size are tested on the same graph and removed together. `order_independent=False` gives the papers' immediate removal.
# - **Anytime**: `max_size=1` or `2` gives a coarser graph in a fraction of the time, valid for what was asked.
# - **Keep the separating sets.** They are the evidence for every missing edge: `pag.separating_set(x, y)`.
#
# ## On your own
#
# 1. Give the learner data instead of the oracle: `planted_sem` and `PartialCorrelation` from notebook 02, with the director and the franchise left out by `nodes=`.
# 2. Compare `method="icd"` and `method="fci"` on that data. Do they still agree?
# 3. Read `rule_4` in `cleann_lite/causal/orientation.py`. Which picture would you draw for it?
#
# ## Further reading
#
# - R. Y. Rohekar, S. Nisimov, Y. Gurwicz, G. Novik. *Iterative Causal Discovery in the Possible Presence of Latent Confounders and Selection Bias.* NeurIPS 2021. arXiv:2111.04095.
# - J. Zhang. *On the completeness of orientation rules for causal discovery in the presence of latent confounders and selection bias.* Artificial Intelligence 172, 2008.
# - D. Colombo, M. H. Maathuis. *Order-independent constraint-based causal structure learning.* Journal of Machine Learning Research 15, 2014.
#
# **Next:** [05, learn a graph from real attention](05_learn_from_real_attention.ipynb)
