"""The commands `run` and `demo`: compare methods on images or volumes, and write the report."""

from dataclasses import replace
from pathlib import Path

import typer

from equipoise.cli import options as opt
from equipoise.cli.execution import execute, load_study
from equipoise.cli.options import SEGMENTATION, RunOptions, command_of, pick_task, typed_command
from equipoise.cli.run_volumes import demo_volumes, run_volumes
from equipoise.experiments.protocol import Budget, Protocol


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: [bold]equipoise demo --out runs/demo[/]")(demo)
    example = r"equipoise run films/ --size 64 --groups 'patient(\d+)' --out runs/films"
    app.command(epilog=f"Example: [bold]{example}[/]")(command_of(run, RunOptions))


def demo(
    *, task: opt.Task = "classification", out: opt.Out = None, workers: opt.Workers = None
) -> None:
    """Compare methods on drawn cells, or brain tumors (needs no data; minutes on two cores)."""
    if pick_task(task) == SEGMENTATION:
        return demo_volumes(out or Path("runs/demo-segmentation"), workers=workers)
    from equipoise.experiments.demo import demo_study

    return execute(demo_study(), out or Path("runs/demo"), workers=workers, device="auto")


def run(options: RunOptions) -> None:
    """Compare methods on images (a folder, table, .npz or study file) and write the report.

    After an interruption, the same command continues where it stopped.
    """
    if options.images.endswith(".py"):
        study = load_study(Path(options.images), options.protocol_name)
        out = options.out or Path("runs") / study.name
        execute(study, out, workers=options.workers, device=options.device)
    elif pick_task(options.task) == SEGMENTATION:
        run_volumes(options)
    else:
        run_images(options)


def run_images(options: RunOptions) -> None:
    """Read images, plan the study and run it."""
    from equipoise.cli.console import reading_bar
    from equipoise.data.reading import read
    from equipoise.experiments.image_plan import check_plan, plan_study

    protocol, budget = image_protocol(options), image_budget(options)
    check_plan(protocol, budget, size=options.size)
    with reading_bar() as progress:
        loaded = read(options.images, options.read_options(progress))
    loaded = replace(loaded, notes=(*(options.note or ()), *loaded.notes))
    facts = {"command": typed_command()}
    study = plan_study(loaded, protocol, budget, name=options.run_folder.name, facts=facts)
    execute(study, options.run_folder, workers=options.workers, device=options.device)


def image_protocol(options: RunOptions) -> Protocol:
    """Return how methods are compared on images."""
    from equipoise.experiments.methods.catalogue import named

    default = Protocol()
    methods = default.methods
    if options.methods:
        methods = named(options.methods, image_budget(options))
    return Protocol(
        methods=methods,
        n_seeds=options.seeds,
        n_splits=options.splits,
        duplicates=options.duplicates,
        use_source_split=options.own_split,
        rare_class=options.rare,
        primary_metric=options.metric or default.primary_metric,
    )


def image_budget(options: RunOptions) -> Budget:
    """Return what each method may spend on images."""
    return Budget(
        regime=options.regime,
        network=options.network,
        pretrained=options.pretrained,
        n_steps=options.steps,
        gan_steps=options.gan_steps,
        augmentation=options.augmentation,
        checkpoint=options.checkpoint,
        device=options.device,
    )
