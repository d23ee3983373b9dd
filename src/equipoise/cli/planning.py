"""Plan a study of images by time for `run` and `plan`: what is printed, and whose plan is kept."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from equipoise.cli.execution import execute, refusal_after_summary, show_study
from equipoise.cli.executor_options import parse_memory
from equipoise.cli.options import DEFAULT_TIME, RunOptions
from equipoise.cli.terminal import Terminal, say
from equipoise.cli.typed_command import command_facts, execute_typed
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
DRY_SHARE, DRY_SECONDS = 0.1, 600.0  # of the time, and at most, for the cells of a plan alone


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
    study = planned_study(options, request, options.run_folder, clock, stored)
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
    with TemporaryDirectory() as folder:
        planned_study(options, request, Path(folder), StageClock(), None)


def planned_demo(out: Path, *, workers: int | None) -> None:
    """Plan the demo for `DEMO_TIME` and run it; on a slow machine with the fewest splits."""
    from equipoise.experiments.demo import FEWEST_SPLITS, demo_study

    clock = StageClock()
    begun_without_plan = (out / "study.json").is_file() and read_plan(out) is None
    study = None
    if not begun_without_plan:
        try:
            study = demo_by_plan(out, clock, workers=workers)
        except SettingError:
            say(
                f"This machine is too slow, or too busy, for a demo of {DEMO_TIME}: "
                f"{FEWEST_SPLITS} splits are run, however long they take."
            )
    execute(study or demo_study(), out, workers=workers, device="auto", clock=clock)


def demo_by_plan(out: Path, clock: StageClock, *, workers: int | None) -> "Study":
    """Plan the demo, or read its stored plan; print the plan, and return the study.

    Raises:
        SettingError: The machine is too slow for `DEMO_TIME`.
    """
    from equipoise.cli.plan_text import show_plan
    from equipoise.experiments.demo import BUDGET, NAME, PROTOCOL, demo_images, rare_in_training
    from equipoise.experiments.running.executors import default_executor
    from equipoise.time_plan.planning import replanned_study
    from equipoise.time_plan.survey import survey_dataset

    console = Terminal()
    loaded = demo_images()
    survey = survey_dataset(loaded.dataset)
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
    planner = make_planner(request, out, clock, console, default_executor(workers=workers))
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
            f"{as_typed(stored.seconds)}, got {as_typed(seconds)}. Leave --time out to continue "
            "it, or name another folder with --out."
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
    options: RunOptions,
    request: PlanRequest,
    folder: Path,
    clock: StageClock,
    stored: StoredPlan | None,
) -> "Study":
    """Plan a study, or read its stored plan; print the plan, and return the study."""
    from equipoise.cli.console import reading_bar
    from equipoise.cli.plan_text import show_plan
    from equipoise.data.reading import read
    from equipoise.experiments.running.executors import default_executor
    from equipoise.time_plan.pilot import discard_plan
    from equipoise.time_plan.planning import replanned_study
    from equipoise.time_plan.survey import survey_images

    console = Terminal()
    if stored is None:
        survey = survey_images(options.images, options.read_options(), request.protocol)
        discard_plan(folder)
    console.print(announcement(options, request, stored), highlight=False, soft_wrap=True)
    executor = default_executor(
        options.device,
        workers=options.workers,
        ray=options.ray,
        max_memory=parse_memory(options.max_memory),
    )
    planner = make_planner(request, folder, clock, console, executor)
    name = options.run_folder.name
    facts = command_facts(options)
    if stored is None:
        stored = planner.settle(survey)
    with clock.stage(READING), reading_bar() as progress:
        loaded = read(options.images, options.read_options(progress, size=stored.setting.size))
    loaded = replace(loaded, notes=(*(options.note or ()), *loaded.notes))
    with refusal_after_summary(loaded):
        if stored.plan is None:
            plan, study = planner.plan(loaded, stored, name=name, facts=facts)
        else:
            plan = stored.plan
            study = replanned_study(loaded, plan, request, name=name, facts=facts)
            show_study(study)
    show_plan(plan, console)
    return study


def announcement(options: RunOptions, request: PlanRequest, stored: StoredPlan | None) -> str:
    """Return the first line of a planned run."""
    from equipoise.experiments.running.progress import duration

    time = duration(request.seconds)
    if stored is not None and stored.plan is not None:
        return f"The plan for {time} that this folder contains is continued."
    why = "" if options.time else " (no --time was given)"
    return f"Planning for {time}{why}: this machine and a few cells are measured."


def make_planner(
    request: PlanRequest,
    folder: Path,
    clock: StageClock,
    console: Terminal,
    executor: "Executor",
) -> "Planner":
    """Build what plans a study, with this machine as its meter."""
    from equipoise.cli.plan_text import PilotLines
    from equipoise.time_plan.plan_by_time import machine_planner

    return machine_planner(
        request,
        folder,
        clock,
        executor=executor,
        observer=PilotLines(console, in_study=request.limit is None),
        say=lambda line: console.print(line, highlight=False, soft_wrap=True),
    )
