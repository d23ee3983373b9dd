"""The program: the commands `demo`, `run`, `report` and `list`, and those of the other modules."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli import audit, generate, predict, rank
from equipoise.cli import options as opt
from equipoise.cli.execution import conclude, execute, load_study
from equipoise.cli.list import FAMILIES, show_family
from equipoise.cli.run_volumes import DEFAULT_METHODS as VOLUME_METHODS
from equipoise.cli.run_volumes import TASKS, demo_volumes, run_volumes
from equipoise.exceptions import EquipoiseError, SettingError

METHODS = "none,class_weights,oversampling,dcgan,cdcgan"

app = typer.Typer(
    name="equipoise",
    help="Which way of rebalancing really helps on your medical images?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run a command; what a user can mend is said in one message, without a traceback."""
    try:
        app()
    except EquipoiseError as error:
        sys.exit(_complain(str(error)))
    except OSError as error:
        if error.filename is None:
            raise
        reason = error.strerror or type(error).__name__
        sys.exit(_complain(f"{reason}: {error.filename}. Finished cells are kept."))


def _complain(message: str) -> int:
    from rich.console import Console

    Console(stderr=True).print(
        f"[bold red]Error:[/] {_escape(message)}", soft_wrap=True, highlight=False
    )
    return 2


def _escape(message: str) -> str:
    from rich.markup import escape

    return escape(message)


@app.command(epilog="Example: [bold]equipoise demo --out runs/demo[/]")
def demo(
    *, task: opt.Task = "classification", out: opt.Out = None, workers: opt.Workers = None
) -> None:
    """Compare methods on drawn cervical cells, or brain tumors (no data needed, minutes on two cores)."""
    if pick_task(task) == "segmentation":
        return demo_volumes(out or Path("runs/demo-segmentation"), workers=workers)
    from equipoise.experiments.demo import demo_study

    return execute(demo_study(), out or Path("runs/demo"), workers=workers, device="auto")


@app.command(
    epilog=r"Example: [bold]equipoise run films/ --size 64 --groups 'patient(\d+)' --out runs/films[/]"
)
def run(
    images: opt.Images,
    *,
    task: opt.Task = "classification",
    size: opt.Size = 64,
    fit: opt.Fit = "pad",
    channels: opt.Channels = "auto",
    groups: opt.Groups = None,
    table: opt.Table = None,
    label_column: opt.LabelColumn = None,
    path_column: opt.PathColumn = None,
    group_column: opt.GroupColumn = None,
    split_column: opt.SplitColumn = None,
    on_error: opt.OnError = "stop",
    methods: opt.Methods = None,
    seeds: opt.Seeds = 3,
    splits: opt.Splits = 3,
    rare: opt.Rare = None,
    metric: opt.PrimaryMetric = None,
    duplicates: opt.DuplicatePolicy = "refuse",
    own_split: opt.OwnSplit = True,
    network: opt.Network = "small_cnn",
    pretrained: opt.Pretrained = None,
    steps: opt.Steps = 600,
    gan_steps: opt.GanSteps = 1500,
    augmentation: opt.Augmentation = "film",
    folds: opt.Folds = None,
    labels: opt.LabelNames = None,
    modalities: opt.Modalities = None,
    n4: opt.N4 = False,
    patch_size: opt.PatchSize = 64,
    patch_batch: opt.PatchBatch = 120,
    epoch_steps: opt.EpochSteps = 100,
    width: opt.Width = 16,
    precision: opt.Precision = "32-true",
    device: opt.Device = "auto",
    workers: opt.Workers = None,
    protocol_name: opt.ProtocolName = None,
    note: opt.Note = None,
    out: opt.Out = None,
) -> None:
    """Compare methods on a folder of images (or a table, an .npz, a study file) and write the report.

    Stopped at any moment, the same command goes on where it was.
    """
    if images.endswith(".py"):
        study = load_study(Path(images), protocol_name)
        return execute(study, out or Path("runs") / study.name, workers=workers, device=device)
    out = out or Path("runs") / folder_name(images)
    if pick_task(task) == "segmentation":
        return run_volumes(
            images,
            out,
            command=_command(),
            reading={
                "labels": labels,
                "modalities": tuple(named_parts(modalities)) or None,
                "n4": n4,
                "groups": groups,
                "table": table,
                "on_error": on_error,
            },
            protocol={
                "methods": named_parts(methods or VOLUME_METHODS),
                "n_seeds": seeds,
                "n_folds": folds,
                "primary_metric": metric or "mean_dice",
            },
            budget={
                "n_steps": steps,
                "epoch_steps": epoch_steps,
                "batch_size": patch_batch,
                "patch_size": patch_size,
                "width": width,
                "precision": precision,
                "device": device,
            },
            notes=note or [],
            workers=workers,
        )
    from equipoise.cli.console import reading_bar
    from equipoise.data.images.options import ReadOptions
    from equipoise.data.reading import read
    from equipoise.experiments.image_plan import check_plan, plan_study
    from equipoise.experiments.methods.catalogue import named
    from equipoise.experiments.protocol import Budget, Protocol

    protocol = Protocol(
        methods=named(methods or METHODS),
        n_seeds=seeds,
        n_splits=splits,
        duplicates=duplicates,
        use_source_split=own_split,
        rare_class=rare,
        primary_metric=metric or "balanced_accuracy",
    )
    budget = Budget(
        network=network,
        pretrained=pretrained,
        n_steps=steps,
        gan_steps=gan_steps,
        augmentation=augmentation,
        device=device,
    )
    check_plan(protocol, budget, size=size)
    with reading_bar() as progress:
        loaded = read(
            images,
            ReadOptions(
                size=size,
                fit=fit,
                channels=channels,
                groups=groups,
                table=table,
                label_column=label_column,
                path_column=path_column,
                group_column=group_column,
                split_column=split_column,
                on_error=on_error,
                progress=progress,
            ),
        )
    loaded = replace(loaded, notes=(*(note or ()), *loaded.notes))
    study = plan_study(loaded, protocol, budget, name=out.name, facts={"command": _command()})
    return execute(study, out, workers=workers, device=device)


@app.command(epilog="Example: [bold]equipoise report runs/films[/]")
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of a run, finished or not.")
    ],
) -> None:
    """Write the tables and the report of a run again, from what is stored."""
    conclude(folder)


@app.command(name="list", epilog="Example: [bold]equipoise list methods[/]")
def list_family(
    family: Annotated[str, typer.Argument(metavar="FAMILY", help=f"One of {', '.join(FAMILIES)}.")],
) -> None:
    """List the members of a family, one line each."""
    from equipoise.discovery import unknown

    if family not in FAMILIES:
        raise SettingError(unknown(family, FAMILIES, "family"))
    show_family(family)


for command in (generate, audit, predict, rank):
    command.add_to(app)


def pick_task(task: str) -> str:
    """Return the name of a task.

    Raises:
        SettingError: No such task.
    """
    from equipoise.discovery import pick

    return pick(dict(zip(TASKS, TASKS, strict=True)), task, "task")


def named_parts(text: str | None) -> tuple[str, ...]:
    """Read names from a list with commas."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def folder_name(images: str) -> str:
    """Make a folder name from a path: /data/My Films/ -> My-Films."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(images).resolve().stem).strip("-.") or "run"


def _command() -> str:
    import shlex

    return shlex.join(["equipoise", *sys.argv[1:]])
