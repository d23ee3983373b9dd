"""The table that a paper printed, with this study's result beside each of its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.report.formatting import decimal
from equipoise.report.run_contents import Contents
from equipoise.results.records import Summary

HEADING = "Beside the published numbers"
ORDER = 10
TASKS = ("classification", "segmentation")
LARGE = 10  # larger numbers, such as FIDs, get one decimal


@dataclass(frozen=True)
class NumberPair:
    """A published number and ours, as text; empty where there is none."""

    published: str
    ours: str


@dataclass(frozen=True)
class PublishedTable:
    """A published table: caption, names of its columns, {arm: numbers} and notes."""

    caption: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[NumberPair]]
    notes: Sequence[str]
    compared: bool


@dataclass(frozen=True)
class PublishedView:
    """What the template of this section shows."""

    tables: Sequence[PublishedTable]


def view(contents: Contents) -> PublishedView | None:
    """Return the tables of `facts.published`, a list of JSON objects; None without one.

    Each object has `caption`, `columns` [[label, name of our metric or null]], `rows` [{arm, method
    (ours) or null, values (a number or null for each column)}] and perhaps `notes`.
    """
    tables = contents.description.published
    if not tables:
        return None
    return PublishedView([published_table(table, contents) for table in tables])


def published_table(table: Mapping[str, Any], contents: Contents) -> PublishedTable:
    """Return a published table with our numbers in it."""
    results = {method.method: method.metrics for method in contents.results.methods}
    metrics = [metric for _, metric in table["columns"]]
    rows = {}
    for row in table["rows"]:
        ours = results.get(row["method"], {})
        pairs = []
        for value, metric in zip(row["values"], metrics, strict=True):
            summary = None if metric is None else ours.get(metric)
            pairs.append(NumberPair(published_number(value), our_number(summary)))
        rows[row["arm"]] = pairs
    return PublishedTable(
        caption=table["caption"],
        columns=[label for label, _ in table["columns"]],
        rows=rows,
        notes=table.get("notes", []),
        compared=any(metrics),
    )


def published_number(value: float | None) -> str:
    """Return a printed number as text."""
    if value is None:
        return ""
    return decimal(value, 3 if value < LARGE else 1)


def our_number(summary: Summary | None) -> str:
    """Return mean and standard deviation over runs; empty without a finished run."""
    if summary is None or not summary.n_runs:
        return ""
    spread = f" ± {decimal(summary.sd)}" if summary.n_runs > 1 else ""
    return f"{decimal(summary.mean)}{spread}"
