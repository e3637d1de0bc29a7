# %% [markdown]
# # Build your own variant
#
# The method has five parts that can be exchanged: the test, the covariance, the learner, the model, and the causal order. This notebook exchanges each of them in a
# few lines, and asks each time: is it better, and how would we know?
#
# | | |
# |---|---|
# | **You will do** | write your own test, covariance, learner and model, measure each against the part that it replaces, and learn graphs from tables |
# | **You will learn** | where the seams of the package are, and which control each kind of variant needs |
# | **You need** | notebooks 01 to 06; 09 for measuring at scale |
# | **Time** | 75 minutes to work through; the cells run for about twenty seconds on two CPU cores and stay below 1 GB |

# %% tags=["setup"]
import networkx as nx
import numpy as np
import pandas as pd

import cleann_lite as cl
from cleann_lite.course import GSquared, PValueTest, check, plot_style, ranked, recorded

plot_style()
rng = np.random.default_rng(10)

# %% tags=["question", "recall"]
check("8.a", "b")

# %% [markdown]
# ## Your own test
#
# Fisher's test needs an α. A different question needs none: does an edge *pay* for its parameter? The Bayesian information criterion (BIC) says that x and y are independent
# given Z if the better fit with an edge, $-n\ln(1-r^2)$, is less than the price of one parameter, $\ln n$. Here r is the partial correlation.
#
# ### Exercise 10.1: the BIC rule
#
# Write a function from r and n to True if x and y count as independent.
#
# <details><summary>Hint</summary><code>np.log</code> is the natural logarithm. At r = 0 the fit gains nothing, so the answer must be True.</details>


# %% tags=["exercise"]
def bic_independent(r, n):
    raise NotImplementedError("Exercise 10.1: return True if the edge does not pay for its parameter")


# %% tags=["solution"]
def bic_independent(r, n):
    return bool(-n * np.log(1 - r**2) < np.log(n))


# %% tags=["check"]
check("10.1", bic_independent)

# %% [markdown]
# To hand it to the learner, write a class with `n_variables` and `independent(x, y, given)`: that is all that `cl.IndependenceTest` asks for. No p-value is needed.


# %%
class BIC:
    """Independent when an edge does not pay for its parameter."""

    def __init__(self, correlation, n_samples):
        self.n_variables, self.n = len(correlation), n_samples
        self.fisher = cl.PartialCorrelation(correlation, n_samples)

    def independent(self, x, y, given=()):
        r = self.fisher.partial_correlations([x], [y], [given])[0]
        return -self.n * np.log1p(-(r**2)) < np.log(self.n)


# %%
planted = [cl.planted_sem(cl.random_dag(10, 2.0, rng), rng) for _ in range(20)]
print("planted graphs found exactly, of", len(planted))
for n in (128, 768, 10**5, 10**8):
    exact = {}
    for name, test in (("Fisher, α = .01", cl.PartialCorrelation), ("BIC", BIC)):
        marks = [cl.learn_pag(test(sem.correlation, n), selection_bias=False).marks for sem in planted]
        exact[name] = sum(
            ((m != 0) == ((s.weights != 0) | (s.weights != 0).T)).all()
            for m, s in zip(marks, planted, strict=True)
        )
    print(f"n = {n:>11,}: " + ", ".join(f"{name} {count}" for name, count in exact.items()))

# %% tags=["question"]
check("10.a", "a")

# %% [markdown]
# This is the control for a test: **the planted truth**, with both halves. A test that gets worse as *n* grows is wrong; one that does well at small *n* is worth having.
#
# And yet two graphs are not exact even at n = 10⁸. Is Fisher's test wrong, then? Ask an oracle the same questions, and list where the two disagree:

