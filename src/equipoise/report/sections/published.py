"""The table that a paper printed, with what this study found beside each of its numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from equipoise.report.formatting import decimal
from equipoise.report.run_contents import Contents
from equipoise.results.records import Summary

HEADING = "Beside the published numbers"
ORDER = 10
TASKS = ("classification", "segmentation")
LARGE = 10  # from here on, as FIDs are, one decimal says enough


@dataclass(frozen=True)
class Entry:
    """A published number and ours, as text; empty where there is none."""

    published: str
    ours: str


@dataclass(frozen=True)
class PublishedTable:
    """A published table: its caption, the names of its columns, {arm: entries}, and what to know about it."""

    caption: str
    columns: list[str]
    rows: dict[str, list[Entry]]
    notes: list[str]
    compared: bool


def view(contents: Contents) -> dict[str, Any] | None:
    """Show the tables of `facts.published`, a list of JSON objects; None without one.

    Each has `caption`, `columns` [[label, name of our metric or null]], `rows` [{arm, method (ours) or null, values
    (a number or null for each column)}] and `notes`.
    """
    tables = contents.description.published
    return {"tables": [_table(table, contents) for table in tables]} if tables else None


def _table(table: Mapping[str, Any], c: Contents) -> PublishedTable:
    metrics = [metric for _, metric in table["columns"]]
    found = {m.method: m.metrics for m in c.results.methods}
    return PublishedTable(
        caption=table["caption"],
        columns=[label for label, _ in table["columns"]],
        rows={
            row["arm"]: list(_entries(row, metrics, found.get(row["method"], {})))
            for row in table["rows"]
        },
        notes=table.get("notes", []),
        compared=any(metrics),
    )


def _entries(
    row: Mapping[str, Any], metrics: list[str | None], ours: Mapping[str, Summary]
) -> Iterator[Entry]:
    for value, metric in zip(row["values"], metrics, strict=True):
        summary = None if metric is None else ours.get(metric)
        yield Entry(
            "" if value is None else decimal(value, 3 if value < LARGE else 1), _ours(summary)
        )


def _ours(summary: Summary | None) -> str:
    if summary is None or not summary.n_runs:
        return ""
    spread = f" ± {decimal(summary.sd)}" if summary.n_runs > 1 else ""
    return f"{decimal(summary.mean)}{spread}"
