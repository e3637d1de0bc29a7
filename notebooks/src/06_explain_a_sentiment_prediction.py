# %% [markdown]
# # Explain a sentiment prediction
#
# A graph of a head is not evidence (notebook 05). But it can *propose* which words act together on a prediction, and then the model itself can be
# asked. This is CLEANN: causal explanations from attention. You will run it once by hand, step by step, and then with one call.
#
# | | |
# |---|---|
# | **You will do** | put the outcome into the graph, grow the tree around it, order the candidates, mask them, stop at the right moment, and prove that nothing smaller works |
# | **You will learn** | the CLEANN search, what *smallest* and *certified* mean here, and how often it succeeds |
# | **You need** | notebooks 01 to 05; PDS-paths from 04 above all |
# | **Time** | 60 minutes to work through; the cells run for about twenty-five seconds on two CPU cores and stay below 1 GB |

# %% tags=["setup"]
from itertools import combinations

import numpy as np

import cleann_lite as cl
from cleann_lite import Mark
from cleann_lite.course import bars, check, pds_distances, plot_style, ranked, yours
from cleann_lite.widgets import ExplanationExplorer

plot_style()

# %% tags=["question", "recall"]
check("5.b", "c")

# %% [markdown]
# ## The prediction
#
# `pocket-sentiment` reads a text as tokens: [CLS] first, then word-pieces, [SEP] last. The probabilities are computed from what its last layer writes at [CLS]. So [CLS] *is* the outcome: its node
# in the graph is the prediction.

# %%
model = cl.load_model("pocket-sentiment")
review = "The plot is thin, but the actors are wonderful and I loved every minute."
encoded = model.encode(review)
chances = model.predict(encoded, [()])[0]  # (): nothing is masked
print(f"{encoded.outcome} ({chances[encoded.target]:.0%}), classes {model.labels}")
print("words:", " | ".join(encoded.units))
attention = model.attention(encoded)
print(f"attention of the last layer: {attention.shape[0]} heads, {attention.shape[1]} tokens")

# %% [markdown]
# ## Steps 1 and 2: one graph per head, with the outcome in it
#
# For each head: merge word-pieces into words, correlate, learn a PAG (notebook 05), over the content words and the outcome. Function words such as *a* and *with* stay in
# the input and in the mixing; they are left out of the graph and become hidden causes. One thing is known beforehand: the prediction is computed *from* the words and causes none of
# them. So the outcome comes last (`outcome_last=True`): every edge has an arrowhead at the outcome before the rules begin.

# %%
pags, nodes, notes = cl.learn_graphs(model, encoded)
words = [encoded.units[u] for u in nodes]
root = len(words)  # the outcome is the last node
head = max(
    pags, key=lambda h: len(pags[h].neighbors(pags[h].nodes[root]))
)  # the one with most edges at the outcome
pag = pags[head]
print(f"{len(pags)} graphs over {len(words)} words and the outcome; below: head {head}")
cl.draw(pag, outcome=pag.nodes[root], title=f"Head {head}, around the outcome")

# %% [markdown]
# ## Step 3: the tree around the outcome
#
# Which words can matter for the outcome, and together with which others? Those with a PDS-path from it (notebook 04). Their distance is the number of steps on
# the shortest such path. The authors call this the *potential-influence tree*; it is the PDS-tree rooted at the outcome.

# %%
distance = pds_distances(pag.marks, root)  # node -> steps; nodes out of reach are absent
for steps in sorted(set(distance.values())):
    print(f"distance {steps}: {', '.join(words[z] for z in distance if distance[z] == steps and z != root)}")
print(f"not reached: {', '.join(w for z, w in enumerate(words) if z not in distance) or 'none'}")

# %% [markdown]
# ## Step 4: candidates, nearest first
#
# A candidate is a **legal** set: every member has a PDS-path from the outcome inside the set. Small sets come first; among sets of one size, those whose
# distances add up to less.
#
# ### Exercise 6.1: order the candidates
#
# Write a function from a list of sets (tuples of nodes) and a dictionary `distance` (node -> steps from the outcome) to the list in the order in which they are to be tried: by size, then by the sum of distances, then by the tuples themselves.
#
# <details><summary>Hint</summary><code>sorted(sets, key=…)</code> takes a function that returns a tuple to compare by: size first, sum second, the set last.</details>


