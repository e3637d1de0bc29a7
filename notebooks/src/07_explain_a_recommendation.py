# %% [markdown]
# # Explain a recommendation
#
# "Because you watched …" is easily written. Is it true? For a sequential recommender it can be tested: hide those films from the model and see whether
# it still recommends the same. This notebook explains a film recommendation as you explained a review, and meets two questions that only recommenders pose.
#
# | | |
# |---|---|
# | **You will do** | rank films, explain why one comes out on top, see what takes its place, compare with a simpler explanation |
# | **You will learn** | how BERT4Rec reads a history, why seen films must be treated alike before and after masking, what the rank of the replacement says |
# | **You need** | notebook 06 |
# | **Time** | 45 minutes to work through; the cells run for about ten seconds on two CPU cores and stay below 1 GB |

# %% tags=["setup"]
import numpy as np

import cleann_lite as cl
from cleann_lite.course import bars, check, plot_style, show
from cleann_lite.widgets import RecommendationExplorer

plot_style()

# %% tags=["question", "recall"]
check("6.a", "b")

# %% [markdown]
# ## A history is a sentence of films
#
# BERT4Rec (Sun and others, 2019) is a BERT whose tokens are films. It was trained to guess masked films in the histories of many viewers. To recommend, it reads the history with a [MASK] at the end, and
# ranks all films by the probability of being there. `pocket-bert4rec` learned from MovieLens-1M; its films end in the year 2000.

# %%
model = cl.load_model("pocket-bert4rec")
histories = {h["name"]: h["titles"] for h in cl.load_histories()}
history = histories["animation night"]
for place, film in enumerate(history, start=1):
    print(f"{place}. {film}")
print("\nrecommended next:")
for place, (film, chance) in enumerate(model.recommend(history, k=5), start=1):
    print(f"{place}. {film} ({chance:.1%})")

# %% [markdown]
# The probabilities are small, because they are shared by thousands of films. What counts is the order.
#
# ### Exercise 7.1: the top of the list
#
# A film that was already seen must not be recommended. Write a function from an array of scores (one for each film), a set of film numbers that were `seen`, and k, to the list of the k best unseen film numbers, the best first.
#
# <details><summary>Hint</summary><code>np.argsort(-scores)</code> lists the film numbers from the highest score down. Then leave out the seen ones, <em>then</em> cut to k.</details>


# %% tags=["exercise"]
def top_unseen(scores, seen, k):
    raise NotImplementedError("Exercise 7.1: return the numbers of the k best films that were not seen")


# %% tags=["solution"]
def top_unseen(scores, seen, k):
    return [int(film) for film in np.argsort(-scores) if film not in seen][:k]


# %% tags=["check"]
check("7.1", top_unseen)

# %% [markdown]
# ## The outcome in the history
#
# What is the outcome here? The recommended film itself. So it is put where the [MASK] was, at the end of the history, and the attention is read from that pass. Its row in the attention
# matrix, and its node in the graph, mean "this film follows". (Reading attention from the pass with [MASK] would describe *any* film that might follow.)

# %%
encoded = model.encode(history)
attention = model.attention(encoded)
short = [title.split(" (")[0][:24] for title in (*encoded.units, encoded.outcome)]
print(f"outcome: {encoded.outcome}; {attention.shape[0]} heads over {attention.shape[1]} films")
last = attention[0][-1]
most = f"{short[int(last[:-1].argmax())]} ({last[:-1].max():.2f})"
picture = cl.heat_map(attention[0], short, title="Head 0; the last row and column are the recommended film")
show(picture, f"Attention of head 0 among the films. Of the history, the recommended film looks most at {most}.")

# %% [markdown]
# ## Why this film?

# %%
explanation = cl.explain(model, history)
explanation

# %% [markdown]
# Three things differ from the review.
#
# 1. **The units are films.** Everything else, from the correlation to the candidates, is as before: the search only knows *units*, *attention* and *predict*.
# 2. **The prediction changes** when another film comes out on top. That film is the **replacement**.
# 3. **Masked films stay seen.** If a hidden film could itself be recommended, it would often come out on top, and nearly every set would "explain". So what was seen is excluded alike before and after masking.
#
# ## The rank of the replacement
#
# Which film takes the place? One that was close behind in the original list is a near tie; one from far below says that those films in the history kept a whole other taste away. The original rank of the
# replacement is the second measure of the papers (a good explanation should lead to a replacement that ranked *high*).
#
# ### Exercise 7.2: the rank
#
# Write a function from the original scores, the set `seen` and the number of a film to its rank among the unseen films: the best has rank 1.
#
# <details><summary>Hint</summary>Count the unseen films with a higher score, and add one.</details>


# %% tags=["exercise"]
def rank_of(scores, seen, film):
    raise NotImplementedError("Exercise 7.2: return the rank of the film among the unseen ones")


# %% tags=["solution"]
def rank_of(scores, seen, film):
    return 1 + sum(scores[other] > scores[film] for other in range(len(scores)) if other not in seen)


# %% tags=["check"]
check("7.2", rank_of)

# %%
for found in explanation.sets[:5]:
    print(f"without {', '.join(found.units)}:")
    print(f"    {found.replacement} instead (rank {found.rank} before)")