# %%
for number, sem in enumerate(planted):
    test, oracle = cl.PartialCorrelation(sem.correlation, 10**8), cl.DSeparation(sem.dag, list(range(10)))
    found = cl.learn_pag(test, selection_bias=False, trace=True)
    extra = (found.marks != 0) & ~((sem.weights != 0) | (sem.weights != 0).T)
    for s in found.trace:
        if extra.any() and s.kind == "test" and s.independent != oracle.independent(s.x, s.y, s.given):
            r = test.partial_correlations([s.x], [s.y], [s.given])[0]
            print(f"graph {number} ({extra.sum() // 2} extra edges): {s.x} and {s.y} given {s.given} dependent, r = {r:.1e}")

# %% [markdown]
# One or two answers in hundreds: there, two paths cancel almost exactly, and what is left is too small to see even at this *n* (such a graph is nearly *unfaithful*). The wrong answer puts a wrong mark, the mark hides the set that would have
# separated other pairs, and their edges stay. The test is right in the limit; a learner passes its rare mistakes on.
#
# ## From a table to a graph
#
# A learner needs a test, and a test can come from any table. **Numbers** (a DataFrame): Fisher's test on correlations. **Categories**: a test of counts, $G^2$. Nothing else changes. The same chain, weather → visitors → takings, once in numbers and once cut into categories:

# %%
size = 2000
weather = rng.normal(size=size)
visitors = weather + rng.normal(size=size)
takings = visitors + rng.normal(size=size)
table = pd.DataFrame({"weather": weather, "visitors": visitors, "takings": takings})
classes = table.apply(lambda column: pd.qcut(column, 3, labels=["low", "middle", "high"]))
for name, test in (("numbers", cl.PartialCorrelation.from_data(table)), ("categories", GSquared(classes))):
    pag = cl.learn_pag(test, labels=list(table), selection_bias=False)
    print(f"{name}: {', '.join(str(pag).splitlines())};  weather and takings separated by {pag.separating_set(0, 2)}")

# %% [markdown]
# Cutting numbers into three classes costs the chain its separating set if the classes are coarse: within "middle", visitors still vary. **Mixed** tables (some columns numbers, some categories) want one test for both. A simple one takes from x and y what the given columns predict of them, and asks whether what is left still goes together, more than after shuffling. A test with a p-value is one method, `compute`; the base class remembers and counts:

# %%
def as_numbers(column):
    """A column of numbers as it is; of categories as columns of 0 and 1."""
    coded = pd.get_dummies(column) if column.dtype.name == "category" else column.to_frame()
    return coded.to_numpy(float)


# %%
class Mixed(PValueTest):
    """Does x say more of y than is given? Permutations of what is left of x tell what chance would."""

    def __init__(self, table, alpha=0.01, draws=199, seed=0):
        super().__init__(table.shape[1], alpha=alpha)
        self.columns = [as_numbers(table[name]) for name in table]
        self.draws, self.rng = draws, np.random.default_rng(seed)

    def compute(self, x, y, given):
        Z = np.column_stack([np.ones(len(self.columns[0])), *(self.columns[z] for z in given)])
        left = [v - Z @ np.linalg.lstsq(Z, v, rcond=None)[0] for v in (self.columns[x], self.columns[y])]
        orders = [np.arange(len(Z)), *(self.rng.permutation(len(Z)) for _ in range(self.draws))]
        seen, *by_chance = [np.abs(left[0][order].T @ left[1]).max() for order in orders]
        return (1 + sum(s >= seen for s in by_chance)) / (1 + self.draws)


# %%
mixed = table.assign(weather=pd.Series(np.where(weather > 0, "sun", "rain"), dtype="category"))
pag = cl.learn_pag(Mixed(mixed), labels=list(mixed), selection_bias=False)
print(", ".join(str(pag).splitlines()), "; separated by", pag.separating_set(0, 2))

# %% [markdown]
# Before you trust it: plant a chain, a fork and a collider, and see whether the right edge goes each time ("On your own", 3). In a terminal, `cleann-lite learn FILE.csv` does the first two.
#
# ## A small explorer
#
# A slider and a drawing make an explorer in ten lines: `ipywidgets` calls your function with the slider's value, and what the function returns is shown. Run the cell, and drag.

# %%
from ipywidgets import FloatLogSlider, interact

