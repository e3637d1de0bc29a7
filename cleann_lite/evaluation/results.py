"""What an experiment leaves: a tidy table, intervals over inputs, paired comparisons, verdicts, a report."""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .journal import JOURNAL, read_journal
from .statistics import Interval, bootstrap_mean, holm, jaccard, mcnemar_p, sign_flip_p, wilson

COLUMNS = (
    "input", "method", "success", "size", "counted_size", "rank", "calls", "comprehensiveness", "sufficiency",
    "minimal", "sets", "positions", "note",
)  # fmt: skip
MEASURED = ("size", "counted_size", "rank", "calls", "comprehensiveness", "sufficiency")


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same inputs; differences are first − second.

    Attributes
    ----------
    common
        Inputs that both explained.
    size, rank, calls
        Mean difference with its bootstrap interval, over the common inputs.
    counted_size
        The same over all inputs, a failure counted at its cost.
    success
        Difference of the shares of success.
    p
        p-values of size, counted_size and rank (sign flips) and of success (McNemar).
    """

    first: str
    second: str
    common: int
    size: Interval
    counted_size: Interval
    rank: Interval
    calls: Interval
    success: Interval
    p: dict[str, float]


class Evaluation:
    """Results of one experiment: ``evaluate`` returns it, and `Evaluation.read` finds it in a folder.

    Attributes
    ----------
    settings
        Of the experiment, with the sha256 of the weights and of the inputs.
    records
        One per input, in order, with a row per method.
    """

    def __init__(self, settings: dict, records: list[dict]):
        self.settings = settings
        self.records = records
        cost = settings["failure_cost"]
        self.cost = settings["max_size"] + 1 if cost is None else cost

    @classmethod
    def read(cls, folder) -> "Evaluation":
        """Results that stand in a folder, or in a journal, finished or not.

        Raises
        ------
        ValueError
            There is no journal, it is damaged, or it is of another kind.
        """
        path = Path(folder)
        path = path / JOURNAL if path.is_dir() else path
        if not path.is_file():
            raise ValueError(f"there are no results in {str(folder)!r}: {JOURNAL} is missing")
        settings, records, _ = read_journal(path)
        if settings is None or "max_size" not in settings:
            raise ValueError(f"{path} holds no results of explanations")
        return cls(settings, [records[i] for i in sorted(records)])

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Rows of the table; ``…-best-head`` is the head that did best on the other half of the inputs."""
        names = self.settings["methods"]
        best = [k for k in ("cleann", "attention") if sum(n.startswith(f"{k}-head-") for n in names) > 1]
        return (*names, *(f"{k}-best-head" for k in best))

    def rows(self, method: str) -> list[dict]:
        """Measurements of one method, input by input."""
        if method not in self.methods:
            raise ValueError(f"the methods here are {', '.join(self.methods)}: got {method!r}")
        if method.endswith("-best-head"):
            return self._best_head(method.removesuffix("-best-head"))
        return [record["rows"][method] for record in self.records]

    def _best_head(self, kind):
        """Two halves by turns: the head is chosen where it is not judged."""
        heads = [n for n in self.settings["methods"] if n.startswith(f"{kind}-head-")]
        sizes = np.array([self.values(h, "counted_size") for h in heads])
        best = []
        for half in (0, 1):
            other = sizes[:, 1 - half :: 2] if len(self.records) > 1 else sizes
            best.append(heads[int(other.sum(axis=1).argmin())])
        return [record["rows"][best[i % 2]] for i, record in enumerate(self.records)]

    def values(self, method: str, column: str) -> np.ndarray:
        """(inputs,) float64 of one measurement; NaN where the method failed.

        ``counted_size`` is the size with a failure counted at its cost.
        """
        if column == "counted_size":
            return np.nan_to_num(self.values(method, "size"), nan=self.cost)
        return np.array([row.get(column, np.nan) for row in self.rows(method)], dtype=float)

    def successes(self, method: str) -> np.ndarray:
        """(inputs,) bool."""
        return np.array([row["success"] for row in self.rows(method)], dtype=bool)

    @cached_property
    def minimum(self) -> np.ndarray:
        """(inputs,) size of the smallest set of all; NaN where it was not proved (or not asked for)."""
        if "exhaustive" not in self.methods:
            return np.full(len(self.records), np.nan)
        return self.values("exhaustive", "size")

    @cached_property
    def table(self) -> list[dict]:
        """Tidy: a row per input and method. Seconds stand apart (timing.csv): no two runs share them."""
        rows = []
        for method in self.methods:
            for record, row, least in zip(self.records, self.rows(method), self.minimum, strict=True):
                minimal = row["success"] and not np.isnan(least)
                rows.append(
                    {c: row.get(c, "") for c in COLUMNS}
                    | {"input": record["input"], "method": method, "success": int(row["success"])}
                    | {"counted_size": row.get("size", self.cost)}
                    | {"minimal": int(row["size"] == least) if minimal else ""}
                    | {"positions": " ".join(map(str, row.get("positions", ())))}
                )
        return sorted(rows, key=lambda row: row["input"])

    def frame(self):
        """The table as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.table).replace("", None).convert_dtypes()

    def summary(self) -> list[dict]:
        """One row per method, each measurement with its 95 % interval over inputs."""
        rows = []
        for method in self.methods:
            success = self.successes(method)
            known = success & ~np.isnan(self.minimum)
            minimal = int((self.values(method, "size") == self.minimum)[known].sum())
            rows.append(
                {"method": method, "success": wilson(int(success.sum()), len(success))}
                | {column: bootstrap_mean(self.values(method, column)) for column in MEASURED}
                | {"minimal": wilson(minimal, int(known.sum()))}
                | {"seconds": bootstrap_mean(self.values(method, "seconds"))}
                | {"errors": sum(row["note"].startswith("error") for row in self.rows(method))}
            )
        return rows

    def compare(self, first: str, second: str) -> Comparison:
        """Two methods on the same inputs."""
        one, two = self.successes(first), self.successes(second)
        change = {c: self.values(first, c) - self.values(second, c) for c in ("size", "rank", "calls")}
        change = {c: np.where(one & two, d, np.nan) for c, d in change.items()}
        change["counted_size"] = self.values(first, "counted_size") - self.values(second, "counted_size")
        change["success"] = one.astype(float) - two
        p = {c: sign_flip_p(change[c]) for c in ("size", "counted_size", "rank")}
        p["success"] = mcnemar_p(one, two)
        means = {c: bootstrap_mean(d) for c, d in change.items()}
        return Comparison(first, second, int((one & two).sum()), p=p, **means)

    def comparisons(self, first="cleann") -> list[Comparison]:
        """The first method against every other one, p-values corrected by Holm for their number."""
        found = [self.compare(first, m) for m in self.methods if m != first]
        for kind in ("size", "counted_size", "rank", "success"):
            for one, p in zip(found, holm([c.p[kind] for c in found]), strict=True):
                one.p[kind] = p
        return found

    def stability(self) -> dict[str, Interval]:
        """Overlap (Jaccard) of CLEANN's first sets over levels α, heads, attentions; how often they agree.

        To agree is to succeed all or to fail all; the overlap is over the inputs with two sets or more.
        """
        names = self.settings["methods"]
        groups = {
            "alpha": [n for n in names if n == "cleann" or n.startswith("cleann-alpha-")],
            "heads": [n for n in names if n.startswith("cleann-head-")],
            "equivalent": [n for n in names if n in ("cleann", "cleann-equivalent-attention")],
        }
        stable = {}
        for kind, group in groups.items():
            if len(group) < 2:
                continue
            rows = [[record["rows"][m] for m in group] for record in self.records]
            sets = [[row["positions"] for row in some if row["success"]] for some in rows]
            agree = [len({row["success"] for row in some}) == 1 for some in rows]
            stable[f"{kind}: overlap"] = bootstrap_mean([jaccard(s) for s in sets])
            stable[f"{kind}: agreement"] = wilson(sum(agree), len(agree))
        return stable

    def verdicts(self) -> list[str]:
        """The questions of the papers, answered in words with intervals."""
        from .report import verdicts

        return verdicts(self) if self.records else ["No input is finished yet."]

    def to_html(self) -> str:
        """The report: one file, no script, no network."""
        from .report import page

        return page(self)

    def save(self, folder) -> Path:
        """Write table.csv, summary.csv, timing.csv and report.html; returns the report's path."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(folder / "table.csv", self.table)
        write_csv(folder / "summary.csv", [_flat(row) for row in self.summary()])
        names = self.settings["methods"]
        seconds = [
            {"input": r["input"], "method": m, "seconds": r["rows"][m].get("seconds", "")}
            for r in self.records
            for m in names
        ]
        write_csv(folder / "timing.csv", seconds)
        (folder / "report.html").write_text(self.to_html(), encoding="utf-8")
        return folder / "report.html"


def _flat(row):
    """A row of the summary with its intervals spread over three columns."""
    flat = {}
    for name, value in row.items():
        if isinstance(value, Interval):
            flat |= {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
        else:
            flat[name] = value
    return {name: round(v, 5) if isinstance(v, float) else v for name, v in flat.items()}


def write_csv(path, rows: list[dict]) -> None:
    """Write dictionaries with the same keys as a table."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["empty"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
