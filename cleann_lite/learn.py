"""The command ``learn``: from a table to a PAG, in words, JSON or a picture."""

import argparse
import csv
import io
import json

MOST_DRAWS = 1_000_000


def add_learn_options(parser, methods):
    """The options of the command, but those of the test."""
    parser.add_argument(
        "file", help=".csv, .tsv, .txt (also .gz), .npy or .parquet: samples, or a square matrix"
    )
    parser.add_argument("--n-samples", type=int, help="sample size; by default the rows of a table")
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first line holds names; seen from the file if not given",
    )
    parser.add_argument("--columns", metavar="A,B", help="the columns to read; all if not given")
    parser.add_argument("--drop", metavar="A,B", action="append", help="columns to leave out")
    parser.add_argument("--missing", choices=("drop", "pairwise"), help="how missing values are treated")
    parser.add_argument(
        "--method",
        default="icd",
        choices=methods,
        help="search (default icd); ordered-icd takes the order of the columns, or of --order",
    )
    parser.add_argument("--order", metavar="A,B", help="causal order for ordered-icd, earliest first")
    parser.add_argument(
        "--tiers", metavar='"A,B;C"', help="groups, earliest first: nothing causes an earlier one"
    )
    parser.add_argument("--max-size", type=int, help="largest set to condition on")
    parser.add_argument("--no-selection", action="store_true", help="assume that no selection was at work")
    parser.add_argument("--stability", type=int, metavar="N", help="learn again from N bootstrap samples")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")
    parser.add_argument("--p-values", action="store_true", help="the largest p of each edge beside it")
    parser.add_argument(
        "--fdr",
        choices=("by", "bh"),
        help="adjust p for the number of pairs: Benjamini with Yekutieli or Hochberg",
    )
    parser.add_argument("--json", action="store_true", help="print the PAG as JSON")
    parser.add_argument("--svg", metavar="FILE", help="draw the PAG into a file")


def learn(options):
    """Read a table, learn its graph, print it, and draw it if asked."""
    from .datasets.correlations import correlation_of
    from .datasets.tables import read_table

    dropped = [name for names in options.drop or () for name in _list(names)]
    columns = None if options.columns is None else _list(options.columns)
    table = read_table(options.file, options.header, columns, dropped)
    found = correlation_of(table, options.n_samples, options.missing)
    from .causal.discovery import learn_pag
    from .causal.graphs import distinct, rounded
    from .causal.independence import PartialCorrelation

    names = distinct(found.names)
    if options.order is not None and options.method != "ordered-icd":
        raise ValueError(f"--order is for --method ordered-icd: got {options.method}")
    order = names if options.order is None else _known(_list(options.order), names)
    groups = () if options.tiers is None else options.tiers.strip().removesuffix(";").split(";")
    tiers = [_known(_list(group), names) for group in groups]
    settings = {
        "method": options.method,
        "order": order if options.method == "ordered-icd" else None,
        "selection_bias": not options.no_selection,
        "max_size": options.max_size,
        "tiers": tiers or None,
    }
    test = PartialCorrelation(found.matrix, found.n_samples, options.alpha, one_sided=options.one_sided)
    pag = learn_pag(test, labels=names, **settings)
    isolated = [name for name, row in zip(names, pag.marks, strict=True) if not row.any()]
    shares, adjusted = _shares(options, table, found, names, pag, settings), _adjusted(options, pag)
    if options.json:
        record = {
            "read": found.said,
            "n_samples": found.n_samples,
            "alpha": options.alpha,
            "method": options.method,
            "isolated": isolated,
        }
        if shares:
            record["stability"] = shares.to_dict()
        if adjusted is not None:
            record["fdr"] = options.fdr
            record["adjusted_p_values"] = [rounded(row) for row in adjusted]
    lines = [found.said, f"n = {found.n_samples}, alpha = {options.alpha:g}, {options.method}"]
    lines += _described(pag, options, shares, adjusted) or [
        "No edge is left: every two variables are independent given some set."
    ]
    lines += [f"isolated: {', '.join(isolated)}"] if isolated else []
    lines += [f"note: {note}" for note in pag.notes]
    if singular := test.n_singular:
        lines.append(
            f"note: tests that cannot be solved (singular correlations) and count as dependent: {singular}"
        )
    if options.json:
        print(pag.to_json()[:-1], json.dumps(record, ensure_ascii=False)[1:], sep=", ")
    else:
        print("\n".join(lines))
    if options.svg is not None:
        from .drawing.draw import draw

        draw(pag, share=shares and shares.edges).save(options.svg)


def _shares(options, table, found, names, pag, settings):
    """How often each edge comes back from resampled rows, or None if nobody asked."""
    if options.stability is None:
        return None
    if not 1 <= options.stability <= MOST_DRAWS:
        least = f"at least 1 and at most {MOST_DRAWS}"
        raise ValueError(f"--stability takes the number of graphs, {least}: got {options.stability}")
    if found.matrix_given or (table.values != table.values).any():
        what = "a matrix" if found.matrix_given else "missing values"
        raise ValueError(f"--stability needs a table of complete samples: {table.name} holds {what}")
    from .causal.stability import stability

    test = {"alpha": options.alpha, "one_sided": options.one_sided}
    return stability(table.values, options.stability, seed=options.seed, labels=names, **test, **settings)


def _adjusted(options, pag):
    """p-values adjusted for the number of pairs, or None if nobody asked."""
    if options.fdr is None:
        return None
    from .causal.stability import adjusted_p_values

    return adjusted_p_values(pag, options.fdr)


def _described(pag, options, shares, adjusted):
    """The sentences of a graph, with adjusted p and the share of resampled graphs that hold each edge."""
    number = {node: i for i, node in enumerate(pag.nodes)}
    edges = [(number[x], number[y]) for x, y, *_ in pag.edges()]
    lines = pag.describe(p_values=options.p_values)
    if adjusted is not None:
        lines = [f"{line} Adjusted p: {adjusted[e]:.2g}." for line, e in zip(lines, edges, strict=True)]
    if shares is not None:
        from .causal.marks import counted

        many = counted(shares.draws, "resampled graph")
        told = [f"In {round(shares.edges[e] * shares.draws)} of {many}." for e in edges]
        lines = [f"{line} {share}" for line, share in zip(lines, told, strict=True)]
    return lines


def _list(text):
    """Names separated by commas; a name that holds one is put in double quotes."""
    rows = csv.reader(io.StringIO(text.replace("\r", "\n"), newline=""), skipinitialspace=True)
    return [name.strip() for row in rows for name in row if name.strip()]


def _known(asked, names):
    for name in asked:
        if name not in names:
            raise ValueError(f"there is no column {name!r}: the columns are {', '.join(names[:20])}")
    return asked
