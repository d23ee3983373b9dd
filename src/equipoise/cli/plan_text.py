"""What the terminal shows of a plan: the pilot's cells, and the plan."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from equipoise.experiments.running.progress import duration
from equipoise.experiments.running.protocols import Observer
from equipoise.results.power import ACCURACY
from equipoise.results.records import RANKING
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import TriedCellRecord
from equipoise.time_plan.plan import Outlook, TimePlan

LABELS = {ACCURACY: "balanced accuracy", RANKING: "AUROC"}


class PilotLines(Observer):
    """Prints what a pilot trains, one line for each call of it."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def prepared(self, work: str, step: int, n_steps: int) -> None:
        """See `Observer`."""
        if step == 1:
            self._print(f"Before the first cell: {n_steps:,} {work}, shared by all.")

    def started(self, finished: Sequence[Cell], remaining: Sequence[Cell]) -> None:
        """See `Observer`."""
        if not remaining:
            return
        why = "how much differences vary" if finished else "how long cells take"
        self._print(f"Pilot: {len(remaining)} cells show {why}; they stay in the study.")

    def ended(self, cell: Cell, record: TriedCellRecord) -> None:
        """See `Observer`."""

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True)


def show_plan(plan: TimePlan, console: Console) -> None:
    """Print a plan: every choice with its reason, the stages, and what it can find."""
    for line in plan_lines(plan):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


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


def choices_in_words(plan: TimePlan) -> dict[str, str]:
    """Return every choice of a plan in words."""
    setting = plan.setting
    weights = f" ({setting.pretrained})" if setting.pretrained else ""
    values = {
        "regime": f"{setting.regime}, {setting.network}{weights}",
        "size": f"{setting.size} px",
    }
    if setting.gan_side is not None and plan.generates:
        values["size"] += f", generators at {setting.gan_side} px (--gan-size)"
    if setting.n_steps is not None:
        values["steps"] = f"{setting.n_steps:,} of {setting.batch_size} images"
    values["methods"] = ", ".join(plan.methods)
    values["splits"] = str(plan.now.n_splits)
    values["seeds"] = str(plan.now.n_seeds)
    return values


def promise(outlook: Outlook) -> str:
    """Return what a number of splits and seeds finds, in words."""
    differences = differences_in_words(outlook.detectable)
    runs = f"{outlook.n_splits} splits x {outlook.n_seeds} seeds"
    if not differences:
        return f"{runs} distinguish no method from the baseline: too few patients are tested"
    return f"{runs} find a true difference of {differences} four times in five"


def differences_in_words(detectable: Mapping[str, float | None]) -> str:
    """Return the detectable differences of all metrics that have one, in words.

    Example:
        >>> differences_in_words({"balanced_accuracy": 0.05, "auroc": 0.021})
        '0.050 in balanced accuracy and of 0.021 in AUROC'
    """
    parts = []
    for metric, difference in detectable.items():
        if difference is not None:
            parts.append(f"{difference:.3f} in {LABELS[metric]}")
    return " and of ".join(parts)
