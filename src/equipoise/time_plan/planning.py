"""Plan a study for a time: measure, choose, and say what it can find."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from equipoise.atomic import JsonFields
from equipoise.data.images.options import Loaded
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.description import describe
from equipoise.experiments.image_plan import plan_study, refuse_small_classes
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import CHEAP_METHODS
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.load_generator import busy_cores
from equipoise.experiments.running.memory_plan import fit_to_memory
from equipoise.experiments.study import Study
from equipoise.experiments.study_summary import study_lines
from equipoise.runs.stage_seconds import PLANNING, StageClock
from equipoise.time_plan import finetuning
from equipoise.time_plan.choosing import (
    CONTROL,
    GENERATOR,
    Options,
    choose,
    pilot_alone,
    with_pilot,
)
from equipoise.time_plan.machine import threads
from equipoise.time_plan.measuring import PilotTask, generates
from equipoise.time_plan.pilot import Pilot
from equipoise.time_plan.plan import StoredPlan, TimePlan, TrainingSetting
from equipoise.time_plan.planned_study import PlannedStudy
from equipoise.time_plan.power_of_study import StudyPower
from equipoise.time_plan.reasons import plan_reasons
from equipoise.time_plan.request import PlanRequest
from equipoise.time_plan.setting import Meter, Say, WeightsShelf, choose_regime, choose_setting
from equipoise.time_plan.shortest import refuse_too_short, unaffordable
from equipoise.time_plan.steps import SHARE as STEPS_SHARE
from equipoise.time_plan.steps import StepsChoice, baseline_fit, choose_steps
from equipoise.time_plan.survey import Survey

MOST_SPLITS, MOST_SEEDS = 48, 12
MOST_FROZEN_SEEDS = 2  # a head hardly depends on its seed; two runs show the effect of patients
SECONDS_PER_SPLIT = 10  # of the requested time: no more splits are drawn to choose from
BUSY = 0.5  # cores that other programs keep busy, from which on it is said
TIMED = 64  # images from which extractors are chosen and timed
LEAST_FOR_GENERATOR = 300.0  # seconds of time below which no generator is even timed


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Plans one study by time.

    Attributes:
        request: What is requested.
        pilot: Trains the first cells.
        meter: Measures the machine.
        shelf: Finds weights.
        say: Receives sentences for the user.
    """

    request: PlanRequest
    pilot: Pilot
    meter: Meter
    shelf: WeightsShelf
    say: Say

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.pilot.store.folder

    @property
    def stages(self) -> StageClock:
        """Counts the seconds of every stage."""
        return self.pilot.stages

    def settle(self, survey: Survey) -> StoredPlan:
        """Choose regime, network and image size; `plan` stores them.

        Raises:
            SettingError: The time is too short for any answer.
        """
        request = self.request
        n_workers = self.pilot.executor.n_workers
        with self.stages.stage(PLANNING):
            self._say_whether_busy()
            regime = choose_regime(request.fixed, request.budget, self.shelf, self.say)
            setting = choose_setting(
                regime,
                request.fixed,
                survey,
                self.meter,
                seconds=request.seconds,
                n_workers=n_workers,
            )
        refuse_too_short(
            request.seconds,
            setting,
            survey,
            elapsed=self.stages.elapsed,
            n_workers=n_workers,
        )
        return StoredPlan(seconds=request.seconds, fixed=request.fixed, setting=setting)

    def plan(
        self, loaded: Loaded, settled: StoredPlan, *, name: str, facts: JsonFields
    ) -> tuple[TimePlan, Study]:
        """Measure on the images that were read, choose methods and splits, and store the plan.

        Args:
            loaded: The images.
            settled: What `settle` returned, or an earlier call has stored.
            name: See `plan_study`.
            facts: See `plan_study`.

        Returns:
            The plan, and the study that it describes.

        Raises:
            SettingError: A named method or a named number of splits does not fit the time.
        """
        with self.stages.stage(PLANNING):
            study = self._largest_study(loaded, settled.setting, name, facts)
        for line in study_lines(study):
            self.say(line)
        self._store(settled.setting)  # not before: a refused study leaves nothing behind
        planned = self._planned(study, settled.setting)
        setting = self._with_finetuning(planned)
        if setting.regime == planned.setting.regime:
            planned = replace(planned, setting=setting)
        else:
            self.pilot.discard()
            planned = self._planned(study, setting)
        plan = self._plan_of(planned)
        self._store(plan.setting, plan)
        return plan, study_of(planned.study, plan)

    def _say_whether_busy(self) -> None:
        busy = self.meter.cores_of_others()
        if busy >= BUSY:
            self.say(
                f"Other programs keep {busy:.1f} cores busy, and the plan counts on that: on a "
                "quiet machine there would be time for more."
            )

    def _planned(self, study: Study, setting: TrainingSetting) -> PlannedStudy:
        """Settle the steps, train the pilot, and choose methods and splits."""
        request = self.request
        with self.stages.stage(PLANNING):
            setting = self._with_steps(study, setting)
            self._store(setting)
            study, no_generator = self._with_candidates(study, setting)
            study = self._fitted_to_memory(study)
            extractors = self._extractor_seconds(study)
        options = self._options(study, setting)
        task = PilotTask(
            study=study,
            pilot=self.pilot,
            power=StudyPower(
                dataset=study.images,
                splits=study.splits,
                primary_metric=study.primary_metric,
                options=options,
                frozen=setting.frozen,
                unit=describe(study).unit,
            ),
            setting=setting,
            seconds=request.seconds,
            limit=request.limit,
            extractors=extractors,
        )
        costs, power, run = task.measure()
        choice = choose(costs, options, request.seconds, power.mean_detectable)
        choice = choice or pilot_alone(costs, options)
        if choice is None:
            raise unaffordable(costs, options, request.seconds)
        choice = with_pilot(choice, costs, options)
        return PlannedStudy(
            setting=setting,
            study=study,
            costs=costs,
            power=power,
            choice=choice,
            run=run,
            no_generator=no_generator,
        )

    def _extractor_seconds(self, study: Study) -> Sequence[float]:
        """Time the extractors of the evidence, where a method makes synthetic images."""
        if any(generates(study, name) for name in study.methods):
            return self.meter.extractor_seconds(study.images.images[:TIMED])
        return ()

    def _with_finetuning(self, planned: PlannedStudy) -> TrainingSetting:
        """Return the setting of finetuning where there is time for it and it ranks better.

        Else the setting of the plan, with the reason.
        """
        request, setting = self.request, planned.setting
        fixed = request.fixed.regime is not None or request.fixed.pretrained is not None
        if not setting.frozen or fixed or request.seconds < finetuning.LEAST:
            return setting
        with self.stages.stage(PLANNING):
            reason = finetuning.why_not_tried(planned, self.meter, request.seconds)
            is_better = False
            if not reason:
                self.say("There is time to finetune: the baseline is tried on the first split.")
                trial = self._trial(planned)
                is_better, reason = finetuning.verdict_of_trial(planned, trial)
        reasons = {**setting.reasons, "regime": f"{setting.reasons['regime']}; {reason}"}
        if not is_better:
            return replace(setting, reasons=reasons)
        reasons |= {"regime": reason, "steps": trial.reason}
        finetuned = finetuning.finetune_setting(planned)
        return replace(finetuned, n_steps=trial.n_steps, reasons=reasons)

    def _trial(self, planned: PlannedStudy) -> StepsChoice:
        """Finetune the baseline with more and more steps."""
        study = self._baseline_alone(finetuning.finetuned_study(planned, self.request.budget))
        most = min(finetuning.TRIAL_SHARE * self.request.seconds, finetuning.TRIAL_SECONDS)
        executor = self.pilot.executor
        with busy_cores(executor.n_on_machine - 1), threads(executor.n_threads):
            return choose_steps(baseline_fit(study, self.pilot.store.workspace), most)

    def _store(self, setting: TrainingSetting, plan: TimePlan | None = None) -> None:
        stored = StoredPlan(
            seconds=self.request.seconds, fixed=self.request.fixed, setting=setting, plan=plan
        )
        stored.store(self.folder)

    def _largest_study(
        self, loaded: Loaded, setting: TrainingSetting, name: str, facts: JsonFields
    ) -> Study:
        """Plan the study with the most splits and seeds that may be chosen."""
        request, fixed = self.request, self.request.fixed
        by_time = max(3, min(MOST_SPLITS, int(request.seconds / SECONDS_PER_SPLIT)))
        protocol = replace(
            request.starting_protocol,
            n_splits=fixed.n_splits or by_time,
            n_seeds=fixed.n_seeds or MOST_SEEDS,
        )
        budget = setting.budget(request.budget)
        return request.adapt(plan_study(loaded, protocol, budget, name=name, facts=facts))

    def _with_steps(self, study: Study, setting: TrainingSetting) -> TrainingSetting:
        """Search for the steps that are enough, where there are steps and none are known."""
        if setting.frozen:
            return setting
        if self.request.fixed.n_steps is not None:
            return replace(setting, reasons={**setting.reasons, "steps": "named (--steps)"})
        if setting.n_steps is not None:  # found before, perhaps by an earlier call
            return setting
        self.say("How many steps are enough? The baseline is trained with more and more of them.")
        executor, limit = self.pilot.executor, self.request.limit
        most = STEPS_SHARE * self.request.seconds
        with busy_cores(executor.n_on_machine - 1), threads(executor.n_threads):
            fit = baseline_fit(self._baseline_alone(study), self.pilot.store.workspace)
            chosen = choose_steps(fit, most if limit is None else min(limit, most))
        reasons = {**setting.reasons, "steps": chosen.reason}
        return replace(setting, n_steps=chosen.n_steps, reasons=reasons)

    def _with_candidates(self, study: Study, setting: TrainingSetting) -> tuple[Study, str]:
        """Add a generator and its control where no methods were named; else say why not."""
        budget = setting.budget(self.request.budget)
        methods = build_methods(study.methods, budget)
        if self.request.fixed.methods is not None:
            return replace(study, methods=methods), ""
        if self.request.seconds < LEAST_FOR_GENERATOR:
            return replace(study, methods=methods), "there is no time for a generator"
        try:
            candidates = build_methods((CONTROL, GENERATOR), budget)
            for method in candidates.values():
                for _, step in method.steps:
                    step.check_settings(setting.size)
            refuse_small_classes(study.images, study.splits, candidates)
        except (DataError, SettingError) as error:
            reason = f"no generator: {str(error).split('. ', maxsplit=1)[0]}"
            return replace(study, methods=methods), reason
        return replace(study, methods={**methods, **candidates}), ""

    def _fitted_to_memory(self, study: Study) -> Study:
        """Change study and executor where they would need more memory than there is."""
        store, device = self.pilot.store, self.request.budget.device
        study, executor, memory = fit_to_memory(study, self.pilot.executor, store, device=device)
        self.pilot.executor = executor
        for sentence in memory.sentences:
            self.say(f"Memory: {sentence}")
        return study

    def _baseline_alone(self, study: Study) -> Study:
        """Return the study of the baseline that is trained in this process, fitted to memory."""
        baseline = {study.baseline_name: study.methods[study.baseline_name]}
        alone = replace(study, methods=baseline, split_limits={})
        device = self.request.budget.device
        executor = InProcess(max_memory=self.pilot.executor.max_memory)
        return fit_to_memory(alone, executor, self.pilot.store, device=device)[0]

    def _options(self, study: Study, setting: TrainingSetting) -> Options:
        fixed = self.request.fixed
        seeds_are_units = len(study.splits) == 1
        if seeds_are_units:
            most = min(len(study.seeds), MOST_FROZEN_SEEDS) if setting.frozen else len(study.seeds)
            fixed_units = fixed.n_seeds
        else:
            most, fixed_units = len(study.splits), fixed.n_splits
        return Options(
            methods=fixed.methods or CHEAP_METHODS,
            droppable=fixed.methods is None,
            extendable=fixed.methods is None,
            fixed_units=fixed_units,
            n_seeds=fixed.n_seeds or 1,
            most=fixed_units or most,
            seeds_are_units=seeds_are_units,
        )

    def _plan_of(self, planned: PlannedStudy) -> TimePlan:
        costs, power, choice = planned.costs, planned.power, planned.choice
        options, request = power.options, self.request
        same = replace(
            options,
            methods=choice.cheap,
            droppable=False,
            extendable=choice.extended,
        )
        chosen = choose(costs, same, 2 * request.seconds, power.mean_detectable)
        twice = with_pilot(chosen, costs, options) if chosen else choice
        n_splits, n_seeds = options.splits_and_seeds(choice.n_units)
        stages = costs.stages(choice.methods, n_splits, n_seeds, choice.limits)
        reasons = plan_reasons(choice, options, request.fixed, planned.no_generator)
        return TimePlan(
            seconds=request.seconds,
            setting=planned.setting,
            methods=choice.methods,
            now=power.outlook_of(choice),
            twice=power.outlook_of(twice),
            stages={name: round(seconds, 1) for name, seconds in stages.items()},
            cell_seconds={name: round(costs.cells[name], 2) for name in choice.methods},
            measured=measured_numbers(planned),
            reasons={**planned.setting.reasons, **reasons},
            fixed=request.fixed,
            generates=bool(costs.generators.intersection(choice.methods)),
        )


