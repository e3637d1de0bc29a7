# %% [markdown]
# # Learn a graph from real attention
#
# All the parts are on the table: attention read as a model of causes (01), a test (02), graphs (03), a learner (04). Now they meet a real
# Transformer. You will get a graph out of every head. The harder question is what it is worth, and this notebook ends
# with it.
#
# | | |
# |---|---|
# | **You will do** | merge word-pieces into words, learn a graph for each of twelve heads, turn the threshold, drown a head in its sink, compare with attention that means nothing |
# | **You will learn** | the decisions between an attention matrix and a graph, and how much the graph depends on each |
# | **You need** | notebooks 01 to 04 |
# | **Time** | 60 minutes to work through; the cells run for about twenty seconds on two CPU cores and stay below 0.5 GB |

# %% tags=["setup"]
import itertools

import numpy as np

import cleann_lite as cl
from cleann_lite.course import bars, check, distinct, lines, plot_style, recorded, show
from cleann_lite.widgets import ThresholdExplorer

plot_style()
rng = np.random.default_rng(5)

# %% tags=["question", "recall"]
check("4.b", "a")

# %% [markdown]
# ## What was recorded
#
# The attention comes from all-MiniLM-L6-v2, a BERT of 6 layers with 12 heads each and a hidden size of 384, pre-trained on a large corpus of English. The recordings travel with
# the package, so nothing has to be downloaded, and no deep-learning library is needed.

# %%
for name in recorded():
    r = recorded(name)
    print(f"{name:>7}: {len(r.tokens):2} tokens, {len(r.words):2} words   {r.text[:70]}")

# %% [markdown]
# ## From word-pieces to words
#
# A tokenizer cuts rare words into pieces; a piece that goes on with a word begins with `##`. Here is one head on a sentence full of them:

# %%
r = recorded("pieces")
print(" ".join(r.tokens))
show(
    cl.heat_map(r.attention[3], r.tokens, title="Head 3, word-pieces"),
    f"Attention among {len(r.tokens)} word-pieces of one sentence.",
)

# %% [markdown]
# People think in words, so we merge pieces. Attention **to** a word is the sum over its pieces (each piece takes its share). Attention **from** a word
# is the average over its pieces (each piece has a row that sums to 1, and so must the word).
#
# ### Exercise 5.1: merge word-pieces
#
# Write a function from an attention matrix (n × n) and `groups`, a list of lists of positions that covers every position once, to the attention among words (one row and column for each group).
#
# <details><summary>Hint</summary>First the columns: stack <code>A[:, group].sum(axis=1)</code> for every group, with <code>np.column_stack</code>. Then the rows of the result in the same way, with <code>mean(axis=0)</code>. Check: rows still sum to 1.</details>


# %% tags=["exercise"]
def merge_words(A, groups):
    raise NotImplementedError("Exercise 5.1: return the attention among words, (len(groups), len(groups))")


# %% tags=["solution"]
def merge_words(A, groups):
    columns = np.column_stack([A[:, group].sum(axis=1) for group in groups])
    return np.vstack([columns[group].mean(axis=0) for group in groups])


# %% tags=["check"]
check("5.1", merge_words)

# %% [markdown]
# ## From one head to a graph
#
# `words_attention` does the merge, and keeps the tokens that belong to no word ([CLS], [SEP], punctuation) at the end: they stay in
# the mixing, and out of the graph (notebook 01, tokens of interest). Then correlation, test, learner.


# %%
def learn_head(r, head, attention=None, **options):
    """The PAG over the words of a recording under one head, at n = 384 and α = 0.01."""
    A = r.attention[head] if attention is None else attention
    test = cl.PartialCorrelation(cl.attention_correlation(cl.words_attention(A, r.groups)), 384)
    return cl.learn_pag(test, nodes=range(len(r.words)), labels=distinct(r.words), **options)  # the₁, the₂


def n_edges(pag):
    return int((pag.marks != 0).sum()) // 2


