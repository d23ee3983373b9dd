"""The plan by time: what was chosen and why, and whether the run kept its time and promise."""

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.report.formatting import decimal, seconds
from equipoise.report.run_contents import Contents
from equipoise.time_plan.kept import KeptPlan, kept_plan
from equipoise.time_plan.words import choices_in_words, promise

HEADING = "The plan by time, and what became of it"
ORDER = 90


@dataclass(frozen=True)
class ChoiceLine:
    """One choice of the plan, its value and the reason."""

    choice: str
    value: str
    reason: str


@dataclass(frozen=True)
class StageLine:
    """A stage with its planned and its measured duration."""

    stage: str
    planned: str
    taken: str


@dataclass(frozen=True)
class PromiseLine:
    """A metric with the difference that the plan promised to find, and the one that was reached."""

    label: str
    promised: str
    reached: str


@dataclass(frozen=True, kw_only=True)
class TimePlanView:
    """What the template of this section shows."""

    sentences: Sequence[str]
    choices: Sequence[ChoiceLine]
    stages: Sequence[StageLine]
    promises: Sequence[PromiseLine]


def view(contents: Contents) -> TimePlanView | None:
    """Return the plan beside what became of it; None where the run was not planned by time."""
    outcome = kept_plan(contents.run, contents.results)
    if outcome is None:
        return None
    plan = outcome.plan
    choices = []
    for choice, value in choices_in_words(plan).items():
        choices.append(ChoiceLine(choice, value, plan.reasons.get(choice, "")))
    stages = []
    for stage in dict.fromkeys((*plan.stages, *outcome.taken)):
        planned, taken = plan.stages.get(stage), outcome.taken.get(stage)
        stages.append(StageLine(stage, _duration(planned), _duration(taken)))
    promises = []
    for line in outcome.promises:
        promises.append(PromiseLine(line.label, decimal(line.promised), decimal(line.reached)))
    return TimePlanView(
        sentences=sentences(outcome), choices=choices, stages=stages, promises=promises
    )


def sentences(kept: KeptPlan) -> list[str]:
    """Return whether the time was kept, what was promised, and what twice the time would find."""
    word = "kept" if kept.kept_its_time else "did not keep"
    return [
        f"Planned for {seconds(kept.plan.seconds)}; took {seconds(kept.total)} until this report "
        f"was written: it {word} its time.",
        f"Promised: {promise(kept.plan.now)}.",
        f"Twice the time was expected to give more: {promise(kept.plan.twice)}.",
    ]


def _duration(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else seconds(value)
