"""Plan a study of images by time for `run` and `plan`: what is printed, and whose plan is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from equipoise.atomic import JsonFields
from equipoise.cli.execution import (
    execute,
    exit_for_failures,
    refusal_after_summary,
    show_study,
)
from equipoise.cli.options import DEFAULT_TIME, RunOptions
from equipoise.cli.terminal import Terminal
from equipoise.cli.typed_command import command_facts, execute_typed, executor_of
from equipoise.cli.voice import say
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.exceptions import SettingError
from equipoise.runs.stage_seconds import READING, StageClock
from equipoise.time_plan.duration import as_typed, parse_duration
from equipoise.time_plan.plan import FixedChoices, StoredPlan, read_plan
from equipoise.time_plan.request import PlanRequest

if TYPE_CHECKING:
    from equipoise.experiments.protocol import Budget, Protocol
    from equipoise.experiments.running.protocols import Executor
    from equipoise.experiments.study import Study
    from equipoise.time_plan.planning import Planner

DEMO_TIME = "200s"
NO_TIME = " (no --time was given)"
DRY_SHARE, DRY_SECONDS = 0.1, 600.0  # of the time, and at most, for the cells of a plan alone


@dataclass(frozen=True, kw_only=True)
class PlannedImages:
    """What a study is planned for.

    Attributes:
        images: A path that `equipoise.data.reading.read` reads, or what it returned.
        options: How a path is read; the size is that of the plan.
        name: Title of the report.
        notes: What the user says about the images.
        facts: See `equipoise.experiments.image_plan.plan_study`.
    """

    images: Path | str | Loaded
    options: ReadOptions
    name: str
    notes: Sequence[str] = ()
    facts: JsonFields = field(default_factory=dict)


def fixed_choices(options: RunOptions, methods: Sequence[str]) -> FixedChoices:
    """Return what the options of a command leave no choice about.

    Args:
        options: The options.
        methods: The named methods; ignored where --methods names none.
    """
    return FixedChoices(
        methods=tuple(methods) if options.methods else None,
        regime=options.regime,
        network=options.network,
        pretrained=options.pretrained,
        size=options.size,
        gan_side=options.gan_size,
        n_steps=options.steps,
        n_splits=options.splits,
        n_seeds=options.seeds,
    )


def run_by_time(options: RunOptions, protocol: "Protocol", budget: "Budget") -> None:
    """Plan a study for its time, or continue a planned one, and run it."""
    clock = StageClock()
    named = None if options.time is None else parse_duration(options.time)
    fixed = fixed_choices(options, protocol.methods)
    stored = stored_plan(options.run_folder, fixed, named)
    seconds = stored.seconds if stored else named or parse_duration(DEFAULT_TIME)
    request = PlanRequest(seconds=seconds, fixed=fixed, protocol=protocol, budget=budget)
    images, executor = planned_images(options), executor_of(options)
    why = "" if options.time else NO_TIME
    study = planned_study(
        images, request, options.run_folder, clock, stored, executor=executor, why=why
    )
    execute_typed(study, options, clock=clock)


def print_plan(options: RunOptions, protocol: "Protocol", budget: "Budget") -> None:
    """Plan a study for its time, and print the plan without running it."""
    seconds = parse_duration(options.time or DEFAULT_TIME)
    request = PlanRequest(
        seconds=seconds,
        fixed=fixed_choices(options, protocol.methods),
        protocol=protocol,
        budget=budget,
        limit=min(DRY_SHARE * seconds, DRY_SECONDS),
    )
    images, executor = planned_images(options), executor_of(options)
    why = "" if options.time else NO_TIME
    with TemporaryDirectory() as folder:
        planned_study(images, request, Path(folder), StageClock(), None, executor=executor, why=why)


def planned_demo(out: Path, *, workers: int | None) -> None:
    """Plan the demo for `DEMO_TIME` and run it; on a slow machine with the fewest splits."""
    from equipoise.experiments.demo import FEWEST_SPLITS, demo_study
    from equipoise.experiments.running.executors import default_executor

    clock, executor = StageClock(), default_executor(workers=workers)
    begun_without_plan = (out / "study.json").is_file() and read_plan(out) is None
    study = None
    if not begun_without_plan:
        try:
            study = demo_by_plan(out, clock, executor)
        except SettingError:
            say(
                f"This machine is too slow, or too busy, for a demo of {DEMO_TIME}: "
                f"{FEWEST_SPLITS} splits are run, however long they take."
            )
    exit_for_failures(execute(study or demo_study(), out, executor, clock=clock))


def demo_by_plan(out: Path, clock: StageClock, executor: "Executor") -> "Study":
    """Plan the demo, or read its stored plan; print the plan, and return the study.

    Raises:
        SettingError: The machine is too slow for `DEMO_TIME`.
    """
    from equipoise.cli.plan_text import show_plan
    from equipoise.experiments.demo import BUDGET, NAME, PROTOCOL, demo_images, rare_in_training
    from equipoise.time_plan.planning import replanned_study
    from equipoise.time_plan.survey import survey_loaded

    console = Terminal()
    loaded = demo_images()
    survey = survey_loaded(loaded, PROTOCOL, BUDGET)
    request = PlanRequest(
        seconds=parse_duration(DEMO_TIME),
        fixed=FixedChoices(
            methods=tuple(PROTOCOL.methods),
            regime=BUDGET.regime,
            network=BUDGET.network,
            pretrained=BUDGET.pretrained,
            size=survey.side,
            n_seeds=PROTOCOL.n_seeds,
        ),
        protocol=PROTOCOL,
        budget=BUDGET,
        adapt=rare_in_training,
    )
    facts = {"command": "equipoise demo"}
    planner = make_planner(request, out, clock, console, executor)
    stored = stored_plan(out, request.fixed, None)
    if stored is not None and stored.plan is not None:
        plan = stored.plan
        study = replanned_study(loaded, plan, request, name=NAME, facts=facts)
        show_study(study)
    else:
        settled = stored or planner.settle(survey)
        plan, study = planner.plan(loaded, settled, name=NAME, facts=facts)
    show_plan(plan, console)
    return study


def stored_plan(folder: Path, fixed: FixedChoices, seconds: float | None) -> StoredPlan | None:
    """Return the plan that a run folder contains; None where it has none that can be continued.

    One that promised nothing yet, because it was interrupted or refused, is continued by the same
    choices only.

    Args:
        folder: Folder of the run.
        fixed: What the user chooses now.
        seconds: The time that the user names now; None where none is named.

    Raises:
        SettingError: The plan was made for another time or other choices, or the run in the folder
            was not planned by time.
    """
    stored = read_plan(folder)
    if stored is None:
        if (folder / "study.json").is_file():
            raise SettingError(
                f"The run in {folder} was not planned by time. Repeat its command, with --size, "
                "--splits, --seeds and --steps (or --regime frozen), to continue it; or name "
                "another folder with --out."
            )
        return None
    if stored.plan is None:
        is_same = fixed == stored.fixed and seconds in (None, stored.seconds)
        return stored if is_same else None
    if seconds is not None and seconds != stored.seconds:
        raise SettingError(
            f"Expected the time for which the run in {folder} was planned, "
            f"{as_typed(stored.seconds)}, got {as_typed(seconds)}. Name the same time to "
            "continue it, or another folder with --out (out)."
        )
    if fixed != stored.fixed:
        raise SettingError(
            f"Expected the choices with which the run in {folder} was planned, "
            f"{stored.fixed.to_json()}, got {fixed.to_json()}. Repeat its command to continue it, "
            "or name another folder with --out. To add to it, name all of --size, --splits, "
            "--seeds and --steps (or --regime frozen)."
        )
    return stored


def planned_study(
    images: PlannedImages,
    request: PlanRequest,
    folder: Path,
    clock: StageClock,
    stored: StoredPlan | None,
    *,
    executor: "Executor",
    why: str = "",
) -> "Study":
    """Plan a study, or read its stored plan; print the plan, and return the study.

    Args:
        images: What it is planned for.
        request: The time, and what is chosen already.
        folder: Folder of the run.
        clock: Counts the seconds of every stage.
        stored: What `stored_plan` returned.
        executor: Where cells are trained.
        why: Why this time, for the first line.
    """
    from equipoise.cli.plan_text import show_plan
    from equipoise.time_plan.pilot import discard_plan
    from equipoise.time_plan.planning import replanned_study
    from equipoise.time_plan.survey import survey_images, survey_loaded

    console = Terminal()
    if stored is None:
        protocol = request.starting_protocol
        if isinstance(images.images, Loaded):
            survey = survey_loaded(images.images, protocol, request.budget)
        else:
            survey = survey_images(images.images, images.options, protocol, request.budget)
        discard_plan(folder)
    announce(request, stored, why)
    planner = make_planner(request, folder, clock, console, executor)
    if stored is None:
        stored = planner.settle(survey)
    with clock.stage(READING):
        loaded = loaded_at(images, stored.setting.size)
    with refusal_after_summary(loaded):
        if stored.plan is None:
            plan, study = planner.plan(loaded, stored, name=images.name, facts=images.facts)
        else:
            plan = stored.plan
            study = replanned_study(loaded, plan, request, name=images.name, facts=images.facts)
            show_study(study)
    show_plan(plan, console)
    return study


def loaded_at(images: PlannedImages, size: int) -> Loaded:
    """Return the images at a side of `size` px, with the user's notes."""
    from equipoise.cli.bars import reading_bar
    from equipoise.data.reading import read

    loaded = images.images
    if not isinstance(loaded, Loaded):
        with reading_bar() as progress:
            loaded = read(loaded, replace(images.options, size=size, progress=progress))
    return replace(loaded, notes=(*images.notes, *loaded.notes))


