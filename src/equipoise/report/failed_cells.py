"""The cells that failed, those of one method with one error together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from equipoise.report.notices import CELLS, Notice
from equipoise.report.run_contents import Contents
from equipoise.results.phrases import listed, plural

MOST_ERRORS = 3  # different ones that the first screen names


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """The cells of a method that failed with the same error.

    Attributes:
        method: Name of the method.
        n_cells: Its requested cells.
        error_type: Class of the error.
        error: Its message.
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
        by_error: dict[tuple[str, str], dict[str, str]] = {}
        for record in c.failed:
            if record.cell.method == method:
                where = f"{record.cell.split}, seed {record.cell.seed}"
                cells = by_error.setdefault((record.error_type, record.error), {})
                cells[where] = record.traceback or ""
        for (error_type, error), cells in by_error.items():
            group = FailureGroup(
                method=method,
                n_cells=n_cells,
                error_type=error_type,
                error=error,
                cells=list(cells),
                tracebacks={where: text for where, text in cells.items() if text},
            )
            groups.append(group)
    return groups


def failures(c: Contents) -> Iterator[Notice]:
    """Yield how many cells failed for each reason, and of which methods."""
    by_error: dict[str, list[FailureGroup]] = {}
    for group in failure_groups(c):
        by_error.setdefault(group.error, []).append(group)
    for error, groups in list(by_error.items())[:MOST_ERRORS]:
        n = sum(len(group.cells) for group in groups)
        who = listed([group.clause for group in groups])
        failed = f"{n} of {plural(len(c.run.cells), 'cell')} failed ({who})"
        if n == len(c.run.cells):
            failed = f"All {plural(n, 'cell')} failed"
        text = f"{failed}: {error}"
        yield Notice(text=text, group=CELLS, decisive=True)
    n_more = len(by_error) - MOST_ERRORS
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
