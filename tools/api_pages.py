"""The reference pages of the book, made from the docstrings of the package."""

import html
import importlib
import inspect
import re

import mistune

# (module, what it is for), in the order of the house
MODULES = (
    "attention.sem", "attention.residual", "attention.identifiability", "causal.graphs", "causal.separation",
    "causal.mags", "causal.independence", "causal.orientation", "causal.pds", "causal.discovery",
    "models.protocol", "models.loading", "models.text", "models.bert4rec", "models.decoupled",
    "explaining.search", "explaining.settings", "explaining.explanation", "explaining.baselines",
    "explaining.robustness", "drawing.draw", "evaluation.experiment", "evaluation.results",
    "evaluation.planted", "evaluation.readers", "evaluation.readings", "evaluation.randomised",
    "evaluation.rungs", "datasets.shipped", "widgets", "course",
)  # fmt: skip
SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\s*$", re.M)
STAR = re.compile(r"\*(?=[→—o])|(?<=[←—])\*")  # the star of α *→ β stands for any mark, not for emphasis
FIELDS = ("Parameters", "Attributes", "Returns", "Raises", "Yields", "Other Parameters")

_markdown = mistune.create_markdown(escape=True, plugins=["table"])


def text_html(text):
    """Running text of a docstring: paragraphs, lists, ``code``, and examples as they are."""
    out = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        code = block.lstrip().startswith(">>>") or block.startswith("    ")
        table = re.match(r"\s*=+\s+=+", block)
        if code or table:
            shown = block.replace("``", "") if table else block
            out.append(f"<pre>{html.escape(inspect.cleandoc(shown))}</pre>")
            continue
        block = re.sub(r"^\.\. (\[\d+\])", r"\1", inspect.cleandoc(block))
        block = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", re.sub(r"``(.+?)``", r"`\1`", block))
        out.append(_markdown(STAR.sub("∗", block)))
    return "\n".join(out)


def fields_html(text):
    """A numpydoc field list as a definition list."""
    out, name, words = [], None, []

    def close():
        if name is not None:
            out.append(
                f"<dt><code>{html.escape(name)}</code></dt><dd>{text_html(inspect.cleandoc(chr(10).join(words)))}</dd>"
            )

    for line in text.strip("\n").split("\n"):
        if line and not line.startswith(" "):
            close()
            name, words = line, []
        else:
            words.append(line)
    close()
    return f"<dl>{''.join(out)}</dl>"


def docstring_html(text):
    """A numpydoc docstring as HTML; its sections become bold lines, so that headings stay in order."""
    text = inspect.cleandoc(text or "")
    pieces = SECTION.split(text)
    out = [text_html(pieces[0])]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        out.append(f'<p class="part">{html.escape(title)}</p>')
        out.append(
            fields_html(body) if title in FIELDS and re.search(r"^ +\S", body, re.M) else text_html(body)
        )
    return "\n".join(out)


def signature(thing):
    try:
        return re.sub(r"<function (\w+) at 0x\w+>", r"\1", str(inspect.signature(thing)))
    except (TypeError, ValueError):
        return ""


def members(module):
    """Public functions and classes that a module defines, in the order of its file."""
    found = []
    for name in getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]:
        thing = getattr(module, name, None)
        home = getattr(thing, "__module__", "") or ""
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and home.startswith(module.__name__):
            found.append((name, thing))
    return found


def thing_html(name, thing):
    kind = "class" if inspect.isclass(thing) else "function"
    out = [
        f"<h2>{html.escape(name)}</h2>",
        f'<pre class="signature">{kind} {html.escape(name + signature(thing))}</pre>',
    ]
    out.append(docstring_html(thing.__doc__))
    if inspect.isclass(thing):
        for method, value in vars(thing).items():
            call = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            documented = getattr(call, "__doc__", None)
            if method.startswith("_") or not documented:
                continue
            if inspect.isfunction(call):
                out.append(f"<h3>{html.escape(f'{name}.{method}')}</h3>")
                out.append(f'<pre class="signature">{html.escape(method + signature(call))}</pre>')
                out.append(docstring_html(documented))
            elif isinstance(call, property):
                out.append(f"<h3>{html.escape(f'{name}.{method}')}</h3>{docstring_html(documented)}")
    return "\n".join(out)


def api_pages():
    """(file name, title, inner HTML) of every reference page; the first lists the others."""
    pages, rows = [], []
    for name in MODULES:
        try:
            module = importlib.import_module(f"cleann_lite.{name}")
        except ModuleNotFoundError as absent:
            if absent.name != f"cleann_lite.{name}":
                raise
            continue
        things = members(module)
        body = f"<h1>cleann_lite.{name}</h1>{docstring_html(module.__doc__)}"
        body += "".join(thing_html(n, t) for n, t in things)
        pages.append((f"api_{name}", f"cleann_lite.{name}", body))
        summary = inspect.cleandoc(module.__doc__ or "").split("\n")[0]
        listed = ", ".join(f"<code>{html.escape(n)}</code>" for n, _ in things)
        rows.append(
            f'<li><a href="api_{name}.html">cleann_lite.{name}</a>: {html.escape(summary)}<br>{listed}</li>'
        )
    top = "<h1>Reference</h1><p>Made from the docstrings of the package.</p><ul>" + "".join(rows) + "</ul>"
    return [("api", "Reference", top), *pages]
