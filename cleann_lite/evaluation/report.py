"""An evaluation written down: the table of verdicts (Markdown, text, HTML), plots, a page, files."""

import io
from pathlib import Path

import numpy as np

from ..causal.marks import counted
from ..datasets.files import write_rows, write_whole
from ..drawing.html import escape, markdown, table
from ..drawing.html import page as whole_page
from .journal import versions
from .results import FEW, FEWEST, JUDGED, MEASURED
from .rows import VARIANTS
from .statistics import flat

_BLUE, _ORANGE = "#0072B2", "#D55E00"
_STYLE = """
.cl-doc{max-width:70rem} .cl-doc table{font-size:.85rem}
.cl-doc :is(td,th){padding:.25rem .6rem;text-align:right;white-space:nowrap}
.cl-doc :is(th,td):first-child,.settings :is(td,th){text-align:left}
.settings td{white-space:normal;overflow-wrap:anywhere}
.settings td:first-child{white-space:nowrap;overflow-wrap:normal}
td.better{background:var(--cl-chosen)} td.worse{background:var(--cl-inset)} .better,.worse{font-weight:bold}
small{font-weight:normal} figure svg{max-width:100%;height:auto}
"""
_SUMMARY = ("success", *MEASURED, "minimal", "errors")


# --- verdicts --------------------------------------------------------------------------------------------

_HEADS = {
    "success": "success (points)",
    "counted_size": "counted size",
    "calls": "model calls",
    "rank": "rank of the replacement",
}


def how_many(run) -> str:
    """How many inputs are behind a table, said loudly where they are few."""
    n = len(run.records)
    if n < FEWEST:
        return f"ONLY {n} INPUT{'S' * (n != 1)}: NOTHING CAN BE DECIDED."
    return f"ONLY {n} INPUTS: A HINT, NOT A RESULT." if n < FEW else f"{n} inputs."


def reading(run, ours="cleann") -> str:
    """What the cells of a table of verdicts mean."""
    return (
        f"Each cell says whether {ours} does better or worse than the rival on the same inputs, with the "
        f"mean difference ({ours} minus rival) and its 95 % bootstrap interval over inputs. Not decided: the "
        f"interval holds 0, or the two differ on fewer than {FEWEST} inputs. Success in points (100 = every "
        f"input). Counted size: units in the set, a failure counted as {run.cost:g}. Rank: place of the "
        f"replacement in the original ranking, over inputs that both explained. Of 20 cells without any true "
        f"difference, one is decided by chance."
    )


def cell(verdict) -> tuple[str, str]:
    """A verdict as its word and its interval: ("better", "−0.50 [−0.62, −0.38]")."""
    i = verdict.interval
    if i is None:
        return "same for any set", ""
    if not i.n:
        return verdict.word.value, "no common success"
    few = f" (only {i.n} input{'s' * (i.n != 1)})" if i.n < FEWEST else ""
    if not few and verdict.differ < FEWEST and i.low * i.high > 0:
        few = f" ({counted(verdict.differ, 'input')} {'differs' if verdict.differ == 1 else 'differ'})"
    return verdict.word.value, i.signed().replace("-", "−") + few


def verdict_rows(run, ours="cleann", rivals=None) -> list[tuple[str, list[tuple[str, str]]]]:
    """The table of verdicts: (rival, cells) a row, the cells of `cell` in the order of `JUDGED`."""
    every = run.verdicts(ours, rivals)
    rows = [every[i : i + len(JUDGED)] for i in range(0, len(every), len(JUDGED))]
    return [(row[0].rival, [cell(v) for v in row]) for row in rows]


def verdicts_markdown(run, ours="cleann", rivals=None) -> str:
    """The table of verdicts as Markdown, for notebooks and pages; small numbers of inputs are said first."""
    rows = []
    for rival, cells in verdict_rows(run, ours, rivals):
        told = (f"**{w}** {n}" if w in ("better", "worse") else f"{w} {n}" for w, n in cells)
        rows.append([rival, *(t.strip() for t in told)])
    verdicts = markdown([f"{ours} against", *(_HEADS[c] for c in JUDGED)], rows)
    return f"**{how_many(run)}** {reading(run, ours)}\n\n{verdicts}"


def verdicts_text(run, ours="cleann", rivals=None) -> str:
    """Each row in a line, then the table of verdicts, for a terminal."""
    lines = [how_many(run), ""]
    for row in run.summary():
        share, errors = row["success"], f", {row['errors']} errors" * bool(row["errors"])
        lines.append(f"{row['method']}: {100 * share.estimate:.1f} % explained, counted size "
                     f"{row['counted_size']}, model calls {row['calls']}{errors}")  # fmt: skip
    against = verdict_rows(run, ours, rivals)
    for rival, cells in against:
        lines += ["", f"{ours} against {rival}"]
        lines += [f"    {_HEADS[c]:<24} {' '.join(told)}" for c, told in zip(JUDGED, cells, strict=True)]
    return "\n".join([*lines, "", reading(run, ours)] if against else lines)


