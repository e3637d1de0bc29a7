"""An evaluation as one page of HTML: verdicts in words, tables, plots, and what reproduces it."""

import html
import io

import numpy as np

from .journal import versions

_BLUE, _ORANGE = "#0072B2", "#D55E00"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 0.85rem; } .wide { overflow-x: auto; }
td, th { padding: 0.25rem 0.6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child, .settings td, .settings th { text-align: left; }
.settings td { white-space: normal; overflow-wrap: anywhere; }
.settings td:first-child { white-space: nowrap; overflow-wrap: normal; }
figure { margin: 1.5rem 0; }
figcaption { color: #444; font-size: 0.9rem; } svg { max-width: 100%; height: auto; }
"""
RIVALS = {
    "attention": "attention order (same heads, same cap of model calls)",
    "attention-at-equal-calls": "attention-ranked sets at the very same number of model calls",
    "random-at-equal-calls": "random sets at the very same number of model calls",
}
_SUMMARY = (
    "success", "size", "counted_size", "rank", "calls", "seconds", "comprehensiveness", "sufficiency",
    "minimal", "errors",
)  # fmt: skip
_PER_HEAD = ("-head-", "-alpha-")


# --- words -----------------------------------------------------------------------------------------------


def verdicts(run) -> list[str]:
    """Sentences that confirm or deny the papers' headlines for this model and data."""
    sentences = []
    for rival, told in RIVALS.items():
        if {"cleann", rival} <= set(run.methods):
            c = run.compare("cleann", rival)
            sentences += [_size_verdict(c, told, run.cost), _rank_verdict(run, c, told)]
    sentences += [_failures(run), _minimality(run), *_stability(run)]
    return [s for s in sentences if s]


def _size_verdict(c, told, cost):
    if not c.common:
        return f"Smaller sets than {told}? Not decided: no input was explained by both."
    word = _decided(c.size, c.p["size"], "smaller")
    counted = _decided(c.counted_size, c.p["counted_size"], "smaller").rstrip(".").lower()
    return (
        f"Smaller sets than {told}? {word} On the {_inputs(c.common)} that both explained, CLEANN's set has "
        f"{_signed(c.size)} units relative to the other's (p = {c.p['size']:.2g}). Over all inputs, a "
        f"failure counted as a set of {cost:g} units: {_signed(c.counted_size)} ({counted}; "
        f"p = {c.p['counted_size']:.2g}). CLEANN's share of success is {_signed(c.success, '.1%')} relative "
        f"to the other's (p = {c.p['success']:.2g})."
    )


def _rank_verdict(run, c, told):
    ranks = np.concatenate([run.values(m, "rank") for m in (c.first, c.second)])
    if set(ranks[~np.isnan(ranks)]) <= {2.0}:
        if c.second == "attention":
            return "Does the replacement rank higher? No question with two classes: it is always the second."
        return ""
    word = _decided(c.rank, c.p["rank"], "higher")
    return (
        f"Does the replacement rank higher than with {told}? {word} On the {_inputs(c.common)} that both "
        f"explained, CLEANN's stood {_signed(c.rank)} places relative to the other's in the original ranking "
        f"(negative is higher; p = {c.p['rank']:.2g})."
    )


def _inputs(count):
    return f"{count} input{'s' * (count != 1)}"


def _decided(interval, p, what):
    """Confirmed or denied where the interval leaves 0 out and the test agrees at 5 %."""
    opposite = {"smaller": "larger", "higher": "lower"}[what]
    if interval.n and interval.high < 0 and p <= 0.05:
        return f"Confirmed: {what}."
    if interval.n and interval.low > 0 and p <= 0.05:
        return f"Denied: {opposite}."
    return "Not decided."


def _failures(run):
    shares = []
    for row in run.summary():
        if any(part in row["method"] for part in _PER_HEAD):
            continue
        s = row["success"]
        errors = f" ({row['errors']} by an error)" if row["errors"] else ""
        shares.append(f"{row['method']} {1 - s.estimate:.1%} [{1 - s.high:.1%}, {1 - s.low:.1%}]{errors}")
    return f"How often does each method fail? {'; '.join(shares)}."


def _minimality(run):
    known = ~np.isnan(run.minimum)
    rows = {row["method"]: row["minimal"] for row in run.summary()}
    told = [f"{m} {_percent(rows[m])}" for m in ("cleann", "attention", "leave-one-out") if m in rows]
    if not known.any() or not told:
        return ""
    return (
        f"The true minimum is known for {known.sum()} of {len(known)} inputs (mean "
        f"{run.minimum[known].mean():.2f} units). Share of a method's sets that are as small: "
        f"{'; '.join(told)}."
    )


def _stability(run):
    stable = run.stability()
    kinds = {"alpha": "levels α", "heads": "heads", "equivalent": "attentions with the same output"}
    for kind, told in kinds.items():
        if f"{kind}: overlap" in stable:
            agree = _percent(stable[f"{kind}: agreement"])
            yield (
                f"Stability over {told}: CLEANN's first sets overlap by {stable[f'{kind}: overlap']} "
                f"(Jaccard); {agree} of the inputs are explained by all of them or by none."
            )


def _signed(i, style=".2f"):
    if not i.n:
        return "no figure"
    return f"{i.estimate:+{style}} [{i.low:+{style}}, {i.high:+{style}}]"


def _percent(i):
    return f"{i.estimate:.0%} [{i.low:.0%}, {i.high:.0%}]" if i.n else "unknown"


# --- pictures --------------------------------------------------------------------------------------------


def intervals_plot(run):
    """Success, size and calls of every method with intervals, as a matplotlib figure."""
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


_CURVES = ("cleann", "attention", "attention-at-equal-calls", "leave-one-out", "random", "exhaustive")


def calls_plot(run, names=_CURVES):
    """Share of inputs explained within a number of model calls, as a matplotlib figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    ax = figure.subplots()
    styles = ("-", "--", ":", "-.", (0, (1, 3)), (0, (5, 1, 1, 1, 1, 1)))
    for name, style in zip((n for n in names if n in run.methods), styles, strict=False):
        done = run.successes(name)
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

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    ax = figure.subplots()
    for method, style in zip(run.settings["methods"], ("o-", "s--", "^:", "D-.", "v-"), strict=False):
        if counts := run.tests_by_size(method):
            ax.plot(range(len(counts)), counts, style, label=method)
    ax.set(xlabel="size of the conditioning set", ylabel="tests, mean over graphs", yscale="symlog")
    ax.xaxis.get_major_locator().set_params(integer=True)
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
    parts = [
        f"<p>{s['n']} inputs{done} of {_text(s['data'])}, explained for the model {_text(s['model'])}. Every "
        f"method had the same units, the same heads and at most {s['max_calls']} model calls and "
        f"{s['max_size']} units a set; a larger set is a failure. Each reported set was run again by itself. "
        "Intervals are 95&nbsp;% over inputs.</p>",
        _sentences(run.verdicts()),
        "<h2>Methods</h2>",
        table(
            ["method", *(c.replace("_", " ") for c in _SUMMARY)],
            [[row["method"], *(row[c] for c in _SUMMARY)] for row in run.summary()],
        ),
        "<p>Size, rank, comprehensiveness and sufficiency are over a method's own successes; the comparisons "
        f"below are over common ones. Counted size takes a failure for {run.cost:g} units. Rank is that of "
        "the replacement in the original ranking (the prediction is 1). Minimal: share of sets as small as "
        "the true minimum, where that is known. Best head: the one that did best on the other half of the "
        "inputs.</p>",
        _figure(intervals_plot(run), "Each method with its interval: share explained, size, model calls."),
        _figure(calls_plot(run), "Share of inputs explained within a number of model calls."),
    ]
    if "cleann" in run.methods and len(run.methods) > 1:
        parts += ["<h2>CLEANN against each, on the same inputs</h2>", _comparison_table(run)]
    return _whole(f"Explanations measured: {s['task']}", parts, s)


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
        _sentences(run.verdicts()),
        table(head, rows),
        _figure(_tests_plot(run), "Tests by size of the conditioning set."),
    ]
    return _whole("Causal discovery on random graphs with latent variables", parts, s)


def _whole(title, parts, settings):
    again = ["<h2>To reproduce</h2>", _mapping(settings), _mapping(versions())]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{_text(title)}</h1>"
        f"{''.join([*parts, *again])}</body></html>"
    )


def _text(value):
    return html.escape(str(value))


def _sentences(sentences):
    return f"<h2>Verdicts</h2><ul>{''.join(f'<li>{_text(s)}</li>' for s in sentences)}</ul>"


def _comparison_table(run):
    head = [
        "CLEANN minus …",
        "common",
        "size",
        "p",
        "counted size",
        "p",
        "rank",
        "p",
        "success",
        "p",
        "calls",
    ]
    rows = []
    for c in run.comparisons():
        cells = [c.second, c.common]
        for column in ("size", "counted_size", "rank", "success"):
            cells += [getattr(c, column), f"{c.p[column]:.2g}"]
        rows.append([*cells, c.calls])
    return table(head, rows) + (
        "<p>Mean differences with bootstrap intervals; p by sign flips and McNemar's test, corrected by Holm "
        "for the number of rows.</p>"
    )


def table(head, rows) -> str:
    """A table in HTML."""
    cells = "".join(f"<th>{_text(h)}</th>" for h in head)
    body = "".join(f"<tr>{''.join(f'<td>{_text(c)}</td>' for c in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _figure(figure, caption):
    image = svg(figure)
    return (
        f'<figure role="img" aria-label="{_text(caption)}">{image}<figcaption>{_text(caption)}</figcaption>'
        "</figure>"
    )


def _mapping(values):
    plain = {k: ", ".join(map(str, v)) if isinstance(v, list | tuple) else v for k, v in values.items()}
    return f'<div class="settings">{table(["setting", "value"], plain.items())}</div>'
