"""A study with everything that was measured on it and chosen for it."""

from dataclasses import dataclass

from equipoise.experiments.study import Study
from equipoise.runs.run import Run
from equipoise.time_plan.choosing import StudyChoice
from equipoise.time_plan.costs import StudyCosts
from equipoise.time_plan.plan import TrainingSetting
from equipoise.time_plan.power_of_study import StudyPower


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """What is planned in one setting.

    Attributes:
        setting: How every method is trained.
        study: All methods, and the most splits and seeds that may be chosen.
        costs: What it costs.
        power: What it can find.
        choice: Methods and splits.
        run: The pilot's cells.
        no_generator: Why no generator was considered; "" where one was, or methods were named.
    """

    setting: TrainingSetting
    study: Study
    costs: StudyCosts
    power: StudyPower
    choice: StudyChoice
    run: Run
    no_generator: str
