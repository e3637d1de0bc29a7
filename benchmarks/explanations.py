"""How long an explanation takes, what it is made of, and what batching saves.

One by one, the search's own forward pass runs on one masked input at a time; "as texts" is what a loop over
masked strings costs: each read by the tokenizer and by the whole network. Milliseconds per input.
"""

import statistics
import time

import cleann_lite as cl
from cleann_lite.datasets.shipped import load_reviews
from cleann_lite.explaining.head_graphs import learn_graphs
from cleann_lite.explaining.interventions import Interventions


def median(run, times=7):
    """Median seconds of a call."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def texts(n_words):
    """Our own reviews, cut or joined to a number of words."""
    whole = [r["text"] for r in load_reviews()]
    words = " ".join(whole).split()
    return [" ".join(words[i : i + n_words]) for i in range(0, 10 * n_words, n_words) if words[i:]]


def main():
    """Print the table."""
    model = cl.load_model("pocket-sentiment")
    cl.explain(model, texts(20)[0])
    print(" words  explain, median s  graphs s  inputs  batched  one by one  ratio  as texts  ratio")
    for n_words in (20, 40, 60):
        found = [cl.explain(model, text) for text in texts(n_words)]
        encoded = model.encode(texts(n_words)[0])
        graphs = median(lambda e=encoded: learn_graphs(model, e))
        masks = [(i, j) for i in range(n_words) for j in range(i)][:128]
        batched = median(lambda e=encoded, m=masks: Interventions(model, e).run(m), 3)
        single = median(lambda e=encoded, m=masks: [model.predict(e, [x]) for x in m], 3)
        strings = [model.masked_input(encoded, x) for x in masks]
        as_texts = median(lambda s=strings: [model.predict_proba([text]) for text in s], 3)
        seconds = statistics.median(f.seconds for f in found)
        calls = statistics.median(f.model_calls for f in found)
        print(
            f"{n_words:6} {seconds:18.3f} {graphs:9.3f} {calls:7.0f} {1e3 * batched / len(masks):6.2f}ms"
            f" {1e3 * single / len(masks):9.2f}ms {single / batched:6.1f}"
            f" {1e3 * as_texts / len(masks):7.2f}ms {as_texts / batched:6.1f}"
        )


if __name__ == "__main__":
    main()