def announce(request: PlanRequest, stored: StoredPlan | None, why: str) -> None:
    """Print the first line of a planned run."""
    from equipoise.experiments.running.progress import duration

    time = duration(request.seconds)
    if stored is not None and stored.plan is not None:
        say(f"The plan for {time} that this folder contains is continued.")
    else:
        say(f"Planning for {time}{why}: this machine and a few cells are measured.")


def planned_images(options: RunOptions) -> PlannedImages:
    """Return what the options of a command name."""
    return PlannedImages(
        images=options.images,
        options=options.read_options(),
        name=options.run_folder.name,
        notes=options.note or (),
        facts=command_facts(options),
    )


def make_planner(
    request: PlanRequest,
    folder: Path,
    clock: StageClock,
    console: Terminal,
    executor: "Executor",
) -> "Planner":
    """Build what plans a study, with this machine as its meter."""
    from equipoise.cli.plan_text import PilotLines
    from equipoise.runs.store import RunStore
    from equipoise.time_plan.machine import Machine, Shelf
    from equipoise.time_plan.pilot import Pilot
    from equipoise.time_plan.planning import Planner

    observer = PilotLines(console, in_study=request.limit is None)
    return Planner(
        request=request,
        pilot=Pilot(store=RunStore(folder), executor=executor, observer=observer, stages=clock),
        meter=Machine(
            request.budget, n_workers=executor.n_on_machine, n_threads=executor.n_threads
        ),
        shelf=Shelf(),
        say=lambda line: console.print(line, highlight=False, soft_wrap=True),
    )
