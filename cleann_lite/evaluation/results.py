"""What an experiment leaves: a tidy table, intervals over inputs, paired comparisons and verdicts.

Nothing here renders: :mod:`cleann_lite.evaluation.report` takes these results and writes tables and pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

import numpy as np

from ..causal.marks import counted
from .journal import read_journal
from .statistics import Interval, bootstrap_mean, jaccard, wilson

COLUMNS = (
    "input", "method", "success", "size", "counted_size", "rank", "calls", "comprehensiveness", "sufficiency",
    "minimal", "sets", "positions", "note",
)  # fmt: skip
MEASURED = ("size", "counted_size", "rank", "calls", "comprehensiveness", "sufficiency")
JUDGED = ("success", "counted_size", "calls", "rank")  # columns of the verdicts
FEWEST = 10  # inputs that must differ before anything is decided: of fewer, an interval is too narrow
FEW = 100  # inputs below which a table says loudly how few they are


class Word(Enum):
    """What a paired difference says."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "not decided"


@dataclass(frozen=True)
class Verdict:
    """One row against a rival by one measurement, over the inputs of one experiment.

    Attributes
    ----------
    ours, rival
        Names of rows.
    column
        "success" (the difference is in points: 100 times that of the shares), "counted_size", "calls", or
        "rank" of the replacement.
    word
        Better or worse where the interval leaves 0 out and the rows differ on at least 10 inputs.
    interval
        Mean difference ours − rival with its 95 % bootstrap interval over inputs. None for the rank where
        it is the same by definition (two classes).
    differ
        Inputs on which the two rows differ.
    """

    ours: str
    rival: str
    column: str
    word: Word
    interval: Interval | None
    differ: int = 0

    def __str__(self):
        name = {"counted_size": "counted size"}.get(self.column, self.column)
        if self.interval is None:
            return f"{self.ours} against {self.rival}, {name}: the same for any set (two classes)"
        unit, i = {"success": " points"}.get(self.column, ""), self.interval
        if not i.n:
            return f"{self.ours} against {self.rival}, {name}: not decided (no input was explained by both)"
        told = f"{self.word.value}, {i.signed(unit)}, {counted(i.n, 'input')}"
        return f"{self.ours} against {self.rival}, {name}: {told}"


@dataclass(frozen=True)
class Comparison:
    """Two rows on the same inputs; mean differences first − second with 95 % bootstrap intervals.

    Attributes
    ----------
    common
        Inputs that both explained (for rows of several draws: in at least one of them).
    success
        Of the shares, from 0 to 1.
    counted_size
        Over all inputs, a failure counted at its cost.
    calls
        Over all inputs.
    size, rank
        Over the common inputs.
    """

    first: str
    second: str
    common: int
    success: Interval
    counted_size: Interval
    calls: Interval
    size: Interval
    rank: Interval


