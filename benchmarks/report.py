"""What was measured, as tables to read or as one JSON document."""

from __future__ import annotations

import json
import statistics
from typing import Iterable, Mapping, NamedTuple, Sequence

FORMATS = ("table", "json")


class Row(NamedTuple):
    """One contestant: what each round gave, in the table's unit, and further numbers by column title."""

    name: str
    samples: Sequence[float]
    extra: Mapping[str, float] = {}

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper quartile; of fewer than four samples the least and the greatest."""
        if len(self.samples) < 4:
            return min(self.samples), max(self.samples)
        low, _, high = statistics.quantiles(self.samples, n=4)
        return low, high


class Table(NamedTuple):
    """One comparison.

    :param case: the name it was asked for by.
    :param unit: of every sample, such as ``ms`` or ``MiB/s``.
    :param baseline: the row to which the ratios are; it may be missing here.
    :param notes: sentences below the table.
    """

    case: str
    title: str
    unit: str
    rows: Sequence[Row]
    baseline: str = "podman"
    notes: Sequence[str] = ()

    def ratio(self, row: Row) -> float | None:
        """Median to the baseline's median; None where that is missing or nothing."""
        base = next((other.median for other in self.rows if other.name == self.baseline), 0.0)
        return row.median / base if base else None


class Report:
    """Takes the facts and the tables as they come. ``table`` prints each at once, ``json`` all of it at the end."""

    def __init__(self, form: str) -> None:
        self._json = form == "json"
        self._facts: dict[str, str] = {}
        self._tables: list[Table] = []

    def facts(self, found: Mapping[str, str]) -> None:
        """Name -> value, shown first."""
        self._facts.update(found)
        if not self._json:
            for name, value in found.items():
                print(f"{name + ':':18}{value}", flush=True)

    def add(self, table: Table) -> None:
        """One more comparison."""
        self._tables.append(table)
        if not self._json:
            print("\n".join(_lines(table)), flush=True)

    def end(self) -> None:
        """Everything was measured, or the rest cannot be."""
        if self._json:
            print(json.dumps({"facts": self._facts, "tables": [_document(table) for table in self._tables]}, indent=2))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _lines(table: Table) -> Iterable[str]:
    columns = list(dict.fromkeys(title for row in table.rows for title in row.extra))
    yield f"\n{table.title}"
    head = f"  {'':32} {'median ' + table.unit:>14} {'quartiles':>18} {'ratio':>7}"
    yield head + "".join(f" {title:>12}" for title in columns)
    for row in table.rows:
        ratio = table.ratio(row)
        low, high = row.quartiles()
        line = f"  {row.name:32} {_number(row.median):>14} {_number(low) + '..' + _number(high):>18}"
        line += f" {'-' if ratio is None else f'{ratio:.2f}':>7}"
        yield line + "".join(f" {_number(row.extra[title]) if title in row.extra else '-':>12}" for title in columns)
    base = next((row for row in table.rows if row.name == table.baseline), None)
    why = f"no ratio: there is no {table.baseline} here" if base is None else f"ratio: to {base.name}; n = {len(base.samples)}"
    for note in (why, *table.notes):
        yield f"  ({note})"


def _document(table: Table) -> dict[str, object]:
    return {"case": table.case, "title": table.title, "unit": table.unit, "baseline": table.baseline,
            "notes": list(table.notes),
            "rows": [{"name": row.name, "median": row.median, "quartiles": row.quartiles(), "ratio": table.ratio(row),
                      "samples": list(row.samples), **({"extra": dict(row.extra)} if row.extra else {})}
                     for row in table.rows]}