# %%
r = recorded("plot")
pag = learn_head(r, 0)
pairs = len(r.words) * (len(r.words) - 1) // 2
print(f"{r.text}\nhead 0: {n_edges(pag)} edges among {pairs} pairs of words")
cl.draw(pag, outcome=r.words.index("wonderful"), max_edges=12, title="Head 0, around 'wonderful'")

# %% [markdown]
# Read the marks as notebook 03 taught: a circle is undecided; two arrowheads mean a hidden cause, *if no test erred* (more on that below). Hidden here is
# everything outside the graph: [CLS], the punctuation, and what earlier layers have mixed in.
#
# ## Turn the threshold
#
# Two numbers were chosen for you: *n* = 384 (the hidden size) and α = 0.01. Both act through the smallest visible correlation (notebook 02).
#
# ### Exercise 5.2: edges against α
#
# Write a function from a correlation matrix ρ, n and a list of α to the list of numbers of edges in the PAG over all variables. Use `cl.PartialCorrelation` and `cl.learn_pag`.
#
# <details><summary>Hint</summary>The marks matrix holds every edge twice, as [i, j] and as [j, i].</details>


# %% tags=["exercise"]
def edge_counts(rho, n, alphas):
    raise NotImplementedError("Exercise 5.2: return the number of edges for each alpha, as a list")


