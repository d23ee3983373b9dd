"""What the terminal shows of a plan: the pilot's cells, and the plan."""

import math
from collections.abc import Sequence

from rich.console import Console

from equipoise.experiments.running.progress import duration
from equipoise.experiments.running.protocols import Observer
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import TriedCellRecord
from equipoise.time_plan.kept import KeptPlan
from equipoise.time_plan.plan import TimePlan
from equipoise.time_plan.words import choices_in_words, promise


class PilotLines(Observer):
    """Prints what a pilot trains, one line for each call of it.

    Args:
        console: Where.
        in_study: Whether the pilot's cells belong to a study that is then run.
    """

    def __init__(self, console: Console, *, in_study: bool) -> None:
        self.console = console
        self.use = "; they stay in the study" if in_study else ""

    def prepared(self, work: str, step: int, n_steps: int) -> None:
        """See `Observer`."""
        if step == 1:
            self._print(f"Before the first cell: {n_steps:,} {work}, shared by all.")

    def started(self, finished: Sequence[Cell], remaining: Sequence[Cell]) -> None:
        """See `Observer`."""
        if not remaining:
            return
        why = "how much differences vary" if finished else "how long cells take"
        self._print(f"Pilot: {len(remaining)} cells show {why}{self.use}.")

    def ended(self, cell: Cell, record: TriedCellRecord) -> None:
        """See `Observer`."""

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True)


def show_plan(plan: TimePlan, console: Console) -> None:
    """Print a plan: every choice with its reason, the stages, and what it can find."""
    for line in plan_lines(plan):
        console.print(line, highlight=False, soft_wrap=True)


def plan_lines(plan: TimePlan) -> list[str]:
    """Return the lines about a plan."""
    lines = [f"Plan for {duration(plan.seconds)} (every choice has an option that overrides it):"]
    values = choices_in_words(plan)
    width = max(map(len, values)) + 1
    for choice, value in values.items():
        reason = plan.reasons.get(choice, "")
        lines.append(f"  {choice:<{width}} {value}" + (f": {reason}" if reason else ""))
    stages = [
        f"{name} {duration(seconds)}" for name, seconds in plan.stages.items() if seconds >= 1
    ]
    lines.append(f"  {'time':<{width}} about {duration(plan.total)}: {', '.join(stages)}")
    lines.append(f"Expected: {promise(plan.now)}.")
    lines.append(f"With twice the time: {promise(plan.twice)}.")
    return lines


def kept_sentence(kept: KeptPlan) -> str:
    """Return whether a run kept its time, and what it could find beside what was promised."""
    parts = []
    for line in kept.promises:
        if math.isfinite(line.promised) and math.isfinite(line.reached):
            parts.append(f"{line.promised:.3f} and {line.reached:.3f} in {line.label}")
    promised = ""
    if parts:
        promised = f" Detectable differences, promised and reached: {'; '.join(parts)}."
    time = f"Planned for {duration(kept.plan.seconds)}, took {duration(kept.total)}."
    return time + promised
