# %% [markdown]
# # Draw graphs with hidden causes
#
# Not every cause is in the data. In a sentence, the tokens that we leave out of a graph still act on those that we keep. This notebook
# is about graphs that admit it: what a circle at the end of an edge means, and how to read one without
# claiming too much.
#
# | | |
# |---|---|
# | **You will do** | decide by eye whether a path is open, hide a common cause and watch the graph change, list every model that a graph stands for |
# | **You will learn** | d-separation, the way from a DAG to a MAG to a PAG, the three marks, and how selection leaves its trace |
# | **You need** | notebook 02: chain, fork, collider, and what conditioning does to them |
# | **Time** | 60 minutes to work through; the cells run for a few seconds on two CPU cores and stay below 0.5 GB |

# %% tags=["setup"]
import networkx as nx
import numpy as np

import cleann_lite as cl
from cleann_lite import Mark
from cleann_lite.course import check, mag_of_dag

# %% tags=["question", "recall"]
check("2.c", "b")

# %% [markdown]
# ## A story with a hidden cause
#
# Sunny days sell ice cream, and cause sunburn. A discount sells ice cream too; going without lotion causes sunburn
# too; a sunburn itches. This is a **DAG**, a directed graph without cycles. Suppose nobody wrote down the weather: *sun* is a **hidden** cause,
# also called **latent**, and is drawn with a dashed frame.

# %%
story = nx.DiGraph(
    [
        ("discount", "ice cream"),
        ("sun", "ice cream"),
        ("sun", "sunburn"),
        ("no lotion", "sunburn"),
        ("sunburn", "itching"),
    ]
)
observed = ["discount", "ice cream", "no lotion", "sunburn", "itching"]
cl.draw(story, latent=["sun"], title="The true story, with sun hidden")

# %% [markdown]
# ## When is a path open?
#
# A **path** walks along edges, in whatever direction they point. A node inside a path is a **collider** on it if both
# of its edges on the path point at it (… → v ← …); otherwise it passes something on (chain) or sends it out (fork).
# Given a set Z of variables held fixed:
#
# - a non-collider **blocks** the path if it is in Z;
# - a collider blocks the path **unless** it, or something that it causes, is in Z. (You saw why: conditioning on a common
#   effect ties its causes together. An effect of the effect does so too.)
#
# A path without a blocking node is **open**. If no path between two variables is open given Z, they are **d-separated** given Z,
# and then they are independent given Z in every model with this graph.
#
# ### Exercise 3.1: open or blocked?
#
# Write a function from a DAG (a `networkx.DiGraph`), a path (a list of nodes) and a set `given` to True if the path is
# open, else False. The ends of the path are not in `given`.
#
# <details><summary>Hint</summary>Walk over the inner nodes: <code>for u, v, w in zip(path, path[1:], path[2:])</code>. v is a
# collider if <code>dag.has_edge(u, v) and dag.has_edge(w, v)</code>. <code>nx.descendants(dag, v)</code> is the set of all
# that v causes, without v itself.</details>


# %% tags=["exercise"]
def is_open(dag, path, given):
    raise NotImplementedError("Exercise 3.1: return True if the path is open given the set")


# %% tags=["solution"]
def is_open(dag, path, given):
    for u, v, w in zip(path, path[1:], path[2:], strict=False):
        if dag.has_edge(u, v) and dag.has_edge(w, v):
            if not ({v} | nx.descendants(dag, v)) & set(given):
                return False
        elif v in given:
            return False
    return True


# %% tags=["check"]
check("3.1", is_open)

# %% [markdown]
# `cl.DSeparation` answers the same question for whole graphs. It is a test like `PartialCorrelation`, with the same two
# methods, but it never errs, because it looks at the true DAG. Such a test is called an **oracle**.

# %%
oracle = cl.DSeparation(story, observed)
questions = [
    ("ice cream", "sunburn", []),
    ("ice cream", "sunburn", ["discount", "no lotion", "itching"]),
    ("discount", "sunburn", []),
    ("discount", "sunburn", ["ice cream"]),
    ("no lotion", "itching", ["sunburn"]),
]
for x, y, given in questions:
    answer = oracle.independent(observed.index(x), observed.index(y), [observed.index(z) for z in given])
    held = f" given {', '.join(given)}" if given else ""
    print(f"{x} and {y}{held}: {'independent' if answer else 'dependent'}")

# %% [markdown]
# Ice cream and sunburn stay dependent whatever we hold fixed: the path through *sun* cannot be closed, because we did
# not record *sun*. So any graph over the five observed variables must join them, although neither causes the
# other. We need a new kind of edge.
#
# ## From DAG to MAG
#
# A **maximal ancestral graph** (MAG) has the observed variables only. It is **ancestral**: its marks speak of causes, whatever lies between,
# and causes do not run in circles. It is **maximal**: two variables are joined exactly if no set of observed ones separates them, so a missing edge always
# says that some set does. Each end of an edge carries a **mark** that says who causes whom:
#
# - a **tail** at x on x —∗ y: x is a cause of y (by whatever way, through variables of the graph or through others);
# - an **arrowhead** at x on x ←∗ y: x is *not* a cause of y.
#
# (The star stands for any mark.) So x → y has a tail at x and an arrowhead at y, as usual. New is **x ↔ y**: neither causes the other, yet they
# are joined. Something hidden does that.