# %% tags=["solution"]
def edge_counts(rho, n, alphas):
    counts = []
    for alpha in alphas:
        pag = cl.learn_pag(cl.PartialCorrelation(rho, n, alpha=alpha))
        counts.append(int((pag.marks != 0).sum()) // 2)
    return counts


# %% tags=["check"]
check("5.2", edge_counts)

# %%
alphas = np.logspace(-12, -1, 12)
curves = {}
for head in (0, 1, 11):
    test = cl.PartialCorrelation(cl.attention_correlation(cl.words_attention(r.attention[head], r.groups)), 384)
    # with_alpha keeps every p-value that was computed already
    graphs = [cl.learn_pag(test.with_alpha(a), nodes=range(len(r.words))) for a in alphas]
    curves[f"head {head}"] = [n_edges(graph) for graph in graphs]
told = "; ".join(f"{head}: {c[0]} edges at α = 1e-12, {c[-1]} at 0.1" for head, c in curves.items())
lines(alphas, curves, f"Edges against α. {told}.", xlabel="α", ylabel=f"edges, of {pairs} pairs", log="x")

# %%
steps = [b - a for counts in curves.values() for a, b in itertools.pairwise(counts)]
print(f"In {sum(step < 0 for step in steps)} of {len(steps)} steps, a larger α gave fewer edges.")

# %% [markdown]
# A larger α calls fewer things independent, so one expects more edges. Mostly so; but a larger α also keeps neighbours that can serve in a
# separating set, and one of those may remove another edge. The number of edges need not move in one direction. **No single threshold is the true one**; look at a range.
# Below, drag α by mouse or by arrow keys, and watch which edges come and go.

# %%
k = len(r.words)
correlations = [cl.attention_correlation(cl.words_attention(A, r.groups))[:k, :k] for A in r.attention]
ThresholdExplorer(correlation=np.array(correlations), words=r.words, n=384, alpha=1e-5)

# %% [markdown]
# ## The sink
#
# In many heads most tokens look at one place, often [CLS] or [SEP]: an **attention sink**.
#
# ### Exercise 5.3: find the sink
#
# Write a function from an attention matrix to a pair: the position that gets the largest share of all attention, and that share (the mean weight that a token gives it).
#
# <details><summary>Hint</summary>The mean over <em>rows</em> (the tokens that look) is <code>A.mean(axis=0)</code>; over columns you would get the same number for every token.</details>


# %% tags=["exercise"]
def find_sink(A):
    raise NotImplementedError("Exercise 5.3: return (position, share) of the sink")


# %% tags=["solution"]
def find_sink(A):
    share = A.mean(axis=0)
    return int(share.argmax()), float(share.max())


# %% tags=["check"]
check("5.3", find_sink)

# %%
sinks = [(r.tokens[int(A.mean(axis=0).argmax())], A.mean(axis=0).max()) for A in r.attention]
print("sink of each head:", ", ".join(f"{token} {share:.2f}" for token, share in sinks))

# %%
shares, median, edges, kept = [0, 0.3, 0.6, 0.8, 0.95], [], [], []
before = [learn_head(r, h).marks != 0 for h in range(12)]
k = len(r.words)
for s in shares:  # every row gives the share s to [CLS], and keeps the rest in proportion
    deeper = (1 - s) * r.attention + s * (np.arange(len(r.tokens)) == 0)
    rhos = [cl.attention_correlation(cl.words_attention(A, r.groups))[:k, :k] for A in deeper]
    after = [learn_head(r, h, attention=A).marks != 0 for h, A in enumerate(deeper)]
    median.append(np.median([rho[np.triu_indices(k, 1)] for rho in rhos]))
    edges.append(np.mean([m.sum() / 2 for m in after]))
    kept.append(np.mean([(a & b).sum() / b.sum() for a, b in zip(after, before, strict=True)]))

# %%
alt = f"Sink {shares[-1]}: median correlation {median[-1]:.3f} instead of {median[0]:.2f}; {kept[-1]:.0%} of the edges stay."
lines(shares, {"median correlation": median, "edges, share of pairs": np.array(edges) / pairs,
               "share of the first edges still there": kept}, alt,
      xlabel="share of attention added to [CLS]", ylabel="share", ylim=(0, 1.05))  # fmt: skip

# %%
print(f"with a sink of {shares[-1]}: median correlation {median[-1]:.4f}, {edges[-1]:.0f} edges a head instead of {edges[0]:.0f}")
print(f"of the edges without it, {kept[-1]:.0%} are still there")

# %% [markdown]
# A sink is a hidden common cause of all tokens: everything correlates with everything, and the plain correlations lose all contrast. The number of
# edges hardly changes, but many of them are now *other* edges. So look at the sinks before you believe a graph.
#
# ## Do heads agree?
#
# Twelve heads give twelve graphs. An edge that many heads share is worth more than an edge of one.
#
# ### Exercise 5.4: the share of heads
#
# Write a function from a list of PAGs over the same words to a matrix: entry [i, j] is the share of them in which i and j are joined.
#
# <details><summary>Hint</summary><code>pag.marks != 0</code> is a matrix of truth values; the mean of truth values is a share.</details>


# %% tags=["exercise"]
def edge_share(pags):
    raise NotImplementedError("Exercise 5.4: return the share of graphs that join i and j, as a matrix")


# %% tags=["solution"]
def edge_share(pags):
    return np.mean([pag.marks != 0 for pag in pags], axis=0)


# %% tags=["check"]
check("5.4", edge_share)

# %%
graphs = [learn_head(r, h) for h in range(12)]
share = np.mean([g.marks != 0 for g in graphs], axis=0)
often = np.argwhere(np.triu(share >= 8 / 12, 1))
for i, j in sorted(often, key=lambda ij: -share[tuple(ij)]):
    print(f"{graphs[0].labels[i]} – {graphs[0].labels[j]}: {share[i, j] * 12:.0f} of 12 heads")

# %% [markdown]
# Is that many? Compare with chance. Take the same twelve graphs and shuffle the names of the words in each: the graphs keep their shape, but which
# words are joined means nothing.

# %%
upper = np.triu_indices(len(r.words), 1)
chance = np.zeros((200, 13))  # for each shuffle: pairs joined by 0, 1, … 12 heads
for row in chance:
    orders = [rng.permutation(len(r.words)) for _ in graphs]
    count = sum((g.marks != 0)[np.ix_(o, o)] for g, o in zip(graphs, orders, strict=True))
    row += np.bincount(count[upper], minlength=13)
seen = np.bincount((share[upper] * 12).round().astype(int), minlength=13)
often = chance[:, 8:].sum(axis=1)
low, high = np.quantile(often, [0.025, 0.975])
print(f"pairs joined by 8 heads or more: {seen[8:].sum()}; in 200 shuffles {often.mean():.1f}, mostly {low:.0f} to {high:.0f}")
print(f"pairs joined by no head: {seen[0]}; in the shuffles {chance[:, 0].mean():.1f}")

# %%
alt = f"Pairs by the number of heads that join them. In 8 heads or more: {seen[8:].sum()} real, {often.mean():.1f} by chance."
bars(range(13), {"twelve real heads": seen, "names shuffled": chance.mean(axis=0)}, alt,
     xlabel="heads that join a pair", ylabel="pairs of words")  # fmt: skip

# %% tags=["question"]
check("5.c", "a")

# %% [markdown]
# The first line gives the spread of the 200 shuffles: 95 % of them lie between the last two numbers. Where the real number is outside, chance alone does not explain it. The heads agree on something. But go back to the list: it is mostly the small words that they agree on.
#
# ## Attention that means nothing
#
# One more control. Shuffle the weights inside each row of A: every token still spreads its attention as before, but over random tokens (so the sink goes too). Whatever graph comes out says nothing about the sentence.

# %%
def both_arrowheads(graph):
    """For each edge of a graph: has it an arrowhead at both ends?"""
    first, second = np.nonzero(np.triu(graph.marks))
    return (graph.marks[first, second] == 2) & (graph.marks[second, first] == 2)


noise = [learn_head(r, h, attention=rng.permuted(A, axis=1)) for h, A in enumerate(r.attention)]
for kind, of_kind in {"real": graphs, "shuffled": noise}.items():
    ends = np.concatenate([g.marks[g.marks != 0] for g in of_kind])
    both = np.mean([two for g in of_kind for two in both_arrowheads(g)])
    print(f"{kind:>8}: {np.mean([n_edges(g) for g in of_kind]):.1f} edges a head; {np.mean(ends == 1):.0%} circles, "
          f"{np.mean(ends == 2):.0%} arrowheads, {np.mean(ends == 3):.0%} tails; {both:.0%} of the edges are ↔")  # fmt: skip

# %% tags=["question"]
check("5.a", "b")

# %% [markdown]
# Meaningless attention gives graphs too, with edges, arrowheads and tails. **A graph is not evidence by being there.** This is the reason for the next notebook: a graph earns trust by what it predicts.
# CLEANN uses it to *propose* small sets of words, and then masks them and asks the model. The model's answer is evidence.
#
# ## Why are most edges ↔?
#
# An edge x ↔ y says: neither causes the other, something hidden causes both. A graph over a few words of a sentence hides a lot: [CLS] and the punctuation, and all that six layers
# have mixed into every token before. But hiding is only one way to ↔. Where a true edge is too weak to be seen at this *n*, it goes missing, and its ends look like those of a
# collider: a wrong arrowhead. Plant graphs over 14 variables, hide none or as many again, and learn once from an oracle, which never errs, and once from a test that believes in 384 samples.

# %%
def share_both(hidden, degree, n):
    """Share of ↔ among the edges of six planted graphs; n is None for the oracle."""
    both = []
    for _ in range(6):
        sem = cl.planted_sem(cl.random_dag(14 + hidden, degree, rng), rng)
        kept = rng.permutation(14 + hidden)[:14].tolist()
        test = cl.DSeparation(sem.dag, kept) if n is None else cl.PartialCorrelation(sem.correlation, n)
        graph = cl.learn_pag(test, nodes=None if n is None else kept, selection_bias=False)
        both.extend(both_arrowheads(graph))
    return np.mean(both)


# %%
for hidden, degree in ((0, 4.0), (14, 4.0), (0, 6.0), (14, 6.0)):
    exact, believed = (share_both(hidden, degree, n) for n in (None, 384))
    print(f"{hidden:2} hidden, {degree:.0f} neighbours each: {exact:4.0%} ↔ by the oracle, {believed:4.0%} at n = 384")

# %% tags=["question"]
check("5.b", "c")

# %% [markdown]
# So most ↔ of a dense graph come from edges that the test could not see, and only a part from what was hidden. A real head, with correlations near 1 and a matrix that is nearly singular, is the harder case.
# Keep both readings in mind: *these two got something from the same place, and the place is not in the picture*; or *an edge nearby was missed*. In no case does ↔ say that two words act on each other.
#
# ## Graphs that no model has
#
# With an oracle the rules never contradict each other. With a test that errs they do: one says that x causes y, another that y causes x, and in the end there may be marks that no causal model has, such as a circle of causes. `cl.learn_pag` takes such marks back (`legal=True`, the default) until some model has the graph; no edge
# is added or removed. How often is that needed? Learn the twelve heads without it:

# %%
raw = [learn_head(r, h, legal=False) for h in range(12)]
kinds = [g.legality.name for g in raw]
print("as the rules leave them:", ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))))
legal = sum(g.legality.name == "LEGAL" for g in graphs)
print(f"with legal=True: {legal} of {len(graphs)} LEGAL; marks taken back: {', '.join(str(g.undone) for g in graphs)}")