whale = recorded("whale")
rho = cl.attention_correlation(cl.words_attention(whale.attention[8], whale.groups))


@interact(alpha=FloatLogSlider(0.01, min=-12, max=-1, step=0.5, description="α"))
def at(alpha=0.01):
    """The graph of head 8 of the whale at one α."""
    pag = cl.learn_pag(cl.PartialCorrelation(rho, 384, alpha=alpha), nodes=range(len(whale.words)), labels=whale.words)
    return cl.draw(pag, legend=False, max_edges=20, title=f"Head 8 at α = {alpha:.1g}")

# %% [markdown]
# ## Your own covariance
#
# Notebook 05 showed what a sink does. What if we leave it out? Removing a *column* means that nobody listens to that token; the correlations change.
#
# ### Exercise 10.2: without the sink
#
# Write a function from an attention matrix to the correlation of its rows after the column with the largest mean has been removed.
#
# <details><summary>Hint</summary><code>np.delete(A, position, axis=1)</code> removes a column. The rest is Exercise 1.2; rows need not sum to 1 for a cosine.</details>


# %% tags=["exercise"]
def without_sink(A):
    raise NotImplementedError(
        "Exercise 10.2: return the correlation of the rows without the most attended column"
    )


# %% tags=["solution"]
def without_sink(A):
    rest = np.delete(A, A.mean(axis=0).argmax(), axis=1)
    rest = rest / np.linalg.norm(rest, axis=1, keepdims=True)
    return rest @ rest.T


# %% tags=["check"]
check("10.2", without_sink)


# %%
def sinkless(A):
    """The covariance that the next cells hand to `cl.explain`: cosine of the rows, sink removed."""
    rest = np.delete(A, A.mean(axis=0).argmax(), axis=1)
    lengths = np.linalg.norm(rest, axis=1, keepdims=True)
    rest = rest / np.where(lengths > 0, lengths, 1)
    correlation = np.clip(rest @ rest.T, -1, 1)
    np.fill_diagonal(correlation, 1)
    return correlation


# %%
head = cl.words_attention(recorded("plot").attention[5], recorded("plot").groups)
upper = np.triu_indices(len(recorded("plot").words), 1)
before, after = cl.attention_correlation(head)[upper], sinkless(head)[upper]
print(f"head 5: median correlation {np.median(before):.2f} with the sink, {np.median(after):.2f} without")

# %% [markdown]
# Whether that is *better* no matrix can say. Its explanations can be counted; we come to that after the next part.
#
# ## Your own learner
#
# A learner takes the attention among words, the variables of the graph (the outcome is the last one) and their labels, and returns a `PAG`. That makes two sharp questions easy to ask. Is ICD better than FCI *here*? And does the graph
# help **at all**? For the second, the control is a learner that learns nothing: every two nodes joined, so that the search tries everything, by size only.


# %%
def with_fci(attention, variables, labels):
    test = cl.PartialCorrelation(cl.attention_correlation(attention), model.hidden_size)
    return cl.learn_pag(test, method="fci", nodes=variables, labels=labels)


def everything_joined(attention, variables, labels):
    k = len(variables)
    return cl.PAG((~np.eye(k, dtype=bool)).astype(np.int8), tuple(variables), tuple(labels))


# %%
model = cl.load_model("pocket-sentiment")
reviews = [r["text"] for r in cl.load_reviews() if len(r["text"].split()) <= 16][:10]
variants = {
    "ICD (default)": {},
    "without the sink": {"correlation": sinkless},
    "FCI": {"learner": with_fci},
    "no graph: all joined": {"learner": everything_joined},
}

# %%
table = {}
for name, options in variants.items():
    results = [cl.explain(model, text, search="cleann", certify=False, max_size=4, **options) for text in reviews]
    done = [e for e in results if e.success]
    size = np.mean([len(e.sets[0].units) for e in done]) if done else np.nan
    inputs = np.mean([e.model_calls for e in results])
    table[name] = (len(done), size, inputs)
    print(f"{name:<22} explained {len(done):2} of {len(reviews)}, {size:.2f} words on average, {inputs:5.0f} inputs")

