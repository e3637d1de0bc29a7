"""The command line: ``cleann-lite explain | recommend | learn | evaluate | demo``."""

import argparse
import json
import logging
import os
import sys
from errno import ENOSPC
from pathlib import Path

from . import __version__
from .learn import add_learn_options, learn

METHODS = ("icd", "fci", "ordered-icd")
TASKS = ("sentiment", "recommend", "discovery", "planted", "readings", "randomised", "rungs")
# the README's example, then reviews that ship
DEMO_REVIEWS = (
    "What a dreary mess, for all its wonderful cast.", "plain-01", "negated-01", "mixed-04", "long-02",
)  # fmt: skip


def main(arguments=None) -> int:
    """Run one command; its exit code: 0, 2 with one clear sentence on bad input, or 130 after Ctrl-C."""
    try:
        options = _parser().parse_args(arguments)
        _let_streams_write_anything(options)
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        code = options.run(options) or 0
        if sys.stdout:
            sys.stdout.flush()  # a full disk behind it is told here
        return code
    except ValueError as error:
        print(f"cleann-lite: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        extra = {_evaluate: "lab", _learn: "draw"}.get(options.run, "models")
        print(
            f"cleann-lite: {error.name} is not installed, which this command needs: "
            f'pip install "cleann-lite[{extra}]"',
            file=sys.stderr,
        )
    except BrokenPipeError:  # the reader of a pipe (head, less) went away
        sys.stderr.close()
        return 0
    except OSError as error:
        place = error.filename
        if not place and error.errno == ENOSPC:
            place = "standard output"
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to write cannot be
        print(f"cleann-lite: {f'{place}: {error.strerror}' if place else error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("cleann-lite: interrupted", file=sys.stderr)
        return 130
    return 2


def _let_streams_write_anything(options):
    """JSON is UTF-8 everywhere; a terminal that has no arrow shows a question mark."""
    choice = {"encoding": "utf-8"} if getattr(options, "json", False) else {"errors": "replace"}
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(**choice)


def _parser():
    about = "Which words or films made a Transformer predict what it did, checked by intervention."
    parser = argparse.ArgumentParser(prog="cleann-lite", description=about)
    parser.add_argument("--version", action="version", version=f"cleann-lite {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    explain = commands.add_parser("explain", help="why a text model predicts what it does")
    explain.add_argument("text", help="the text, or - to read it from standard input")
    explain.add_argument(
        "--model",
        default="pocket-sentiment",
        help="pocket model (default pocket-sentiment), folder or hub id",
    )
    tasks = ("classification", "masked-word", "next-word")
    explain.add_argument("--task", choices=tasks, help="read from the model's folder if not given")
    explain.add_argument("--threshold", type=float, help="probability from which a label is on (default 0.5)")
    explain.add_argument("--target", help="class, or the word whose choice is explained")
    _add_search_options(explain)
    explain.set_defaults(run=_explain)

    recommend = commands.add_parser("recommend", help="why a film is recommended after a history")
    recommend.add_argument("--history", required=True, help='titles, separated by ";"')
    recommend.add_argument("--model", default="pocket-bert4rec", help="pocket model (the default) or folder")
    recommend.add_argument("--target", help="film to explain; the first recommendation if not given")
    recommend.add_argument("-k", type=int, default=10, help="recommendations to list (default 10)")
    _add_search_options(recommend)
    recommend.set_defaults(run=_recommend)

    learn = commands.add_parser("learn", help="a PAG from a table of samples or a correlation matrix")
    add_learn_options(learn, METHODS)
    _add_test_options(learn)
    learn.set_defaults(run=_learn)

    evaluate = commands.add_parser(
        "evaluate", help="measure explanations, or causal discovery, on many inputs"
    )
    _add_evaluate_options(evaluate)
    evaluate.set_defaults(run=_evaluate)

    demo = commands.add_parser("demo", help="explain examples here and as a page")
    demo.add_argument("--page", default="demo.html", help="where the page goes (default demo.html)")
    demo.set_defaults(run=_demo)
    return parser


def _add_test_options(parser, alpha=0.01, told="0.01"):
    parser.add_argument(
        "--alpha", type=float, default=alpha, help=f"level of the independence test (default {told})"
    )
    parser.add_argument(
        "--one-sided", action="store_true", help="call every negative partial correlation independent"
    )


def _add_search_options(parser):
    _add_test_options(parser, None, "0.1 for films, else 0.01")
    parser.add_argument(
        "--search",
        choices=("full", "cleann"),
        default="full",
        help="cleann: only sets that the graphs propose, as published (default full)",
    )
    parser.add_argument("--n-samples", type=int, help="effective sample size; the hidden size if not given")
    parser.add_argument(
        "--head", type=int, action="append", help="head to use (repeatable); all if not given"
    )
    parser.add_argument(
        "--method", choices=METHODS, help="causal search; icd, and ordered-icd for decoders, if not given"
    )
    parser.add_argument(
        "--max-size", type=int, help="largest set that is looked for (any; 5 with --search cleann)"
    )
    parser.add_argument(
        "--residual",
        type=_residual,
        default=0.0,
        metavar="R",
        help="share of the residual connection in the reading: from 0 (as published, the default) to below "
        "1, or norms, values, rollout",
    )
    parser.add_argument("--json", action="store_true", help="print the explanation as JSON")
    parser.add_argument("--html", metavar="FILE", help="write the explanation as a page")


def _residual(text):
    """A share, or the name of a reading; `explain` says which there are."""
    try:
        return float(text)
    except ValueError:
        return text


def _add_evaluate_options(parser):
    parser.add_argument("task", choices=TASKS, help="what is measured")
    parser.add_argument("--n", type=int, help="inputs (default 500), random graphs (50), or seeds (5)")
    parser.add_argument(
        "--model", help="pocket model, folder or hub id; the task's pocket model if not given"
    )
    parser.add_argument(
        "--data", help="sst2, imdb, movielens-1m, movielens-latest-small, examples, or a file"
    )
    parser.add_argument("--from-file", help="your own copy of that data set: its archive, or a folder")
    parser.add_argument("--accept-licence", action="store_true", help="accept its terms and download it")
    parser.add_argument("--out", help="folder of results, table and report (default evaluation-TASK)")
    rows = {"dest": "rows", "action": "append", "help": "row of the table (repeatable); all if not given"}
    parser.add_argument("--row", "--method", **rows)
    parser.add_argument("--workers", type=int, default=-1, help="processes; every core if not given")
    parser.add_argument("--cluster", metavar="ADDRESS", help="Dask scheduler, tcp://…")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="a GPU if there is one, when not given")
    parser.add_argument("--threshold", type=float, help="probability from which a label is on (default 0.5)")
    parser.add_argument("--alpha", type=float, help="level of the independence test")
    parser.add_argument("--n-samples", type=int, help="effective sample size; the hidden size if not given")
    parser.add_argument(
        "--head", type=int, action="append", help="head to read (repeatable); all if not given"
    )
    parser.add_argument("--words", "--nodes", choices=("content", "all"), help="words that may be masked")
    parser.add_argument("--films", type=int, help="latest films of a history (default 15)")
    parser.add_argument("--max-size", type=int, help="largest set that is tried (default 3)")
    parser.add_argument("--max-calls", type=int, help="model calls per input and row (default 5000)")
    parser.add_argument("--seed", type=int, help="of the draw of inputs and of random rows")


# evaluate KIND -> what it takes beside n, out, workers and cluster
_INPUTS = ("model", "data", "from_file", "accept_licence", "films", "seed", "alpha")
_ROWS = (*_INPUTS, "rows", "device", "threshold", "n_samples", "head", "words", "max_size", "max_calls")
_TAKES = {
    "sentiment": tuple(name for name in _ROWS if name != "films"),
    "recommend": tuple(name for name in _ROWS if name != "threshold"),
    "discovery": ("rows", "n_samples", "alpha", "seed"),
    "planted": (),
    **dict.fromkeys(("readings", "randomised", "rungs"), _INPUTS),
}
_NEVER_REFUSED = ("run", "task", "n", "out", "workers", "cluster")


def _refuse_what_is_not_taken(options):
    """A setting that a kind of run would not look at is refused, so that nobody believes it was used."""
    takes = _TAKES[options.task]
    for name, value in vars(options).items():
        unset = value is None or value is False
        if unset or name in (*takes, *_NEVER_REFUSED):
            continue
        flag, *flags = ("--row" if n == "rows" else f"--{n.replace('_', '-')}" for n in (name, "n", *takes))
        raise ValueError(f"unknown setting {flag} of evaluate {options.task}, which takes {', '.join(flags)}")


def _evaluate(options):
    _refuse_what_is_not_taken(options)
    if options.task in ("planted", "readings", "randomised", "rungs"):
        from .evaluation.inside import look_inside

        wanted = ("out", "n", "workers", "cluster", *_INPUTS)
        return print(look_inside(options.task, **{name: getattr(options, name) for name in wanted}))
    names = ("alpha", "n_samples", "words", "films", "max_size", "max_calls", "seed", "n")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    out = options.out or f"evaluation-{options.task}"
    shared = {"out": out, "workers": options.workers, "cluster": options.cluster, "progress": True}
    methods = {"methods": options.rows} if options.rows else {}
    if options.task == "discovery":
        from .evaluation.learners import benchmark

        told = "\n".join(benchmark(**shared, **methods, **given).verdicts())
    else:
        from .evaluation.experiment import evaluate
        from .evaluation.report import verdicts_text

        heads = {"heads": options.head} if options.head else {}
        run = evaluate(
            options.task, model=options.model, data=options.data, from_file=options.from_file,
            accept_licence=options.accept_licence, device=options.device, threshold=options.threshold,
            **shared, **methods, **heads, **given,
        )  # fmt: skip
        told = verdicts_text(run, run.methods[0])
    print(told)
    print(f"\nTable and report: {(Path(out) / 'report.html').resolve()}")


def _search(model, input, options):
    from .explaining.search import explain

    names = ("alpha", "n_samples", "method", "one_sided", "max_size", "search", "residual")
    given = {name: getattr(options, name) for name in names}
    return explain(model, input, target=options.target, heads=options.head or "all", **given)


def _check_alpha(alpha):
    if alpha is not None and not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1: got {alpha:g}")


def _as_typed(text):
    """What was typed, where a locale that is not UTF-8 hands over escaped bytes."""
    try:
        return os.fsencode(text).decode()
    except UnicodeError:
        return text


def _explain(options):
    _check_alpha(options.alpha)
    if options.text == "-" and (sys.stdin is None or sys.stdin.closed):
        raise ValueError("standard input is closed: give the text itself, or pipe it in")
    text = sys.stdin.read() if options.text == "-" else _as_typed(options.text)
    if not text.strip():
        raise ValueError("the text is empty: at least one word is needed")
    from .models.loading import load_model

    model = load_model(options.model, task=options.task, threshold=options.threshold)
    if model.task == "recommendation":
        raise ValueError(f"{options.model} is a recommender: use cleann-lite recommend --history …")
    found = _search(model, text, options)
    print(found.to_json(indent=2) if options.json else _terminal(found))
    return _write_page(options, found)


def _recommend(options):
    _check_alpha(options.alpha)
    history = [title.strip() for title in _as_typed(options.history).split(";") if title.strip()]
    if not history:
        raise ValueError('the history is empty: name at least one film, as in --history "The Matrix (1999)"')
    from .models.loading import load_model

    model = load_model(options.model)
    if model.task != "recommendation":
        raise ValueError(f"{options.model} is not a recommender: its task is {model.task}")
    films = model.recommend(history, k=options.k)
    found = _search(model, history, options)
    if options.json:
        record = json.loads(found.to_json())
        record["recommendations"] = [{"title": title, "score": score} for title, score in films]
        print(json.dumps(record, ensure_ascii=False, indent=2))
    else:
        print("Recommended:")
        print("\n".join(f"  {i:2}. {title}  ({score:.1%})" for i, (title, score) in enumerate(films, 1)))
        print(f"\n{_terminal(found)}")
    return _write_page(options, found)


def _learn(options):
    _check_alpha(options.alpha)
    learn(options)


def _write_page(options, found):
    """The page of an explanation, after its answer was printed: that is not lost with the page.

    Returns the exit code: 130 where Ctrl-C ended the search, which keeps what it had found.
    """
    if options.html is not None:
        from .datasets.files import write_whole

        told = write_whole(options.html, found.to_html())
        print(f"\nPage: {told}", file=sys.stderr if options.json else sys.stdout)
    return 130 * _was_interrupted(found)


def _was_interrupted(found):
    from .explaining.settings import Stopped

    return found.stopped is Stopped.INTERRUPTED


def _terminal(found):
    """An explanation for the terminal."""
    lines = [found.describe(), ""]
    for one in found.sets[:10]:
        change = f"{found.prediction} {found.probability:.1%} → {one.replacement} {one.probability:.1%}"
        where = f"head {', '.join(map(str, one.heads))}" if one.within_graph else "outside the graph"
        lines.append(f"  {' + '.join(found.named(one))}:  {change}  ({where})")
    if len(found.sets) > 10:
        lines.append(f"  … and {len(found.sets) - 10} more sets of this size")
    lines += [f"  note: {note}" for note in found.notes]
    lines.append(f"  {found.model_calls} model calls, {found.seconds:.2f} s")
    return "\n".join(lines)


def _demo(options):
    from .datasets.files import write_whole
    from .datasets.shipped import load_histories, load_reviews
    from .explaining.live import states
    from .explaining.pages import page
    from .explaining.search import explain
    from .models.loading import load_model

    reviews = {review["id"]: review["text"] for review in load_reviews()}
    model = load_model("pocket-sentiment")
    found = []
    for text in (reviews.get(name, name) for name in DEMO_REVIEWS):
        found.append(explain(model, text))
        _print_demo(text, found[-1])
    recommender = load_model("pocket-bert4rec")
    for history in load_histories()[:2]:
        found.append(explain(recommender, history["titles"]))
        _print_demo(" · ".join(history["titles"]), found[-1])
    alive = [states(e) if i in (0, len(DEMO_REVIEWS)) else None for i, e in enumerate(found)]
    told = write_whole(options.page, page(found, states=alive))
    print(f"The same with its graphs, as a page to play with: {told}")


def _print_demo(text, found):
    if _was_interrupted(found):
        raise KeyboardInterrupt
    shown = text if len(text) < 300 else text[:280].rsplit(" ", 1)[0] + " …"
    print(f"{'─' * 78}\n{shown}\n\n{_terminal(found)}\n")


if __name__ == "__main__":
    sys.exit(main())