# %% [markdown]
# NO_MAG: some marks contradict each other. OTHER_MARKS: the models that fit agree on other marks than those drawn. CYCLE: a circle of causes. Such a graph can be drawn and read aloud, but not all of its sentences can be true.
#
# ## Why does ICD keep more edges than FCI?
#
# With an oracle both end at the same PAG (notebook 04). Here they do not. Count edges, and what was asked:

# %%
for method in ("icd", "fci"):
    tests = [cl.PartialCorrelation(rho, 384) for rho in correlations]
    found = [cl.learn_pag(test, method=method) for test in tests]
    asked = np.mean([(test.tests_by_size() + [0] * 5)[:5] for test in tests], axis=0)
    possible = np.mean([g.possible_ancestors.sum(axis=0) - 1 for g in found])
    print(f"{method.upper()}: {np.mean([n_edges(g) for g in found]):.1f} edges a head; tests with 0, 1, … 4 held fixed: "
          f"{', '.join(f'{count:.0f}' for count in asked)}; possible ancestors of a word: {possible:.1f}")  # fmt: skip

# %% [markdown]
# With nothing and with one word held fixed both ask the same. From two on they part: FCI goes on through the neighbours, whatever the marks; ICD asks only about words that *may be ancestors* of one of the two ends. After a round full of wrong arrowheads hardly any word may be an ancestor of another, so the set that would take an edge away is never asked about. ICD
# trusts its own marks; where tests err, it stops early and keeps edges. FCI takes away more, and what it takes away wrongly does not come back. Neither is the truth: on planted graphs in notebook 09 their skeletons are about equally good.
#
# ## Two views: which matrix should be read?
#
# *For A Aᵀ of the last layer* (Rohekar and others, 2023): what reaches the output has passed this layer; if the mixing is that of an SEM, its correlations hold the graph, and hidden causes are part of the theory.
# *Against it*: A itself already says who is looked at, and gradients say what would happen to the output. Nichani and others (2024) prove that a Transformer trained on data from a causal graph writes the edges of that graph into the attention of its *first* layer, not into similarities between rows of the last.
# On a planted graph the readers can be compared. How often does a true edge score above a missing one (one half is chance)? Take two networks of two layers with the same output and the same gradient. In one, the last layer mixes all by itself; in the other, the first layer carries each value along the edges, and the last layer carries it further.