# %% tags=["question"]
check("10.b", "b")

# %%
panels = {f"explained, of {len(reviews)}": [v[0] for v in table.values()], "inputs run, mean": [v[2] for v in table.values()]}
ranked(list(table), panels, "; ".join(f"{n}: {v[0]} explained with {v[2]:.0f} inputs" for n, v in table.items()) + ".")

# %% [markdown]
# Read the last row with care. Without a graph the search finds whatever exists up to its cap; the price is that the number of inputs grows exponentially with the number of words, and these reviews are short. A graph is worth its name if it finds
# *most* of that with *fewer* inputs. And a graph can be too sparse: a word that is not joined to anything is never proposed. Average sizes are over different successes; notebook 09 compares like with like.
# So make the variant a row of the evaluation: a function from a case to what was found.


# %%
def without_the_sink(case):
    return case.explain(correlation=sinkless)


rivals = ("cleann", without_the_sink, "attention")
run = cl.evaluate("sentiment", len(reviews), data=reviews, methods=rivals, max_size=4)
for row in run.summary():
    print(f"{row['method']:>18}: explained {row['success']}, words {row['size']}, calls {row['calls']}")
both = run.compare("without-the-sink", "cleann")
print("words, without the sink minus cleann, on common successes:", both.size)

# %% [markdown]
# ## Your own model
#
# The search knows a model by five methods: `encode`, `attention`, `predict`, `label`, `masked_input`. So a model need not be a neural network. Here is one whose explanations are *known*: it calls a dish an allergen if it contains peanuts, or milk **and** flour. Its
# "attention" is planted (notebook 01): these three act on the outcome.


# %%
def judge(words):
    """The rule: 1 for an allergen, 0 for a harmless dish."""
    return int("peanuts" in words or {"milk", "flour"} <= set(words))


def planted_attention(words):
    """The mixing of an SEM in which the three words act on the outcome, variable 0; rows sum to 1."""
    G = np.zeros((len(words) + 1, len(words) + 1))
    G[0, 1:] = [0.8 if word in ("peanuts", "milk", "flour") else 0 for word in words]
    mixing = np.linalg.inv(np.eye(len(G)) - G)
    return mixing / mixing.sum(axis=1, keepdims=True)


# %%
class Allergen:
    """Says "allergen" of a dish with peanuts, or with milk and flour together; a test bench for the search."""

    name, task, hidden_size, causal = "allergen", "classification", 64, False
    labels = ("harmless", "allergen")

    def encode(self, input, target=None, split_into="words"):
        words = tuple(input.split(", "))
        target = judge(words) if target is None else self.labels.index(target)
        places = tuple((place,) for place in range(1, len(words) + 1))  # row 0 is the outcome
        return cl.Encoded(words, places, (0,), self.labels[target], target, words, eligible=None)

    def attention(self, encoded, layer=-1):
        return planted_attention(encoded.units)[None]  # one head

    def predict(self, encoded, masks):
        kept = [[w for u, w in enumerate(encoded.units) if u not in set(mask)] for mask in masks]
        return np.eye(2)[[judge(words) for words in kept]]

    def label(self, index):
        return self.labels[index]

    def masked_input(self, encoded, mask):
        return ", ".join("[…]" if u in set(mask) else w for u, w in enumerate(encoded.units))


# %%
dish = "water, peanuts, salt, milk, sugar, flour"
print("fulfils the protocol:", isinstance(Allergen(), cl.Model))
known = cl.explain(Allergen(), dish, words="all", search="cleann")
for found in known.sets:
    print(f"{', '.join(found.units)}: {found.masked} is {found.replacement}")

# %% [markdown]
# Think before you run on: which sets are right? Peanuts must go, and milk or flour must go. Both are there, and nothing else.
#
# ### Exercise 10.3: score against the truth
#
# Write a function from two lists of sets of words (as tuples), the found ones and the true ones, to a pair: the share of found sets that are true (precision) and the share of true sets that were found (recall). The order of sets, and of words in a set, does not matter. With nothing found, precision is 0.
#
# <details><summary>Hint</summary>Turn every tuple into a <code>frozenset</code>, and each list into a set of those; then <code>&amp;</code> gives what they share.</details>


