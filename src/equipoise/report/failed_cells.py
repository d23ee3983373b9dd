"""The cells that failed, those of one method with one kind of error together."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from equipoise.report.notices import CELLS, Notice
from equipoise.report.run_contents import Contents
from equipoise.results.phrases import listed, plural

MOST_ERRORS = 3  # different ones that the first screen names


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """The cells of a method that failed with the same error, whatever numbers are in it.

    Attributes:
        method: Name of the method.
        n_cells: Its requested cells.
        error_type: Class of the error.
        error: Its message, of the first cell.
        cells: The cells that failed, "split-0, seed 1".
        tracebacks: Cell -> where it failed; empty where names are hidden.
    """

    method: str
    n_cells: int
    error_type: str
    error: str
    cells: Sequence[str]
    tracebacks: Mapping[str, str]

    @property
    def clause(self) -> str:
        """How many of the cells failed."""
        return f"{self.method} in {len(self.cells)} of {plural(self.n_cells, 'run')}"


def failure_groups(c: Contents) -> list[FailureGroup]:
    """Return the failed cells by method and error, in the order of the methods."""
    groups = []
    for method in c.methods:
        n_cells = sum(cell.method == method for cell in c.run.cells)
        by_kind: dict[tuple[str, str], dict[str, str]] = {}
        messages: dict[tuple[str, str], str] = {}
        for record in c.failed:
            if record.cell.method == method:
                where = f"{record.cell.split}, seed {record.cell.seed}"
                kind = record.error_type, without_numbers(record.error)
                messages.setdefault(kind, record.error)
                by_kind.setdefault(kind, {})[where] = record.traceback or ""
        for kind, cells in by_kind.items():
            group = FailureGroup(
                method=method,
                n_cells=n_cells,
                error_type=kind[0],
                error=messages[kind],
                cells=list(cells),
                tracebacks={where: text for where, text in cells.items() if text},
            )
            groups.append(group)
    return groups


def without_numbers(error: str) -> str:
    """Return a message with its numbers left open, by which errors of one kind are the same.

    >>> without_numbers("images differ by 1.0%, expected 5%")
    'images differ by #%, expected #%'
    """
    return re.sub(r"\d+(?:\.\d+)?", "#", error)


def failures(c: Contents) -> Iterator[Notice]:
    """Yield how many cells failed for each reason, and of which methods."""
    by_kind: dict[str, list[FailureGroup]] = {}
    for group in failure_groups(c):
        by_kind.setdefault(without_numbers(group.error), []).append(group)
    for groups in list(by_kind.values())[:MOST_ERRORS]:
        n = sum(len(group.cells) for group in groups)
        who = listed([group.clause for group in groups])
        failed = f"{n} of {plural(len(c.run.cells), 'cell')} failed ({who})"
        if n == len(c.run.cells):
            failed = f"All {plural(n, 'cell')} failed"
        text = f"{failed}: {groups[0].error}"
        yield Notice(text=text, group=CELLS, decisive=True)
    n_more = len(by_kind) - MOST_ERRORS
    if n_more > 0:
        text = f"Cells failed for {plural(n_more, 'more reason')}: see Failed cells."
        yield Notice(text=text, group=CELLS)


def nothing_finished(c: Contents) -> str:
    """Return why there is no result to show; empty where a cell has finished."""
    if c.run.finished:
        return ""
    n_failed, n_cells = len(c.run.failed), len(c.run.cells)
    if not n_failed:
        return "No cell is finished yet, so there is no result to show."
    of_all = "Every cell" if n_failed == n_cells else f"{n_failed} of {plural(n_cells, 'cell')}"
    return f"{of_all} failed and none has finished, so there is no result to show."
