"""Synthetic images against cheap controls: whether a generator is worth its effort."""

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.report.run_contents import Contents
from equipoise.report.tables import Forest, contest_forests
from equipoise.results.records import Contest

HEADING = "Synthetic images against cheap controls"
ORDER = 5


@dataclass(frozen=True)
class ContestView:
    """What the template of this section shows."""

    contest: Contest
    forests: Sequence[Forest]


def view(contents: Contents) -> ContestView | None:
    """Return the contest; None where no method adds images, or there is no control."""
    contest = contents.results.contest
    return None if contest is None else ContestView(contest, contest_forests(contents))
