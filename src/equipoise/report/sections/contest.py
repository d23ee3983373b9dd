"""Synthetic images against the cheap controls: the question behind every generator."""

from typing import Any

from equipoise.report.run_contents import Contents
from equipoise.report.tables import contest_forests

HEADING = "Synthetic images against cheap controls"
ORDER = 5


def view(contents: Contents) -> dict[str, Any] | None:
    """Show the contest; None where no method adds images, or there is no control."""
    contest = contents.results.contest
    return None if contest is None else {"contest": contest, "forests": contest_forests(contents)}
