"""Whether a planned run kept its time and its promise, from its stored files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from equipoise.results.power import ACCURACY
from equipoise.results.records import RANKING, Results
from equipoise.runs.run import Run
from equipoise.runs.stage_seconds import REPORT, read_stage_seconds
from equipoise.time_plan.plan import TimePlan

TOLERANCE = 0.25  # by which a run may be longer than the time that was requested


@dataclass(frozen=True, kw_only=True)
class KeptPromise:
    """What a plan promised to find on one metric, and what the run could find.

    Attributes:
        label: Name of the metric for readers.
        promised: Detectable difference of the plan; NaN where it promised nothing.
        reached: Median over the methods of the detectable difference by the measured variances;
            NaN where nothing was compared.
    """

    label: str
    promised: float
    reached: float


@dataclass(frozen=True, kw_only=True)
class KeptPlan:
    """A plan beside what became of it.

    Attributes:
        plan: The plan.
        taken: {stage: seconds}, over all calls; without the stage of the report, which is written
            while it is counted.
        promises: By metric.
    """

    plan: TimePlan
    taken: Mapping[str, float]
    promises: tuple[KeptPromise, ...]

    @property
    def total(self) -> float:
        """Seconds taken."""
        return sum(self.taken.values())

    @property
    def kept_its_time(self) -> bool:
        """Whether the run took at most a quarter more than was requested."""
        return self.total <= (1 + TOLERANCE) * self.plan.seconds


def kept_plan(run: Run, results: Results) -> KeptPlan | None:
    """Compare a run with its plan; None where it was not planned by time."""
    stored = run.description.facts.get("plan")
    if not isinstance(stored, Mapping):
        return None
    plan = TimePlan.from_json(stored)
    taken = read_stage_seconds(run.folder)
    taken.pop(REPORT, None)
    names = {ACCURACY: results.decisive_metric, RANKING: RANKING}
    promises = []
    for metric, name in names.items():
        promised = plan.now.detectable.get(metric)
        reached = [row.detectable for row in results.compared_on(name)]
        known = [difference for difference in reached if math.isfinite(difference)]
        promises.append(
            KeptPromise(
                label=results.metrics[name].label,
                promised=math.nan if promised is None else promised,
                reached=median(known) if known else math.nan,
            )
        )
    return KeptPlan(plan=plan, taken=taken, promises=tuple(promises))