# %%
mag = cl.PAG(mag_of_dag(story, observed), labels=observed)
cl.draw(mag, title="The MAG over the five observed variables")

# %% [markdown]
# ## From MAG to PAG
#
# Different MAGs can have exactly the same independences. No data can tell them apart. A **partial ancestral graph** (PAG) stands for all of
# them together: where they agree on a mark, it has that mark; where they differ, it has a **circle**. `cl.learn_pag` finds it by
# asking the oracle for independences, and nothing else; notebook 04 shows how. (`selection_bias=False`: nothing selected these days for us; the last section allows for it.)

# %%
pag = cl.learn_pag(oracle, labels=observed, selection_bias=False)
cl.draw(pag, title="The PAG: what independences alone can tell")

# %% [markdown]
# Read it aloud, edge by edge. A circle is an honest "cannot be known from these variables":

# %%
for sentence in pag.describe():
    print(sentence)

# %% tags=["question"]
check("3.a", "b")

# %% [markdown]
# Look at what *is* known. Ice cream and sunburn: two arrowheads, so something hidden causes both, found without ever recording
# *sun*. Sunburn and itching: a tail and an arrowhead, so sunburn causes itching. At *discount* there is a circle: it may cause ice cream sales, or share
# a hidden cause with them.
#
# ## One matrix of marks
#
# The package keeps a PAG in one integer matrix, encoded as the field does. The rule to remember:
#
# > `marks[i, j]` is the mark **at j** on the edge between i and j: 0 no edge, 1 circle, 2 arrowhead, 3 tail.

# %%
width = max(map(len, observed))
print(" " * width, *(f"{name:>{width}}" for name in observed))
for name, row in zip(observed, pag.marks, strict=True):
    print(f"{name:>{width}}", *(f"{Mark(mark).name.lower() if mark else '.':>{width}}" for mark in row))

# %% tags=["question"]
check("3.b", "c")

# %% [markdown]
# ### Exercise 3.2: may it be a direct cause?
#
# Write a function from a marks matrix and two indices to True if the edge between i and j **allows** i to be a
# cause of j: there is an edge, no arrowhead *at i* (that would say "i is not a cause of j"), and no tail *at j* (that would say "j is a cause
# of i", and causes do not run in circles).
#
# <details><summary>Hint</summary>The mark at i sits in <code>marks[j, i]</code>, not in <code>marks[i, j]</code>. Circles
# allow both.</details>


# %% tags=["exercise"]
def may_cause(marks, i, j):
    raise NotImplementedError("Exercise 3.2: return True if the edge allows i to be a cause of j")


# %% tags=["solution"]
def may_cause(marks, i, j):
    return bool(marks[i, j] != 0 and marks[j, i] != Mark.ARROW and marks[i, j] != Mark.TAIL)


# %% tags=["check"]
check("3.2", may_cause)

# %% [markdown]
# A path on which every step passes this check is **possibly directed**. If one leads from x to y, then x is a **possible ancestor** of y:
# it may be a cause of y, directly or by way of others. If none does, x is certainly not a cause of y. Keep this apart from the PDS-paths of notebook 04,
# along which explanations are proposed: those may pass ↔, so a word can be proposed that is not a possible ancestor of the outcome. Notebook 06 says why.
#
# ### Exercise 3.3: possible ancestors
#
# Write a function from a marks matrix and a target index to the set of all possible ancestors of the target, without the target.
#
# <details><summary>Hint</summary>Walk backwards: start from the target, and collect every i with
# <code>may_cause(marks, i, j)</code> for some j already collected. Go on until nothing new comes.</details>


# %% tags=["exercise"]
def possible_ancestors(marks, target):
    raise NotImplementedError("Exercise 3.3: return the set of possible ancestors of the target")


# %% tags=["solution"]
def possible_ancestors(marks, target):
    found, waiting = set(), [target]
    while waiting:
        j = waiting.pop()
        for i in range(len(marks)):
            if i != target and i not in found and may_cause(marks, i, j):
                found.add(i)
                waiting.append(i)
    return found


# %% tags=["check"]
check("3.3", possible_ancestors)

# %%
for target in ("itching", "ice cream"):
    reach = pag.possible_ancestors[:, observed.index(target)]
    names = [name for name, may in zip(observed, reach, strict=True) if may and name != target]
    print(f"possible ancestors of {target}: {', '.join(names)}")

# %% tags=["question"]
check("3.c", "a")

# %% [markdown]
# ## Everything that a circle leaves open
#
# What does a PAG stand for? Its **members**: all MAGs with the same independences. For a small PAG we can list them. Take
# three variables in a row, where the outer two are independent given the middle one:

# %%
row = nx.DiGraph([("script", "acting"), ("acting", "applause")])
names = ["script", "acting", "applause"]
row_pag = cl.learn_pag(cl.DSeparation(row, names), labels=names)
members = list(cl.members(row_pag))
print(f"{len(members)} members:")
for member in members:
    print("   " + ",  ".join(str(member).splitlines()))
cl.draw(row_pag, title="One PAG for all of them")

# %% [markdown]
# (A line without arrowheads, `---`, has tails at both ends; the last section explains it.) In no member is *acting* a collider: that, and nothing else, is what the independence of the outer two given *acting* reveals. The truth
# (script → acting → applause) is one of the members, and no test on these three variables can pick it out.
#
# ### Exercise 3.4: from members to PAG
#
# Write a function from a list of marks matrices (all over the same variables and with the same edges) to the marks of the PAG: the common mark where all
# agree, a circle (1) where they do not, 0 where there is no edge.
#
# <details><summary>Hint</summary>Compare all with the first: <code>(np.array(members) == members[0]).all(axis=0)</code>
# is True where all agree; <code>np.where</code> does the rest. Where there is no edge, all agree on 0.</details>


# %% tags=["exercise"]
def common_marks(members):
    raise NotImplementedError("Exercise 3.4: return the marks of the PAG of these members")


# %% tags=["solution"]
def common_marks(members):
    members = np.array(members)
    return np.where((members == members[0]).all(axis=0), members[0], 1)


# %% tags=["check"]
check("3.4", common_marks)

# %% [markdown]
# ## Selection: when being in the data is an effect
#
# A hidden cause is one way to be misled. The other: the data contain only cases that something *selected*. Suppose talent and
# luck are independent, and both help a film to be shown in cinemas; we only see films that were shown. Then talent and luck
# are dependent *in our data*, though nothing joins them. It is a collider again, *shown*, held fixed for us.

# %%
cinema = nx.DiGraph([("talent", "shown"), ("luck", "shown"), ("talent", "fame"), ("luck", "wealth")])
seen = ["talent", "luck", "fame", "wealth"]
everything = cl.DSeparation(cinema, seen)
selected = cl.DSeparation(cinema, seen, selection=["shown"])
print("talent and luck, all films:  ", "independent" if everything.independent(0, 1) else "dependent")
print("talent and luck, films shown:", "independent" if selected.independent(0, 1) else "dependent")
print()
for sentence in cl.learn_pag(selected, labels=seen).describe():
    print(sentence)

# %% tags=["question"]
check("3.d", "b")

# %% [markdown]
# With four variables all marks stay circles: neither a hidden cause nor selection can be excluded. Some graphs do prove selection: an edge with **two tails**,
# x — y, says that both are causes of what the data were selected by. Four diseases in a ring, each two neighbours leading to the same clinic, do it:

# %%
diseases = ["asthma", "bronchitis", "cough", "dust allergy"]
ring = nx.DiGraph()
for k, name in enumerate(diseases):
    ring.add_edge(name, f"clinic {k}")
    ring.add_edge(diseases[(k + 1) % 4], f"clinic {k}")
clinics = [f"clinic {k}" for k in range(4)]
clinic_pag = cl.learn_pag(cl.DSeparation(ring, diseases, selection=clinics), labels=diseases)
corners = [(0, 0), (220, 0), (220, 150), (0, 150)]  # drawn as the ring that it is
cl.draw(clinic_pag, positions=dict(zip(range(4), corners, strict=True)), title="A ring of selections: tails at every end")

# %% [markdown]
# So where selection may be at work, a tail says a little less than before: x causes y, **or what the data were selected by**. Read "causes" in the lists above with this in mind.
#
# A sentence is a selection too: words do not meet by chance. This is why the package allows for selection unless told otherwise (`selection_bias=False`).
#
# ## In practice
#
# - Read marks, not lines. The line says "dependent whatever is held fixed"; the marks say who may cause whom.
# - **No edge** is a strong statement: some set of the others makes the two independent. `PAG.separating_set(x, y)` names it.
# - **A circle is not a weak arrowhead.** It says that models of both kinds fit equally well.
# - A hidden cause of two tokens is often a token that you left out. It is hidden because you chose so.
#
# ## On your own
#
# 1. Write *sun* down: give `cl.DSeparation` the list `[*observed, "sun"]`. Which marks change, and why?
# 2. How many members has the PAG of the story? (`len(list(cl.members(pag)))`)
# 3. Which set separates *discount* and *itching*? `pag.separating_set(0, 4)`. Why is it enough?
#
# ## Further reading
#
# - T. Richardson, P. Spirtes. *Ancestral graph Markov models.* Annals of Statistics 30, 2002.
# - J. Zhang. *On the completeness of orientation rules for causal discovery in the presence of latent confounders and selection bias.* Artificial Intelligence 172, 2008.
# - M. A. Hernán, S. Hernández-Díaz, J. M. Robins. *A structural approach to selection bias.* Epidemiology 15, 2004.
#
# **Next:** [04, discover with FCI and ICD step by step](04_discover_step_by_step.ipynb)