# %%
readers = ["first layer", "A", "A Aᵀ", "gradient", "all others held fixed", "edge of the PAG"]


def scaled(S):
    return S / np.sqrt(np.outer(np.diag(S), np.diag(S)))


def read(first, last):  # but for "first layer" and "gradient", readers see the last layer alone
    rho = scaled(last @ last.T)
    graph = cl.learn_pag(cl.PartialCorrelation(rho, 384), selection_bias=False)
    return first, last, rho, last @ first, scaled(np.linalg.inv(rho)), 1.0 * (graph.marks != 0)


# %%
up = np.triu_indices(10, 1)
scores = {"the last layer mixes alone": [], "the first layer follows the edges": []}
for _ in range(20):
    W, one = cl.planted_sem(cl.random_dag(10, 2.0, rng), rng).weights, np.eye(10)
    true, mixing = (W + W.T)[up] != 0, np.linalg.inv(one - W)
    for name, first in zip(scores, (one, one + W), strict=True):
        found = [np.abs(S + S.T)[up] for S in read(first, mixing @ np.linalg.inv(first))]
        ahead = [s[true][:, None] - s[~true] for s in found]
        scores[name].append([np.mean(d > 0) + np.mean(d == 0) / 2 for d in ahead])
for name, rows in scores.items():
    print(f"{name}:", ", ".join(f"{r} {v:.2f}" for r, v in zip(readers, np.mean(rows, axis=0), strict=True)))