# %% tags=["exercise"]
def in_order(sets, distance):
    raise NotImplementedError("Exercise 6.1: return the sets in the order in which they are tried")


# %% tags=["solution"]
def in_order(sets, distance):
    return sorted(sets, key=lambda s: (len(s), sum(distance[z] for z in s), s))


# %% tags=["check"]
check("6.1", in_order)

# %%
for size in (1, 2, 3):
    legal = [members for members, _ in cl.pds_sets(pag.marks, root, size)]
    first = "; ".join(", ".join(words[z] for z in s) for s in legal[:4])
    print(f"size {size}: {len(legal)} legal sets of {len(list(combinations(words, size)))}, first: {first}")

# %% [markdown]
# ## Step 5: mask, and ask the model
#
# Masking replaces each word by [MASK], a token that the model knows from its training. A set is an **explanation** if the prediction *changes*: another class gets the largest probability.
#
# ### Exercise 6.2: which sets change the prediction?
#
# Write a function from an array of probabilities (a row for each masked input, a column for each class) and the index of the original class to the list of rows in which another class wins.
#
# <details><summary>Hint</summary>"Below one half" is not the same as "another class wins" when there are three classes. <code>argmax(axis=1)</code> names the winner of each row.</details>


# %% tags=["exercise"]
def changed(probabilities, original):
    raise NotImplementedError("Exercise 6.2: return the rows in which another class wins")


# %% tags=["solution"]
def changed(probabilities, original):
    return [k for k, winner in enumerate(np.argmax(probabilities, axis=1)) if winner != original]


# %% tags=["check"]
check("6.2", changed)

# %%
singles = [(u,) for u in nodes]
left = model.predict(encoded, singles)[:, encoded.target]
order = np.argsort(left)
lowest = [f"{words[k]} {left[k]:.2f}" for k in order[:4]]
ranked([words[k] for k in order], {f"probability of {encoded.outcome}, with this word masked": left[order]},
       f"Probability of {encoded.outcome} with one word masked; lowest: {', '.join(lowest)}.",
       upright=[(0.5, "the other class wins"), (chances[encoded.target], "nothing masked")])  # fmt: skip

# %% [markdown]
# One word at a time shows how much each word matters *alone*. Often none is enough: the others still say the same. This is why sets are needed.
#
# ## Step 6: stop at the right moment
#
# Try the sets of one word. If some of them work, these are the explanations, **all** of them; nothing larger is tried. If none works, go on to sets of two; and so on. If no set works, say so: this
# graph holds no explanation, and that is a failure to be counted.
#
# ### Exercise 6.3: the search
#
# `sets_by_size` is a list: first the list of sets of one word, then of two, … `works(s)` tells whether masking s changes the prediction. Return the list of all sets of the first size at which any works; an empty list if none does.
#
# <details><summary>Hint</summary>One loop over sizes; inside, a list of those that work; return it as soon as it is not empty.</details>


# %% tags=["exercise"]
def smallest_sets(sets_by_size, works):
    raise NotImplementedError("Exercise 6.3: return all working sets of the first size that has one")


# %% tags=["solution"]
def smallest_sets(sets_by_size, works):
    for sets in sets_by_size:
        found = [s for s in sets if works(s)]
        if found:
            return found
    return []


# %% tags=["check"]
check("6.3", smallest_sets)

# %% [markdown]
# ## Your own CLEANN
#
# Everything is written, by you. `yours` fetches your functions from the earlier notebooks (a right answer is kept when `check` accepts it) and from this one; where an exercise is not solved, the package's
# function takes its place. First the graph of one head: correlation, test, ICD with R0 and R1.

# %%
correlate, partial, p_value = yours("1.2"), yours("2.1"), yours("2.2")
legal, colliders, r1 = yours("4.4"), yours("4.2"), yours("4.3")
ancestors = yours("3.3")


def independent(C, n, x, y, given, alpha=0.01):
    """Your test; a block that cannot be inverted counts as dependent."""
    try:
        r = partial(C, x, y, list(given))
    except np.linalg.LinAlgError:
        return False
    return abs(r) < 1 and p_value(r, n, len(given)) > alpha