def _verdict_table(run, ours):
    """The table in HTML: words in the cells, intervals below them."""
    head = "".join(f"<th>{escape(h)}</th>" for h in (f"{ours} against", *(_HEADS[c] for c in JUDGED)))
    body = ""
    for rival, cells in verdict_rows(run, ours):
        told = (
            f'<td class="{w.split()[0]}">{escape(w)}<br><small>{escape(n)}</small></td>' for w, n in cells
        )
        body += f"<tr><td>{escape(rival)}</td>{''.join(told)}</tr>"
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _minimality(run):
    """How often CLEANN's set is a smallest one, as a sentence."""
    known = ~np.isnan(run.minimum)
    rows = {row["method"]: row["minimal"] for row in run.summary()}
    told = [f"{m} {_percent(rows[m])}" for m in ("cleann", "attention", "leave-one-out") if m in rows]
    if not known.any() or not told:
        return ""
    return (
        f"The minimum among the words in the graph is known for {known.sum()} of {len(known)} inputs (mean "
        f"{run.minimum[known].mean():.2f} units). Share of a row's sets that are as small: {'; '.join(told)}."
    )


def _stability(run):
    """How stable CLEANN's set is, as sentences."""
    stable = run.stability()
    kinds = {"alpha": "levels α", "heads": "heads", "equivalent": "attentions with the same output"}
    for kind, told in kinds.items():
        if f"{kind}: overlap" in stable:
            agree = _percent(stable[f"{kind}: agreement"])
            yield (
                f"Stability over {told}: CLEANN's first sets overlap by {stable[f'{kind}: overlap']} "
                f"(Jaccard); {agree} of the inputs are explained by all of them or by none."
            )


def _percent(i):
    return f"{i.estimate:.0%} [{i.low:.0%}, {i.high:.0%}]" if i.n else "unknown"


# --- pictures --------------------------------------------------------------------------------------------


def intervals_plot(run):
    """Success, size and calls of every row with intervals, as a matplotlib figure."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    rows = run.summary()[::-1]
    figure = Figure(figsize=(11, 1.2 + 0.28 * len(rows)), layout="constrained")
    panels = {
        "success": "share explained",
        "size": "units in the set (own successes)",
        "counted_size": f"units, a failure counted as {run.cost:g}",
        "calls": "model calls",
    }
    axes = figure.subplots(1, len(panels), sharey=True)
    for ax, (column, label) in zip(axes, panels.items(), strict=True):
        least = 1 if column == "calls" else 0  # the axis of calls is logarithmic
        for y, row in enumerate(rows):
            i, ours = row[column], row["method"].startswith("cleann")
            if i.n:
                style = {"color": _BLUE if ours else _ORANGE}
                ax.plot(np.maximum([i.low, i.high], least), [y, y], **style)
                ax.plot([max(i.estimate, least)], [y], "o" if ours else "s", markersize=4, **style)
        ax.set_xlabel(label, fontsize=8)
        ax.grid(axis="x", color="#ddd")
        ax.tick_params(labelsize=8)
    axes[-1].set_xscale("log")
    axes[-1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[-1].xaxis.set_major_formatter("{x:g}")
    axes[-1].xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_yticks(range(len(rows)), [row["method"] for row in rows])
    return figure


_CURVES = ("cleann", "attention", "attention-at-equal-sizes", "leave-one-out", "beam", "exhaustive")


def calls_plot(run, names=_CURVES):
    """Share of inputs explained within a number of model calls, as a matplotlib figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    ax = figure.subplots()
    styles = ("-", "--", ":", "-.", (0, (1, 3)), (0, (5, 1, 1, 1, 1, 1)))
    for name, style in zip((n for n in names if n in run.methods), styles, strict=False):
        done = run.values(name, "success") > 0
        calls = np.sort(run.values(name, "calls")[done])
        share = np.arange(1, len(calls) + 1) / max(1, len(done))
        end = share[-1] if len(share) else 0.0
        ends = [*calls, max(run.settings["max_calls"], *calls, 1)]
        ax.step(ends, [*share, end], where="post", linestyle=style, label=name)
    ax.set(xscale="log", ylim=(0, 1.02), xlabel="model calls", ylabel="share of inputs explained")
    if ax.lines:
        ax.legend(frameon=False, fontsize=8)
    return figure


def _tests_plot(run):
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    ax = figure.subplots()
    for method, style in zip(run.settings["methods"], ("o-", "s--", "^:", "D-.", "v-"), strict=False):
        if counts := run.tests_by_size(method):
            ax.plot(range(len(counts)), counts, style, label=method)
    ax.set(xlabel="size of the conditioning set", ylabel="tests, mean over graphs", yscale="symlog")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if ax.lines:
        ax.legend(frameon=False)
    return figure


def svg(figure) -> str:
    """A matplotlib figure as SVG text, the same at every run."""
    import matplotlib

    target = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "cleann_lite", "svg.fonttype": "none"}):
        figure.savefig(target, format="svg", metadata={"Date": None})
    text = target.getvalue()
    return text[text.index("<svg") :]


# --- pages -----------------------------------------------------------------------------------------------


