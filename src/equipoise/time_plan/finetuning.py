"""Whether a study that is planned on frozen features has the time to finetune instead."""

from dataclasses import replace

from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import FINETUNE, Budget
from equipoise.experiments.study import Study
from equipoise.metrics.base import Predictions
from equipoise.metrics.delong import compare_areas
from equipoise.time_plan.choosing import choose
from equipoise.time_plan.plan import TrainingSetting
from equipoise.time_plan.planned_study import PlannedStudy
from equipoise.time_plan.setting import Meter
from equipoise.time_plan.steps import StepsChoice

WORSE = 0.25  # by which the detectable difference may be larger than that of frozen features
TYPICAL_STEPS = 300  # of finetuning, to see whether it is worth a trial
EVALUATIONS = 1.3  # seconds of a fit over those of its steps
LEAST = 1800.0  # seconds of time below which no step is even timed
TRIAL_SHARE, TRIAL_SECONDS = 0.1, 600.0  # of the time, and at most, that a trial may take


def finetune_setting(frozen: PlannedStudy) -> TrainingSetting:
    """Return the setting in which the same network is finetuned."""
    return replace(frozen.setting, regime=FINETUNE)


def why_not_tried(frozen: PlannedStudy, meter: Meter, seconds: float) -> str:
    """Return why there is no time for a trial of finetuning; "" where there is.

    Args:
        frozen: The plan on frozen features.
        meter: Measures an optimizer step.
        seconds: The time of the plan.
    """
    options = frozen.power.options
    channels = frozen.study.images.images.shape[1]
    step = meter.step_seconds(finetune_setting(frozen), channels)
    cell = EVALUATIONS * TYPICAL_STEPS * step
    methods = frozen.choice.cheap
    cheap = replace(options, methods=methods, droppable=False, extendable=False)
    costs = replace(
        frozen.costs,
        cells={name: frozen.costs.cells[name] + cell for name in methods},
        finished={},
    )
    choice = choose(costs, cheap, seconds, frozen.power.mean_detectable)
    if choice is None:
        return "finetuning would leave time for too few splits"
    reached = frozen.power.mean_detectable(len(methods))
    if reached(choice.n_units) > (1 + WORSE) * reached(frozen.choice.n_units):
        units = "seeds" if options.seeds_are_units else "splits"
        return (
            f"finetuning would leave time for {choice.n_units} {units} instead of "
            f"{frozen.choice.n_units}"
        )
    return ""


def baseline_validation(frozen: PlannedStudy) -> Predictions:
    """Return the frozen baseline's predictions of the validation images of the first split."""
    study = frozen.study
    for finished in frozen.run.images.finished:
        cell = finished.cell
        if (cell.method, cell.split) == (study.baseline_name, study.splits[0].name):
            return finished.validation
    raise ValueError("the pilot has trained the baseline on the first split")


def verdict_of_trial(frozen: PlannedStudy, trial: StepsChoice) -> tuple[bool, str]:
    """Return whether finetuning ranks validation images better than frozen features, and why.

    Test images are not looked at. Better means by more than the standard error of the difference.
    """
    test = compare_areas(trial.predictions, baseline_validation(frozen))
    areas = (
        f"validation AUROC {test.first:.3f} after {trial.n_steps:,} steps of finetuning, "
        f"{test.second:.3f} on frozen features"
    )
    return bool(test.difference > test.error), areas


def finetuned_study(frozen: PlannedStudy, budget: Budget) -> Study:
    """Return the study with the methods of finetuning."""
    methods = build_methods(frozen.study.methods, finetune_setting(frozen).budget(budget))
    return replace(frozen.study, methods=methods)