# %% [markdown]
# Where the last layer's mixing *is* that of an SEM, its readers do well, and the graph is in no way ahead. Where the first layer holds the edges, those who read the last layer do little better than chance, the graph among them; the gradient, which sees both layers, does equally well in both. So the dispute is not about the algebra. It is about whether the attention of a trained Transformer is such a mixing at all, and which layer's. Notebook 11 trains Transformers on planted rules and asks them, gradients included.
#
# ## Honest limits
#
# 1. The graph is of **one head on one input**. It is not the grammar of the sentence, nor the model's "reasoning".
# 2. *n* is a convention; α is a knob; the number of edges follows.
# 3. A deep sink drowns the contrast between tokens.
# 4. Values are taken as uncorrelated, which nobody guarantees; and different attention weights can give the same output (notebook 08).
# 5. Heads disagree. Report several, and say which.
# 6. Tests err. Marks may be wrong even where the graph is legal.
#
# ## In practice
#
# - Decide and state: layer, heads, *n*, α, words or pieces, which tokens are in the graph.
# - Compute the correlation from the **full** attention, then restrict the graph.
# - Compare with shuffled attention before you interpret a picture.
#
# ## On your own
#
# 1. The sentence `bank` has the word *bank* twice. Do the two have the same neighbours?
# 2. For `whale` and `plot` all layers were recorded (`.layers`). In which layer is the sink deepest?
# 3. Repeat *Do heads agree?* with n = 32, the size of one head. Is the agreement further from chance, or nearer?
# 4. Your own ICD of notebook 04 does not ask who may be an ancestor. Give it `cl.PartialCorrelation(correlations[0], 384)`. How many edges are left?
#
# ## Further reading
#
# - R. Y. Rohekar, Y. Gurwicz, S. Nisimov. *Causal Interpretation of Self-Attention in Pre-Trained Transformers.* NeurIPS 2023. arXiv:2310.20307.
# - K. Clark, U. Khandelwal, O. Levy, C. D. Manning. *What Does BERT Look At? An Analysis of BERT's Attention.* BlackboxNLP 2019. arXiv:1906.04341.
# - S. Jain, B. C. Wallace. *Attention is not Explanation.* NAACL 2019. arXiv:1902.10186.
# - E. Nichani, A. Damian, J. D. Lee. *How Transformers Learn Causal Structure with Gradient Descent.* ICML 2024. arXiv:2402.14735.
# - G. Xiao and others. *Efficient Streaming Language Models with Attention Sinks.* ICLR 2024. arXiv:2309.17453.
#
# **Next:** [06, explain a sentiment prediction](06_explain_a_sentiment_prediction.ipynb)
