"""The commands `run` and `demo`: compare methods on images or volumes, and write the report."""

from dataclasses import replace
from pathlib import Path

import typer

from equipoise.cli import options as opt
from equipoise.cli import training_options as training
from equipoise.cli.applicability import check_applicable, with_methods
from equipoise.cli.execution import (
    load_study,
    refusal_after_summary,
    stopping_is_explained,
)
from equipoise.cli.executor_options import check_executor, parse_memory
from equipoise.cli.options import SEGMENTATION, RunOptions, command_of, pick_task
from equipoise.cli.places import check_out
from equipoise.cli.planning import fixed_choices, planned_demo, print_plan, run_by_time
from equipoise.cli.run_volumes import demo_volumes, run_volumes
from equipoise.cli.typed_command import command_facts, execute_typed
from equipoise.data.reading import check_presence
from equipoise.exceptions import SettingError
from equipoise.experiments.protocol import Budget, Protocol, budget_of
from equipoise.experiments.running.available_memory import copies_within
from equipoise.runs.stage_seconds import READING, StageClock

CHECKED_SIZE = 64  # px at which settings are checked before a size is chosen


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: [bold]equipoise demo --out runs/demo[/]")(demo)
    example = r"equipoise run films/ --time 2h --groups 'patient(\d+)' --out runs/films"
    app.command(epilog=f"Example: [bold]{example}[/]")(command_of(run, RunOptions))
    example = "equipoise plan films/ --time 8h"
    app.command(epilog=f"Example: [bold]{example}[/]")(command_of(plan, RunOptions))


def demo(
    *, task: opt.Task = "classification", out: opt.Out = None, workers: training.Workers = None
) -> None:
    """Compare methods on drawn cells, or brain tumors (needs no data; minutes on two cores)."""
    with stopping_is_explained():
        of_volumes = pick_task(task) == SEGMENTATION
        out = out or Path("runs/demo-segmentation" if of_volumes else "runs/demo")
        check_out(out)
        if of_volumes:
            demo_volumes(out, workers=workers)
        else:
            planned_demo(out, workers=workers)


def run(options: RunOptions) -> None:
    """Compare methods on images (a folder, table, .npz or study file) and write the report.

    After an interruption, the same command continues where it stopped.
    """
    with stopping_is_explained():
        check_applicable(options)
        check_executor(options.executor, options.ray_address)
        with copies_within(parse_memory(options.max_memory)):
            if options.images.endswith(".py"):
                study = load_study(Path(options.images), options.protocol_name)
                study = with_methods(study, options.methods)
                out = options.out or Path("runs") / study.name
                check_out(out)
                execute_typed(study, options, out=out)
            elif pick_task(options.task) == SEGMENTATION:
                check_presence(options.images, volumes=True)
                check_out(options.run_folder, options.images)
                run_volumes(options)
            else:
                check_presence(options.images)
                check_out(options.run_folder, options.images)
                run_images(options)


def plan(options: RunOptions) -> None:
    """Plan a comparison for a time, and print the plan without running it.

    The measurement takes a few cells, at most a tenth of the time and ten minutes.
    """
    if options.images.endswith(".py") or pick_task(options.task) == SEGMENTATION:
        raise SettingError(
            "Expected images (a folder, table or .npz) to plan for. A segmentation or a study file "
            "is not planned by time: equipoise run forecasts how long it takes."
        )
    check_applicable(options)
    with copies_within(parse_memory(options.max_memory)):
        check_presence(options.images)
        print_plan(options, *checked_choices(options))


def run_images(options: RunOptions) -> None:
    """Read images, plan the study and run it."""
    from equipoise.cli.bars import reading_bar
    from equipoise.data.reading import read
    from equipoise.experiments.image_plan import plan_study
    from equipoise.experiments.source_check import check_source

    protocol, budget = checked_choices(options)
    fixed = fixed_choices(options, protocol.methods)
    if options.time is not None or not fixed.leave_nothing_open:
        return run_by_time(options, protocol, budget)
    clock = StageClock()
    with clock.stage(READING), reading_bar() as progress:
        check_source(options.images, options.read_options(), protocol, budget)
        loaded = read(options.images, options.read_options(progress))
    loaded = replace(loaded, notes=(*(options.note or ()), *loaded.notes))
    facts = command_facts(options)
    with refusal_after_summary(loaded):
        study = plan_study(loaded, protocol, budget, name=options.run_folder.name, facts=facts)
    return execute_typed(study, options, clock=clock)


def checked_choices(options: RunOptions) -> tuple[Protocol, Budget]:
    """Return the records that the options fill, after a check that reads nothing.

    Raises:
        SettingError: See `equipoise.experiments.image_plan.check_plan`.
        WeightsError: See there.
    """
    from equipoise.experiments.image_plan import check_plan

    protocol, budget = image_protocol(options), image_budget(options)
    check_plan(protocol, budget, size=options.size or CHECKED_SIZE)
    return protocol, budget


def image_protocol(options: RunOptions) -> Protocol:
    """Return how methods are compared on images."""
    from equipoise.experiments.methods.catalogue import named

    default = Protocol()
    methods = default.methods
    if options.methods:
        methods = named(options.methods, image_budget(options))
    return Protocol(
        methods=methods,
        n_seeds=options.seeds or default.n_seeds,
        n_splits=options.splits or default.n_splits,
        duplicates=options.duplicates,
        use_source_split=options.own_split,
        rare_class=options.rare,
        primary_metric=options.metric or default.primary_metric,
    )


def image_budget(options: RunOptions) -> Budget:
    """Return what each method may spend on images."""
    return budget_of(
        regime=options.regime,
        network=options.network,
        pretrained=options.pretrained,
        n_steps=options.steps,
        gan_steps=options.gan_steps,
        gan_side=options.gan_size,
        augmentation=options.augmentation,
        views=options.views,
        head=options.head,
        checkpoint=options.checkpoint,
        precision=options.precision,
        gan_precision=options.precision,
        device=options.device,
    )