def measured_numbers(planned: PlannedStudy) -> dict[str, float]:
    """Return what was measured, for the reader of the stored plan."""
    costs, spread = planned.costs, planned.power.spread
    measured = {"seconds of the tables of a cell": costs.tables_of_cell}
    for metric, ratio in spread.ratios.items():
        measured[f"variance of differences in {metric}, in units of the assumed"] = ratio
    measured["splits of the pilot"] = float(spread.n_splits)
    return {name: round(value, 4) for name, value in measured.items()}


def study_of(study: Study, plan: TimePlan) -> Study:
    """Return the part of a study that a plan describes."""
    methods = {name: study.methods[name] for name in plan.methods}
    return replace(
        study,
        methods=methods,
        splits=study.splits[: plan.now.n_splits],
        split_limits=plan.split_limits,
        seeds=tuple(study.seeds[: plan.now.n_seeds]),
        facts={**study.facts, "plan": plan.to_json()},
    )


def replanned_study(
    loaded: Loaded, plan: TimePlan, request: PlanRequest, *, name: str, facts: JsonFields
) -> Study:
    """Return the study that a stored plan describes.

    Args:
        loaded: The images, read at the size of the plan.
        plan: The plan.
        request: What it was requested for.
        name: See `plan_study`.
        facts: See `plan_study`.
    """
    protocol = plan.protocol(request.protocol)
    budget = plan.setting.budget(request.budget)
    facts = {**facts, "plan": plan.to_json()}
    study = request.adapt(plan_study(loaded, protocol, budget, name=name, facts=facts))
    return replace(study, split_limits=plan.split_limits)