def page(run) -> str:
    """The report of an experiment on explanations."""
    s, n = run.settings, len(run.records)
    done = "" if n == s["n"] else f" ({n} of them finished so far)"
    ours = [m for m in ("cleann", *VARIANTS) if m in run.methods and run.rivals(m)]
    parts = [
        f"<p>{counted(s['n'], 'input')}{done} of {escape(s['data'])}, explained for the model "
        f"{escape(s['model'])}. Every row masks the same units, reads the same heads and has at most "
        f"{s['max_calls']} model calls and {s['max_size']} units a set; a larger set is a failure. Each "
        f"reported set is checked with the model. Random rows are means of {s['draws']} draws. "
        "Intervals are 95&nbsp;% over inputs.</p>",
        "<h2>Verdicts</h2>" if ours and n else "",
        *(
            f"<p><b>{how_many(run)}</b> {escape(reading(run, m))}</p>{_verdict_table(run, m)}"
            for m in ours
            if n
        ),
        f"<ul>{''.join(f'<li>{escape(r)}</li>' for r in (_minimality(run), *_stability(run)) if r)}</ul>",
        "<h2>Rows</h2>",
        table(
            ["row", *(c.replace("_", " ") for c in _SUMMARY)],
            [[row["method"], *(row[c] for c in _SUMMARY)] for row in run.summary()],
        ),
        "<p>Size, rank, comprehensiveness and sufficiency are over a row's own successes; the verdicts "
        f"compare the same inputs. Counted size takes a failure for {run.cost:g} units. Rank is that of the "
        "replacement in the original ranking (the prediction is 1). Minimal: share of sets as small as the "
        "minimum among the words in the graph, where that is known. Best head: the one that did best on the "
        "other half of the inputs.</p>",
        _figure(intervals_plot(run), "Each row with its interval: share explained, size, model calls."),
        _figure(calls_plot(run), "Share of inputs explained within a number of model calls."),
    ]
    return _whole(f"Explanations measured: {s['task']}", parts, s)


def save(run, folder) -> Path:
    """Write table.csv, summary.csv and report.html of an `Evaluation`; returns the report's path."""
    folder = Path(folder)
    write_rows(folder / "table.csv", run.table)
    write_rows(folder / "summary.csv", [flat(row, 5) for row in run.summary()])
    write_whole(folder / "report.html", page(run))
    return folder / "report.html"


def save_benchmark(run, folder) -> Path:
    """Write table.csv and report.html of a `Benchmark`; returns the report's path."""
    rows = [
        {"graph": record["input"], "observed": record["observed"], "learner": method}
        | {column: row.get(column, "") for column in ("f1", "marks", "exact")}
        | {"tests": " ".join(map(str, row.get("tests", ()))), "error": row.get("error", "")}
        for record in run.records
        for method in run.settings["methods"]
        for row in [record["rows"][method]]
    ]
    write_rows(Path(folder) / "table.csv", rows)
    write_whole(Path(folder) / "report.html", discovery_page(run))
    return Path(folder) / "report.html"


def discovery_page(run) -> str:
    """The report of a benchmark of causal discovery."""
    s = run.settings
    head = ["learner", "skeleton F1", "median", "right marks", "median", "exact", "tests", "median",
            "seconds, median", "errors"]  # fmt: skip
    rows = [
        [r["method"], r["f1"], f"{r['f1_median']:.3g}", r["marks"], f"{r['marks_median']:.3g}", r["exact"],
         r["tests"], f"{r['tests_median']:.4g}", f"{r['seconds_median']:.3g}", r["errors"]]
        for r in run.summary()
    ]  # fmt: skip
    parts = [
        f"<p>{s['n']} random DAGs of {s['n_nodes']} nodes, expected degree {s['degree']:g}, "
        f"{s['latent_share']:.0%} of the parentless nodes with two or more children latent, {s['n_samples']} "
        f"samples, α = {s['alpha']:g}. The truth is what FCI learns from d-separation; for ordered ICD, the "
        "PAG under the known order. Right marks: over both ends of the edges that are in both graphs.</p>",
        "<h2>Verdicts</h2><ul>",
        *(f"<li>{escape(verdict)}</li>" for verdict in run.verdicts()),
        "</ul>",
        table(head, rows),
        _figure(_tests_plot(run), "Tests by size of the conditioning set."),
    ]
    return _whole("Causal discovery on random graphs with latent variables", parts, s)


def _whole(title, parts, settings):
    again = ["<h2>To reproduce</h2>", _mapping(settings), _mapping(versions())]
    return whole_page(title, "".join([*parts, *again]), css=_STYLE)


def _figure(figure, caption):
    image = svg(figure)
    return (
        f'<figure role="img" aria-label="{escape(caption)}">{image}<figcaption>{escape(caption)}</figcaption>'
        "</figure>"
    )


def _mapping(values):
    plain = {k: ", ".join(map(str, v)) if isinstance(v, list | tuple) else v for k, v in values.items()}
    return f'<div class="settings">{table(["setting", "value"], plain.items())}</div>'