# %%
def oriented(adjacent, separating):
    """R0 and R1; the last node, the outcome, has an arrowhead on every edge."""
    marks = colliders(adjacent, separating)
    marks[adjacent[:, -1], -1] = Mark.ARROW
    while not np.array_equal(new := r1(marks), marks):
        marks = new
    return marks


def to_ask(marks, x, y, size):
    """Legal sets of one size for the edge x – y; from size 2 on, of possible ancestors of x or y alone."""
    possible = set(range(len(marks))) if size < 2 else {*ancestors(marks, x), *ancestors(marks, y)}
    sets = combinations(sorted(possible - {x, y}), size)
    return (s for s in sets if legal(marks, x, s) or legal(marks, y, s))


# %%
def joined(k, separating):
    """Every two of k nodes, without the pairs that were separated."""
    adjacent = ~np.eye(k, dtype=bool)
    for x, y in separating:
        adjacent[x, y] = adjacent[y, x] = False
    return adjacent


# %%
def my_graph(C, n):
    """ICD: every round asks legal sets of one more variable, and orients anew."""
    k, separating = len(C), {}
    for size in range(k - 1):
        adjacent = joined(k, separating)
        marks = oriented(adjacent, separating)
        for x, y in np.argwhere(np.triu(adjacent)).tolist():
            found = (given for given in to_ask(marks, x, y, size) if independent(C, n, x, y, given))
            if (given := next(found, None)) is not None:
                separating[x, y] = given
    return oriented(joined(k, separating), separating)

# %% [markdown]
# Then the search: legal sets around the outcome from all heads, your order, your test of change, your rule for stopping.

# %%
sort, flipped, first_size = yours("6.1", in_order), yours("6.2", changed), yours("6.3", smallest_sets)


def my_candidates(marks, size):
    """Legal sets of one size around the outcome, in the order in which they are tried."""
    root = len(marks) - 1
    distance = pds_distances(marks, root)
    reached = sorted(set(distance) - {root})
    return sort([s for s in combinations(reached, size) if legal(marks, root, s)], distance)


# %%
def my_cleann(model, encoded, nodes, largest=3):
    """The words of the smallest sets that the graphs of all heads propose and masking confirms."""
    groups = [*(encoded.tokens[u] for u in nodes), encoded.outcome_tokens]
    k = len(groups)
    correlations = [correlate(cl.words_attention(A, groups))[:k, :k] for A in model.attention(encoded)]
    graphs = [my_graph(C, model.hidden_size) for C in correlations]
    sizes = range(1, largest + 1)
    sets = [list(dict.fromkeys(s for g in graphs for s in my_candidates(g, size))) for size in sizes]

    def works(s):
        return len(flipped(model.predict(encoded, [[nodes[z] for z in s]]), encoded.target)) > 0

    return {frozenset(encoded.units[nodes[z]] for z in s) for s in first_size(sets, works)}

# %%
mine = my_cleann(model, encoded, nodes)
theirs = {frozenset(s.units) for s in cl.explain(model, review, search="cleann", certify=False).sets}
for name, found in (("both", mine & theirs), ("yours only", mine - theirs), ("the package only", theirs - mine)):
    print(f"{name}: {'; '.join(' + '.join(sorted(s)) for s in found) or 'none'}")

# %% [markdown]
# Where the two differ, their graphs differ: the package applies all rules, and looks twice before it believes a collider. Every set, yours or the package's, was confirmed by
# the model, so none of them is wrong.
#
# ## All of it in one call
#
# `cl.explain` does this for all heads together, in batches, and runs every input once. `search="cleann"` is the paper's search and no more. The default, `search="full"`, goes on where the graph leaves a question: it tries all
# single words and pairs, then grows sets word by word over *all* words, and says of each set what found it (`found_by`) and whether a graph allows it (`within_graph`).

# %%
explanation = cl.explain(model, review, search="cleann")
explanation

# %% [markdown]
# ## Is it the smallest?
#
# "The smallest set" needs care. CLEANN finds the smallest *among the sets that its graphs propose*. A smaller set that no graph proposes may work as well. To be sure, there is one way: try
# every smaller set of words. The package does so if it is affordable, and reports `certified`: True (every smaller set was tried and none works), False (a smaller one works and is shown), None (not proved).
#
# ### Exercise 6.4: certify
#
# Write a function from a set that works, the list of **all** units, and `works`, to True if no smaller set of units works, else False.
#
# <details><summary>Hint</summary>A smaller set need not be a part of the one found. <code>combinations(units, size)</code> for every size from 1 to one less than its size.</details>