class Evaluation:
    """Results of one experiment: ``evaluate`` returns it, and `Evaluation.read` finds it in a folder.

    Attributes
    ----------
    settings
        Of the experiment, with the sha256 of the weights and of the inputs.
    records
        One per input, in order, with all rows.
    """

    def __init__(self, settings: dict, records: list[dict]):
        self.settings = settings
        self.records = records
        cost = settings["failure_cost"]
        self.cost = settings["max_size"] + 1 if cost is None else cost

    @classmethod
    def read(cls, folder) -> "Evaluation":
        """Results from a folder or a journal, finished or not.

        Raises
        ------
        ValueError
            There is no journal, its first line is damaged, or it is of another kind or version.
        """
        settings, records = read_journal(folder)
        if "max_size" not in settings:
            raise ValueError(f"{Path(folder)} holds no results of explanations")
        return cls(settings, records)

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Rows of the table; ``…-best-head`` is the head that did best on the other half of the inputs."""
        names = self.settings["methods"]
        best = [k for k in ("cleann", "attention") if sum(n.startswith(f"{k}-head-") for n in names) > 1]
        return (*names, *(f"{k}-best-head" for k in best))

    def rows(self, row: str) -> list[dict]:
        """Measurements of one row, input by input."""
        if row not in self.methods:
            raise ValueError(f"the rows here are {', '.join(self.methods)}: got {row!r}")
        if row.endswith("-best-head"):
            return self._best_head(row.removesuffix("-best-head"))
        return [record["rows"][row] for record in self.records]

    def _best_head(self, kind):
        """Two halves by turns: the head is chosen where it is not judged."""
        heads = [n for n in self.settings["methods"] if n.startswith(f"{kind}-head-")]
        sizes = np.array([self.values(h, "counted_size") for h in heads])
        best = []
        for half in (0, 1):
            other = sizes[:, 1 - half :: 2] if len(self.records) > 1 else sizes
            best.append(heads[int(other.sum(axis=1).argmin())])
        return [record["rows"][best[i % 2]] for i, record in enumerate(self.records)]

    def values(self, row: str, column: str) -> np.ndarray:
        """(inputs,) float64 of one measurement; NaN where the row failed.

        "success" is a share: of the draws that succeeded, for a row of several. "counted_size" is the size
        with a failure counted at its cost.
        """
        if column == "counted_size":
            share = self.values(row, "success")
            return share * np.nan_to_num(self.values(row, "size")) + (1 - share) * self.cost
        return np.array([one.get(column, np.nan) for one in self.rows(row)], dtype=float)

    @cached_property
    def minimum(self) -> np.ndarray:
        """(inputs,) size of the smallest set of units that rows may mask; NaN where it is not proved."""
        if "exhaustive" not in self.methods:
            return np.full(len(self.records), np.nan)
        rows = self.rows("exhaustive")
        return np.array([row.get("size", np.nan) if not row["note"] else np.nan for row in rows], dtype=float)

    @cached_property
    def table(self) -> list[dict]:
        """Tidy: a dict per input and row (its name as "method")."""
        rows = []
        for method in self.methods:
            for record, row, least in zip(self.records, self.rows(method), self.minimum, strict=True):
                minimal = row["success"] and "draws" not in row and not np.isnan(least)
                counted = row["success"] * row.get("size", 0) + (1 - row["success"]) * self.cost
                rows.append(
                    {c: row.get(c, "") for c in COLUMNS}
                    | {"input": record["input"], "method": method, "success": row["success"] + 0}
                    | {"counted_size": round(counted, 5)}
                    | {"minimal": int(row["size"] == least) if minimal else ""}
                    | {"positions": " ".join(map(str, row.get("positions", ())))}
                )
        return sorted(rows, key=lambda row: row["input"])

    def frame(self):
        """The table as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.table).replace("", None).convert_dtypes()

    def summary(self) -> list[dict]:
        """One dict per row, each measurement with its 95 % interval over inputs."""
        rows = []
        for method in self.methods:
            success, size = self.values(method, "success"), self.values(method, "size")
            drawn = any("draws" in row for row in self.rows(method))
            known = (success > 0) & ~np.isnan(self.minimum) & (not drawn)
            share = bootstrap_mean(success) if drawn else wilson(int(success.sum()), len(success))
            rows.append(
                {"method": method, "success": share}
                | {column: bootstrap_mean(self.values(method, column)) for column in MEASURED}
                | {"minimal": wilson(int((size == self.minimum)[known].sum()), int(known.sum()))}
                | {"errors": sum(row["note"].startswith("error") for row in self.rows(method))}
            )
        return rows

    def compare(self, first: str, second: str) -> Comparison:
        """Two rows on the same inputs."""
        change = {
            column: self.values(first, column) - self.values(second, column)
            for column in ("success", "counted_size", "calls", "size", "rank")
        }
        common = int((~np.isnan(change["size"])).sum())
        return Comparison(first, second, common, **{c: bootstrap_mean(d) for c, d in change.items()})

    @cached_property
    def ranked(self) -> bool:
        """Whether the replacement's rank can differ: with two classes it is always 2."""
        ranks = np.concatenate([self.values(m, "rank") for m in self.methods])
        return bool(set(ranks[~np.isnan(ranks)]) - {2.0})

    def verdicts(self, ours="cleann", rivals: Sequence[str] | None = None) -> list[Verdict]:
        """One row against others: success, counted size, calls and rank, each better, worse or not decided.

        Parameters
        ----------
        ours
        rivals
            None takes the row's controls at equal sizes, then the plain rows.
        """
        against = [self.compare(ours, r) for r in (self.rivals(ours) if rivals is None else rivals)]
        return [self._verdict(comparison, column) for comparison in against for column in JUDGED]

    def rivals(self, ours="cleann") -> tuple[str, ...]:
        """Rows that a row is judged against: its controls at equal sizes, then those that read no graph."""
        end = "-at-equal-sizes" + ("" if ours == "cleann" else f"-of-{ours}")
        controls = [name for name in self.methods if name.endswith(end)]
        plain = [
            n
            for n in self.methods
            if not n.startswith("cleann") and "-at-equal-" not in n and "-head" not in n
        ]
        return (*controls, *(n for n in plain if n != ours))

    def _verdict(self, comparison, column):
        names, interval = (comparison.first, comparison.second), getattr(comparison, column)
        if column == "rank" and not self.ranked:
            return Verdict(*names, column, Word.UNDECIDED, None)
        if column == "success":
            ends = 100 * interval.low, 100 * interval.high
            interval = Interval(100 * interval.estimate, *ends, interval.n)
        change = self.values(names[0], column) - self.values(names[1], column)
        differ = int((np.nan_to_num(change) != 0).sum())
        word, sign = Word.UNDECIDED, -1 if column == "success" else 1
        if differ >= FEWEST and interval.low * interval.high > 0:
            word = Word.BETTER if sign * interval.estimate < 0 else Word.WORSE
        return Verdict(*names, column, word, interval, differ)

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
            agree = [len({bool(row["success"]) for row in some}) == 1 for some in rows]
            stable[f"{kind}: overlap"] = bootstrap_mean([jaccard(s) for s in sets])
            stable[f"{kind}: agreement"] = wilson(sum(agree), len(agree))
        return stable
