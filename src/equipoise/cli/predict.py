"""The command `predict`: new images scored by the classifiers of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from equipoise.exceptions import DataError, SettingError

READING, WHICH, OUTPUT = "Reading images", "Classifiers", "Output"
NOT_SAID = "This run does not say how its images were made square: give --fit pad, crop or stretch. "

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)]
Images = Annotated[
    Path, typer.Argument(help="Folder of new images, at any depth, or one image.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="Table to write.", rich_help_panel=OUTPUT)]
Method = Annotated[
    str | None,
    typer.Option(help="Whose classifiers.", rich_help_panel=WHICH, show_default="the best in the primary metric"),
]
SplitName = Annotated[
    str | None, typer.Option("--split", help="Of one split.", rich_help_panel=WHICH, show_default="all, averaged")
]
CellSeed = Annotated[
    int | None,
    typer.Option("--cell-seed", help="Of one seed.", rich_help_panel=WHICH, show_default="all, averaged"),
]
Correct = Annotated[
    bool,
    typer.Option(
        "--correct-priors",
        help="Correct the probabilities to the class shares of the run's real images, which rebalancing moved.",
        rich_help_panel=OUTPUT,
    ),
]
Fit = Annotated[
    str | None,
    typer.Option(help="'pad', 'crop' or 'stretch'.", rich_help_panel=READING, show_default="as the run's images"),
]
OnError = Annotated[
    str, typer.Option(help="Files that cannot be decoded: 'stop' or 'skip'.", rich_help_panel=READING)
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: [bold]equipoise predict runs/films new_films/ --out predictions.csv[/]")(predict)


def predict(
    folder: Folder,
    images: Images,
    *,
    out: Out = Path("predictions.csv"),
    method: Method = None,
    split: SplitName = None,
    cell_seed: CellSeed = None,
    correct_priors: Correct = False,
    fit: Fit = None,
    on_error: OnError = "stop",
) -> None:
    """Score new images with the classifiers of a run: a line with the probability of each class for each image.

    For research. The run's report says how far these classifiers can be trusted, and on which patients that was
    measured; on images that they were trained on, or of another clinic, it says nothing.
    """
    from rich.console import Console

    from equipoise.cli.console import reading_bar
    from equipoise.cli.working_bar import working_bar
    from equipoise.data.unlabeled import read_unlabeled
    from equipoise.experiments.prediction import check_table, choose_panel, score_images, write_predictions
    from equipoise.experiments.store import RunStore

    store = RunStore(folder)
    panel, asked = choose_panel(store, method=method, split=split, seed=cell_seed), store.study()
    check_table(out)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    n = len(panel.cells)
    console.print(f"{n} classifier{'s' * (n != 1)} of {panel.cells[0].method}. {panel.reason}")
    with reading_bar() as progress:
        found = read_unlabeled(images, options_like(asked, fit=fit, on_error=on_error, progress=progress))
    with working_bar():
        scores = score_images(store, panel, found.images, corrected=correct_priors)
    write_predictions(out, found.files, scores, asked["dataset"]["class_names"], corrected=correct_priors)
    for line in (*found.notes, *(f"Left out: {one}" for one in found.skipped)):
        console.print(line)
    print(f"{len(found.files)} images: {out}")  # noqa: T201 (scripts read it)


def options_like(asked: Mapping[str, Any], *, fit: str | None, **given: Any) -> Any:
    """Give options that bring new images to the kind of a run's images.

    Args:
        asked: `study.json`: size and channels are in it, how oblong images were fitted is in the stored command.
        fit: That, where the run does not say it.
        given: Further options of reading.

    Raises:
        SettingError: The run does not say how it fitted its images, and `fit` is None.
    """
    from equipoise.data.source import ReadOptions

    channels, height, width = asked["dataset"]["shape"]
    return ReadOptions(
        size=height if height == width else None,
        fit=fit or _fit_of(asked),
        channels="gray" if channels == 1 else "rgb",
        **given,
    )


def _fit_of(asked: Mapping[str, Any]) -> str:
    from equipoise.cli.asked_before import parameters_of

    try:
        parameters = parameters_of(asked)
    except DataError as error:
        raise SettingError(f"{NOT_SAID}{error}") from error
    if str(parameters["images"]).endswith(".py"):
        raise SettingError(f"{NOT_SAID}The study file {parameters['images']} read them.")
    return str(parameters["fit"])