# %% tags=["exercise"]
def is_smallest(found, units, works):
    raise NotImplementedError("Exercise 6.4: return True if no smaller set of units works")


# %% tags=["solution"]
def is_smallest(found, units, works):
    return not any(works(s) for size in range(1, len(found)) for s in combinations(units, size))


# %% tags=["check"]
check("6.4", is_smallest)

# %%
proof = {True: "certified: nothing smaller works", False: "a smaller set works", None: "not proved"}
trailer = "I wanted to love it, the trailer was brilliant, but the film itself is a disappointment."
for text in (review, trailer):
    e = cl.explain(model, text, search="cleann")
    print(f"{text}\n    {'; '.join(' + '.join(s.units) for s in e.sets) or 'nothing found'} ({proof[e.certified]})")
    for s in e.smaller:
        near = sum(pag.marks[-1, e.in_graph.index(s.positions[0])] != 0 for pag in e.pags.values())
        print(f"    smaller: {' + '.join(s.units)}; “{s.units[0]}” is joined to the outcome in {near} of {len(e.pags)} heads")

# %% [markdown]
# In the second review the graphs propose pairs, and a single word of them is enough. Why was it not proposed? A set of one word is legal only if the word is joined to the outcome, and this one is not, in any head: the graphs reach it by way of others. `search="full"` finds it, since it tries every single word.

# %% tags=["question"]
check("6.b", "c")

# %% [markdown]
# ## Why can a word be proposed that the graph does not call a cause?
#
# Look at the marks between the outcome and the words that explain. With the outcome last every edge ends in an arrowhead there, so three edges are possible: `-->` (the word is a cause of
# the outcome in this graph), `o->` (it may be), and `<->` (it is not; something hidden causes both).

# %%
texts = [r["text"] for r in cl.load_reviews() if len(r["text"].split()) <= 18][:14]
results = [cl.explain(model, text) for text in texts]
ends = {0: "no edge", Mark.TAIL: "-->", Mark.CIRCLE: "o->", Mark.ARROW: "<->"}  # by the mark at the word
counts, possible = dict.fromkeys(ends.values(), 0), 0
for e in results:
    for s in e.sets[:1]:
        if s.head is not None:  # a graph allows it
            pag = e.pags[s.head]
            for i in map(e.in_graph.index, s.positions):
                counts[ends[pag.marks[-1, i]]] += 1
                possible += bool(pag.possible_ancestors[i, -1])
print("edge between the outcome and a word of a set that a graph proposed:", counts)
print(f"possible causes of the outcome: {possible} of {sum(counts.values())} words")

# %% tags=["question"]
check("6.a", "b")

# %% [markdown]
# Three reasons, none of them a bug:
#
# 1. **The search walks PDS-paths, not causal paths.** Such a path may pass ↔: it collects what can become dependent with the outcome once others are held fixed. That is a wider net than "possible causes".
# 2. **The graph hides much.** Words left out, [CLS] itself, and everything that earlier layers mixed are hidden causes; a word and the outcome that both got something from there are joined by ↔. And at this *n* an edge that was missed leaves a wrong arrowhead behind (notebook 05).
# 3. **The graph is of one layer; masking is of the whole model.** The graph describes the *last mixing* only. Masking changes the input of all layers.
#
# So do not read the picture as "these words cause the prediction". Read: *the graph put them on the list, and masking them changed the answer*. Masking decides.
#
# ## How often does it work?
#
# One example proves nothing. Here are the fourteen short reviews from above.

# %%
sizes = [len(e.sets[0].units) if e.success else 0 for e in results]
certified = [e.certified for e in results if e.success]
print(f"explained: {sum(e.success for e in results)} of {len(results)}")
print(f"certified smallest: {sum(c is True for c in certified)}, not proved: {sum(c is None for c in certified)}")
print(f"inputs run by the model, median: {np.median([e.model_calls for e in results]):.0f}")
tall = np.bincount(sizes, minlength=5)
names = ["none found", *(f"{k} words" for k in range(1, len(tall)))]
told = ", ".join(f"{count} {name}" for name, count in zip(names, tall, strict=True))
bars(names, {"": tall}, f"Reviews by the size of the smallest set: {told}.", ylabel="reviews", numbers=True)

