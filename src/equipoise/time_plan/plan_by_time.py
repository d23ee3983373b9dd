"""`plan_by_time`: plan a study of images for the time that one has, from Python."""

from dataclasses import replace
from pathlib import Path

from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.experiments.running.executors import default_executor
from equipoise.experiments.running.protocols import Executor, Observer
from equipoise.experiments.study import Study
from equipoise.runs.stage_seconds import READING, StageClock
from equipoise.runs.store import RunStore
from equipoise.time_plan.duration import parse_duration
from equipoise.time_plan.machine import Machine, Shelf
from equipoise.time_plan.pilot import Pilot
from equipoise.time_plan.plan import FixedChoices, TimePlan
from equipoise.time_plan.planning import Planner
from equipoise.time_plan.request import PlanRequest
from equipoise.time_plan.setting import Say
from equipoise.time_plan.survey import survey_images


def machine_planner(
    request: PlanRequest,
    folder: Path,
    clock: StageClock,
    *,
    executor: Executor,
    observer: Observer,
    say: Say,
) -> Planner:
    """Build what plans a study with this machine as its meter.

    Args:
        request: What is requested.
        folder: Folder of the run.
        clock: Counts the seconds of every stage.
        executor: Where cells are trained.
        observer: Watches the pilot.
        say: Receives sentences for the user.
    """
    return Planner(
        request=request,
        pilot=Pilot(store=RunStore(folder), executor=executor, observer=observer, stages=clock),
        meter=Machine(
            request.budget, n_workers=executor.n_on_machine, n_threads=executor.n_threads
        ),
        shelf=Shelf(),
        say=say,
    )


def plan_by_time(
    images: Path | str,
    time: str,
    folder: Path | str,
    *,
    options: ReadOptions | None = None,
    fixed: FixedChoices | None = None,
    protocol: Protocol | None = None,
    budget: Budget | None = None,
    executor: Executor | None = None,
) -> tuple[TimePlan, Study]:
    """Plan a study of images for a time; its first cells are trained into `folder`.

    `run_study(study, folder)` trains the rest.

    Args:
        images: What `equipoise.data.reading.read` reads.
        time: Such as "10m", "2h", "1h30m".
        folder: Folder of the run.
        options: How to read; its size is chosen by the plan unless `fixed` names one.
        fixed: Choices that are made already.
        protocol: How methods are compared, apart from what is planned.
        budget: What each method may spend, apart from what is planned.
        executor: Where cells are trained; `default_executor()` where None.

    Raises:
        SettingError: Not a duration, a time too short for any answer, or for what is fixed.
        DataError: The images cannot be read or split.

    See Also:
        equipoise.experiments.image_plan.plan_study: Where nothing is left to choose.
    """
    clock = StageClock()
    folder = Path(folder)
    request = PlanRequest(
        seconds=parse_duration(time),
        fixed=fixed or FixedChoices(),
        protocol=protocol or Protocol(),
        budget=budget or Budget(),
    )
    planner = machine_planner(
        request,
        folder,
        clock,
        executor=executor or default_executor(request.budget.device),
        observer=Observer(),
        say=lambda _sentence: None,
    )
    options = options or ReadOptions()
    settled = planner.settle(survey_images(images, options, request.protocol))
    with clock.stage(READING):
        loaded = read(images, replace(options, size=settled.setting.size))
    plan, study = planner.plan(loaded, settled, name=folder.name, facts={})
    clock.store(folder)
    return plan, study