# %% tags=["question"]
check("7.b", "c")

# %% [markdown]
# ## Check it yourself

# %%
for found in explanation.sets[:1]:
    print("the model reads:", " · ".join(found.masked))
    # the hidden films remain excluded, so say that they were seen
    print("and recommends:", model.recommend(list(found.masked), k=1, seen=found.units)[0][0])

# %% tags=["question"]
check("7.a", "b")

# %% [markdown]
# Build your own history: type titles, click films to mask them, and watch the list.

# %%
RecommendationExplorer(model, history)

# %% [markdown]
# ## A simpler explanation to beat
#
# Why a graph? One could just mask the films in the order of the outcome's attention, the most attended first, until the recommendation changes. That is the natural **baseline**.
#
# ### Exercise 7.3: the attention baseline
#
# Write a function from the attention that the outcome gives to each film of the history (an array) and `works(s)`, which tells whether masking the tuple s changes the recommendation. Mask
# the most attended film, then the two most attended, and so on; return the first tuple that works, in ascending order of film numbers, or None if not even all films do.
#
# <details><summary>Hint</summary><code>np.argsort(-attention)</code> is the order; take its first 1, 2, 3, … entries, <code>sorted</code>.</details>


# %% tags=["exercise"]
def attention_baseline(attention, works):
    raise NotImplementedError("Exercise 7.3: return the first prefix of the order that works, or None")


# %% tags=["solution"]
def attention_baseline(attention, works):
    order = np.argsort(-attention)
    for size in range(1, len(order) + 1):
        tried = tuple(sorted(int(film) for film in order[:size]))
        if works(tried):
            return tried
    return None


# %% tags=["check"]
check("7.3", attention_baseline)

# %% [markdown]
# ## Both on all example histories
#
# A fair comparison gives both the same model and counts failures. Smaller sets are better explanations; a replacement of high rank (a small number) is a gentler change.

# %%
rows = {}
for name, films in histories.items():
    rows[name] = cl.explain(model, films, search="cleann"), cl.explain_by(model, films, "attention")
    graph, simple = (f"set of {len(e.sets[0].units)}, rank {e.sets[0].rank}" if e.success else "none found" for e in rows[name])
    print(f"{name:<22} {len(films)} films   graph: {graph:<18} attention: {simple}")

# %%
sizes = {method: [len(both[k].sets[0].units) if both[k].success else np.nan for both in rows.values()]
         for k, method in enumerate(("graph (CLEANN)", "attention order"))}  # fmt: skip
both = zip(rows, *sizes.values(), strict=True)
told = "; ".join(f"{name}: {graph:.0f} by graph, {simple:.0f} by attention" for name, graph, simple in both)
bars(list(rows), sizes, f"Films in the explanation of each history (nan: none found). {told}.", ylabel="films in the set")

# %%
both = [row for row in rows.values() if row[0].success and row[1].success]
for k, method in enumerate(sizes):
    done = [row[k] for row in both]
    size, rank = np.mean([len(e.sets[0].units) for e in done]), np.median([e.sets[0].rank for e in done])
    inputs = np.mean([e.model_calls for e in done])
    print(f"{method}: {sum(r[k].success for r in rows.values())} of {len(rows)} explained; the {len(both)} that both explain: "
          f"{size:.2f} films, median rank of the replacement {rank:.0f}, {inputs:.0f} inputs")  # fmt: skip

# %% [markdown]
# Look at all of it: how many histories each explained, how large its sets are, and how many inputs it ran (for the graph, the proof that nothing smaller works included). A handful of histories decides nothing; notebook 09 measures on many viewers, with rivals that may try as many sets of each size.
#
# ## In practice
#
# - **Say what is explained**: the model's top film for this history. Not why people like it.
# - **The order matters**: a history is a sequence, and the films seen last often weigh most. Change the order, and recommendation and explanation may change with it.
# - Titles are matched forgivingly: `cl.explain(model, ["matrix", "alien"])`. In a terminal: `cleann-lite recommend --history "Alien (1979); Aliens (1986)"`.
# - Hiding a film by [MASK] and removing it are different questions; say which one you asked.
#
# ## On your own
#
# 1. Write your own history. Is the explanation the one that a "because you watched" line would have given?
# 2. Explain the film in second place: `cl.explain(model, history, target="…")`. What does the answer say, and why?
# 3. Reverse a history. Do the same films explain?
#
# ## Further reading
#
# - S. Nisimov, R. Y. Rohekar, Y. Gurwicz, G. Koren, G. Novik. *CLEAR: Causal Explanations from Attention in Neural Recommenders.* CONSEQUENCES at RecSys 2022. arXiv:2210.10621.
# - F. Sun and others. *BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer.* CIKM 2019. arXiv:1904.06690.
# - A. Petrov, C. Macdonald. *A Systematic Review and Replicability Study of BERT4Rec for Sequential Recommendation.* RecSys 2022. arXiv:2207.07483.
# - F. M. Harper, J. A. Konstan. *The MovieLens Datasets: History and Context.* ACM Transactions on Interactive Intelligent Systems 5, 2015.
#
# **Next:** [08, question the attention weights](08_question_the_attention_weights.ipynb)