# %% tags=["question"]
check("6.c", "a")

# %%
for e in sorted((e for e in results if e.success), key=lambda e: len(e.sets[0].units))[:6]:
    print(f"{e.prediction:>8}  {', '.join(e.sets[0].units):<28} {e.input}")
for e in results:
    if not e.success:
        print(f"{e.prediction:>8}  {'(none found)':<28} {e.input}")

# %% [markdown]
# Do the words make sense to *you*? That is not the test: they made sense to the model. A word that should not matter but does is the most useful thing that an explanation can show.
#
# Beat the algorithm: choose a review or type one, click words to mask them, and look for a set that is smaller.

# %%
ExplanationExplorer(model, review)

# %% [markdown]
# ## Simpler readers beside it
#
# Do you need a graph for this? Attention and gradients rank words too: mask the first of the ranking, then the first two, and so on until the prediction changes.

# %%
def told(e):
    """Size of the set and inputs run, or that none was found."""
    return f"{f'{len(e.sets[0].units)} words' if e.success else 'none found'}, {e.model_calls:3} inputs"


print(f"{'CLEANN':>24}   {'attention':>24}   {'gradient':>24}")
for text in texts[:6]:
    graph = cl.explain(model, text, search="cleann", certify=False)
    ranked_by = [cl.explain_by(model, text, score) for score in ("attention", "gradient-x-input")]
    print("   ".join(f"{told(e):>24}" for e in (graph, *ranked_by)), "  ", text[:40])

# %% [markdown]
# A ranking proposes one set of each size, so it is cheap; it never takes a word back, so its sets may be larger. Six texts decide nothing. Notebook 09 compares on five hundred, with rivals that may try as many sets *of each size* as CLEANN.
#
# ## What depends on what you chose
#
# α, *n*, the heads, words or pieces, which words are in the graph: each is a choice. Here is one review under several α.

# %%
for alpha in (0.1, 0.01, 1e-3, 1e-5):
    e = cl.explain(model, review, alpha=alpha, search="cleann")
    edges = np.mean([(p.marks != 0).sum() / 2 for p in e.pags.values()])
    found = "; ".join(", ".join(s.units) for s in e.sets[:3]) or "nothing found"
    print(f"α = {alpha:<7g} {edges:4.1f} edges a head, {e.model_calls:4} inputs: {found}")

# %% [markdown]
# ## Why this word here?
#
# A masked-word model fills in what is hidden; the same search then asks which of the other words made it choose *this* word. The chosen word is put in its place when the attention is read, and it is the outcome in the graph.

# %%
fill_in = cl.load_model("pocket-masked-word")
gap = "The acting is terrible, and the plot makes no [MASK] at all."
cl.explain(fill_in, gap)

# %% [markdown]
# Any word of a text can be asked about, whether it is masked or not: choose another one, or type a text.

# %%
ExplanationExplorer(fill_in, gap)

# %% [markdown]
# ## In practice
#
# - **Count failures.** An average over successes only flatters the method.
# - **Check the untouched prediction first**, or every set "changes" it. `cl.explain` does.
# - **[MASK] is a choice.** The model has seen it in training, but a text full of masks is not a normal text. Removing words or padding are others, with other answers.
# - A long text: only the 64 units to which the outcome attends most are in the graph, and `explanation.notes` says so.
#
# ## On your own
#
# 1. Explain only with one head: `cl.explain(model, review, heads=0)`. Which head explains most reviews alone?
# 2. `words="all"` puts function words into the graph. Do the sets become smaller? What does it cost?
# 3. Write a review that the model gets wrong. Which words misled it?
#
# ## Further reading
#
# - R. Y. Rohekar, Y. Gurwicz, S. Nisimov. *Causal Interpretation of Self-Attention in Pre-Trained Transformers.* NeurIPS 2023. arXiv:2310.20307.
# - J. DeYoung and others. *ERASER: A Benchmark to Evaluate Rationalized NLP Models.* ACL 2020. arXiv:1911.03429.
# - J. Pearl. *Causality.* 2nd edition, Cambridge University Press, 2009 (chapter 7, counterfactuals).
#
# **Next:** [07, explain a recommendation](07_explain_a_recommendation.ipynb)
