# %% [markdown]
# # Start here: explain a sentence within a minute
#
# A language model reads a review and says *negative*. Which words made it say so? This course opens a Transformer, reads its attention as a
# causal model of that one input, and finds a small set of words without which the model would have decided otherwise. Then it
# checks: it masks them, and asks the model again.
#
# | | |
# |---|---|
# | **You will do** | explain a review, then your own sentence; check the explanation by hand; see how exercises work |
# | **You will learn** | what an explanation of this kind says and what it does not |
# | **You need** | some Python; everything else is explained on the way |
# | **Time** | one minute to the first explanation, ten for all; the cells run for about ten seconds on two CPU cores and stay below 1 GB |

# %% tags=["setup"]
import networkx as nx

import cleann_lite as cl
from cleann_lite.course import check

# %% [markdown]
# ## One review
#
# `pocket-sentiment` is a small BERT that was trained on film reviews and travels with this course. It reads a text and gives a probability to *negative* and to *positive*.
# Run the cell: click on it and press Shift and Enter.

# %%
model = cl.load_model("pocket-sentiment")
review = "The effects are cheap, but the story is charming and funny."
explanation = cl.explain(model, review)
explanation

# %% [markdown]
# Read it from the top. First what the model **predicts**. Then the **smallest set** of words found: mask them (put a blank, `[MASK]`, in their place), and the model changes its mind.
# The picture shows the causal graph around the prediction in which the set was found. An arrow from a word to the prediction says that the word is one of its causes. Here that holds for both words of the set; it need not, and notebook 06 says why. Notebook 03 teaches to read such
# graphs, notebook 02 explains the α and *n* of the last line; you need neither yet.
#
# An explanation is a sentence about *the model*, not about the film and not about language: "had you not read these words, you would have said something else".
#
# ## Your own sentence
#
# Change the text and run the cell again. Try a negation, irony, a mixed feeling, one word.

# %%
my_text = "This is not a bad film at all."
mine = cl.explain(model, my_text)
print(mine)

# %% [markdown]
# ## Check it yourself
#
# Nobody has to believe an explanation of this kind. Each set carries the text as the model saw it, with the words masked. Hand it to the model and look:


# %%
def ask(text):
    """What the model says to a text, as words."""
    chances = model.predict_proba([text])[0]
    best = chances.argmax()
    return f"{model.labels[best]:>8} {chances[best]:.0%}   {text}"


print(ask(review))
for found in explanation.sets:
    print(ask(found.masked))

# %% [markdown]
# Is there a smaller set? The graph proposes sets. Then the search tries smaller ones, proposed or not, and reports the
# result, and where each set came from:

# %%
proof = {True: "every smaller set was tried, none works", False: "a smaller set works", None: "not proved"}
for text, e in ((review, explanation), (my_text, mine)):
    print(f"{text}\n    {proof[e.certified]}; {e.model_calls} inputs run by the model in {e.seconds:.1f} seconds")
    for found in e.sets:
        print(f"    {', '.join(found.units)}: found by {found.found_by}, allowed by a graph: {found.within_graph}")

# %% [markdown]
# Keep the two apart: the graph *proposes* which words matter together; the model's own answer decides.
#
# ## How exercises work
#
# Every notebook has a few exercises, each in three parts: a **task** with a hint to unfold, a **stub** that you replace with your code, and a **check**. The check says what it expected, what
# your function returned, and, if it can, what you probably did. "Run all" does not stop at an exercise that is still to do. There are **questions** too, on what is easily misread: put the letter of your choice between the quotes. Here is one to warm up.
#
# ### Exercise 0.1: mask a word
#
# Write a function that takes a text and a word, and returns the text with every occurrence of this *whole* word replaced by `[MASK]`. Words lie between spaces and punctuation, and capitals count: "Art" is not "art".
#
# <details><summary>Hint</summary><code>str.replace</code> would also hit the "art" in "party". <code>re.sub(r"\bart\b", "[MASK]", text)</code> replaces whole words; <code>re.escape</code> makes any word safe to put there.</details>


# %% tags=["exercise"]
def mask_word(text, word):
    raise NotImplementedError("Exercise 0.1: return the text with the word replaced by [MASK]")


# %% tags=["solution"]
def mask_word(text, word):
    import re

    return re.sub(rf"\b{re.escape(word)}\b", "[MASK]", text)


# %% tags=["check"]
check("0.1", mask_word)

# %% tags=["question"]
check("0.a", "b")

# %% [markdown]
# ## The map
#
# Each notebook teaches one idea, and needs the one from which an arrow comes. If you are in a hurry, read 00 and 06, and take the graph of 06 on trust; the full way is in order.

# %%
steps = """00 start here → 01 attention as an SEM → 02 test independence → 03 graphs, hidden causes → 04 FCI and ICD
04 FCI and ICD → 05 real attention → 06 sentiment → 07 recommendation → 09 measure
05 real attention → 08 trust the weights? → 12 build a layer
06 sentiment → 09 measure → 10 your own variant
09 measure → 11 does the graph explain?"""
course = nx.DiGraph()
for row in steps.splitlines():
    nx.add_path(course, row.split(" → "))
cl.draw(course, legend=False, title="The notebooks, and which one needs which")

# %% [markdown]
# | notebook | question |
# |---|---|
# | [01 read attention as an SEM](01_read_attention_as_an_sem.ipynb) | what do attention and a causal model have in common? |
# | [02 test independence](02_test_independence.ipynb) | when are two tokens independent, given others? |
# | [03 draw graphs with hidden causes](03_draw_graphs_with_hidden_causes.ipynb) | how do you draw what cannot be known? |
# | [04 discover step by step](04_discover_step_by_step.ipynb) | how is a graph learned from tests? |
# | [05 learn from real attention](05_learn_from_real_attention.ipynb) | what graph does a real head give, and what is it worth? |
# | [06 explain a sentiment prediction](06_explain_a_sentiment_prediction.ipynb) | which words made the model say so? |
# | [07 explain a recommendation](07_explain_a_recommendation.ipynb) | because of which films is this one recommended? |
# | [08 question the attention weights](08_question_the_attention_weights.ipynb) | could other weights have given the same output? |
# | [09 measure explanations](09_measure_explanations.ipynb) | are these explanations better than simpler ones? |
# | [10 build your own variant](10_build_your_own_variant.ipynb) | how do I try an idea? |
# | [11 ask whether the graph explains](11_ask_whether_the_graph_explains.ipynb) | where the cause is known: does the graph find it? |
# | [12 build an identifiable layer](12_build_an_identifiable_layer.ipynb) | can a layer be built whose weights can be believed? |
#
# ## In practice
#
# - In a terminal: `cleann-lite explain "The plot is thin, but I loved it."`, with `--json` for programs.
# - `explanation.to_json()`, `.to_html()` and `.to_svg()` give what you see as text.
# - Any Hugging Face classifier works in place of the pocket model: `cl.load_model("a local folder or a hub name")`.
#
# ## On your own
#
# 1. Find a sentence for which one word is enough, one that needs three, and one for which no set is found.
# 2. Write a review that you find positive and the model negative. What does the explanation show?
#
# ## Further reading
#
# - R. Y. Rohekar, Y. Gurwicz, S. Nisimov. *Causal Interpretation of Self-Attention in Pre-Trained Transformers.* NeurIPS 2023. arXiv:2310.20307.
#
# **Next:** [01, read attention as a structural equation model](01_read_attention_as_an_sem.ipynb)