# %% tags=["exercise"]
def score(found, true):
    raise NotImplementedError("Exercise 10.3: return (precision, recall)")


# %% tags=["solution"]
def score(found, true):
    found, true = {frozenset(s) for s in found}, {frozenset(s) for s in true}
    both = len(found & true)
    return (both / len(found) if found else 0.0), both / len(true)


# %% tags=["check"]
check("10.3", score)

# %% [markdown]
# ## A causal order: GPT and ordered ICD
#
# In a GPT a token attends only to itself and to earlier ones, so A is lower-triangular: the order of the tokens **is** a causal order. Ordered ICD uses it: every edge points forwards, and separating sets are sought before the later token only. On a planted order:

# %%
k, tests, ends = 12, {"icd": [], "ordered-icd": []}, {"icd": [], "ordered-icd": []}
for _ in range(20):
    dag = nx.DiGraph(map(tuple, np.argwhere(np.triu(rng.random((k, k)) < 0.25, 1)).tolist()))
    dag.add_nodes_from(range(k))
    for method in tests:
        oracle = cl.DSeparation(dag, range(k))
        found = cl.learn_pag(oracle, method=method, order=range(k) if method == "ordered-icd" else None)
        tests[method].append(oracle.n_tests)
        ends[method].append(np.mean(found.marks[found.marks != 0] == 1))
for method in tests:
    print(f"{method:<12} {np.mean(tests[method]):5.0f} tests on average, {np.mean(ends[method]):.0%} of the marks remain circles")

# %% [markdown]
# Knowing the order saves tests and decides marks that independence alone cannot. `cl.explain` takes ordered ICD by itself for a model that says `causal = True`, such as `pocket-gpt`, a small GPT trained on film reviews. Which words made it go on as it does?

# %%
gpt = cl.load_model("pocket-gpt")
cl.explain(gpt, "The acting is terrible, and the plot makes no")

# %% [markdown]
# ## In practice
#
# - **One change at a time**, and the same inputs, heads and budget for both sides.
# - Test → planted truth. Learner → an oracle (`cl.DSeparation`), then FCI as the judge of ICD. Covariance, candidates → explanations counted with their failures. Model → its own predictions after masking.
# - **Plant an answer** (as in `Allergen`) before you believe a search on data where nobody knows it.
# - `explanation.settings` holds what a reader needs to repeat the result, your functions by name.
#
# ## On your own
#
# 1. Change `planted_attention` so that *flour* no longer acts. Which true set is lost? What does `certified` say?
# 2. Write a learner that joins the outcome with its five most attended words only. Where in the table does it come?
# 3. Does `Mixed` find the collider's independence as well? Plant a chain, a fork and a collider with one column of categories, and count over twenty tables.
# 4. Try `correlation=` with the attention of two layers multiplied (attention rollout). What is the outcome's row then?
#
# ## Further reading
#
# - R. Y. Rohekar, Y. Gurwicz, S. Yu, E. Aflalo, V. Lal. *A Causal World Model Underlying Next Token Prediction.* ICML 2025. arXiv:2412.07446.
# - G. Schwarz. *Estimating the dimension of a model.* Annals of Statistics 6, 1978.
# - K. Zhang, J. Peters, D. Janzing, B. Schölkopf. *Kernel-based conditional independence test and application in causal discovery.* UAI 2011. arXiv:1202.3775.
# - S. Abnar, W. Zuidema. *Quantifying Attention Flow in Transformers.* ACL 2020. arXiv:2005.00928.
#
# The one-page guide for researchers is [prototype a variant](../docs/prototype_a_variant.md). Two replication projects of one to three days, each with a known answer and an open end, are at the end of [notebook 12](12_build_an_identifiable_layer.ipynb).
#
# **Next:** [11, ask whether the graph explains](11_ask_whether_the_graph_explains.ipynb)
