"""The command `predict`: new images scored by the classifiers of a run, new cases segmented by its segmenters."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.exceptions import SettingError

if TYPE_CHECKING:
    from equipoise.data.images.options import ReadOptions
    from equipoise.runs.description import StudyDescription

READING, WHICH, OUTPUT = "Reading", "Networks", "Output"
TABLE = Path("predictions.csv")

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)]
Images = Annotated[
    Path,
    typer.Argument(
        help="Folder of new images, at any depth, or one image; a case folder of volumes, or a folder of such.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Table to write; for volumes the label map (.nii.gz), or the folder for label maps.",
        rich_help_panel=OUTPUT,
        show_default="predictions.csv, or CASE_predicted.nii.gz here",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        help="Whose networks.", rich_help_panel=WHICH, show_default="the best in the primary metric"
    ),
]
SplitName = Annotated[
    str | None,
    typer.Option(
        "--split", help="Of one split.", rich_help_panel=WHICH, show_default="all, averaged"
    ),
]
CellSeed = Annotated[
    int | None,
    typer.Option(
        "--cell-seed", help="Of one seed.", rich_help_panel=WHICH, show_default="all, averaged"
    ),
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
    typer.Option(
        help="'pad', 'crop' or 'stretch'.",
        rich_help_panel=READING,
        show_default="as the run's images",
    ),
]
OnError = Annotated[
    str,
    typer.Option(
        help="Images or cases that cannot be read: 'stop' or 'skip'.", rich_help_panel=READING
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        help="Volumes: what the numbers in the cases' label files mean, if there are such files.",
        rich_help_panel=READING,
        show_default="as in the run",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Volumes: replace label maps that are there.", rich_help_panel=OUTPUT
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Example: [bold]equipoise predict runs/films new_films/ --out predictions.csv[/]\n\n"
        "Example: [bold]equipoise predict runs/brains patient-7/ --out patient-7_predicted.nii.gz[/]"
    )(predict)


def predict(
    folder: Folder,
    images: Images,
    *,
    out: Out = None,
    method: Method = None,
    split: SplitName = None,
    cell_seed: CellSeed = None,
    correct_priors: Correct = False,
    fit: Fit = None,
    on_error: OnError = "stop",
    labels: Labels = None,
    force: Force = False,
) -> None:
    """Score new images with the classifiers of a run, or segment new cases with its segmenters.

    Of images comes a table: a line with the probability of each class for each image. Of volumes comes a label map
    for each case, on the grid of its images. A case of the run itself is segmented only by networks that never saw
    it.

    For research. The run's report says how far these networks can be trusted, and on which patients that was
    measured; on images that they were trained on, or of another clinic, it says nothing.
    """
    from equipoise.runs.description import SEGMENTATION, read_description
    from equipoise.runs.store import RunStore

    store, which = RunStore(folder), {"method": method, "split": split, "seed": cell_seed}
    if read_description(folder).task == SEGMENTATION:
        _refuse(
            {"--fit": fit, "--correct-priors": correct_priors}, "images, and this run is of volumes"
        )
        _segment(
            store,
            images,
            which,
            {"out": out, "labels": labels, "force": force, "on_error": on_error},
        )
    else:
        _refuse({"--labels": labels, "--force": force}, "volumes, and this run is of images")
        _score(
            store, images, which, out or TABLE, corrected=correct_priors, fit=fit, on_error=on_error
        )


def _refuse(given: Mapping[str, object], why: str) -> None:
    """Refuse options that mean nothing here, rather than to pass over them."""
    if strange := [name for name, value in given.items() if value]:
        raise SettingError(f"{' and '.join(strange)} is for runs of {why}. Leave it out.")


def _segment(store: Any, place: Path, which: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    from equipoise.cli.segment import SegmentOptions, predict_volumes
    from equipoise.deployment.choose_segmenters import choose_segmenters
    from equipoise.runs.run import open_run

    run = open_run(store.folder)
    predict_volumes(run, choose_segmenters(run, **which), place, SegmentOptions(**wanted))


def _score(
    store: Any,
    images: Path,
    which: Mapping[str, Any],
    out: Path,
    *,
    corrected: bool,
    **reading: Any,
) -> None:
    from rich.console import Console

    from equipoise.cli.console import reading_bar, working_bar
    from equipoise.data.images.unlabeled import read_unlabeled
    from equipoise.deployment.classify import (
        check_table,
        choose_classifiers,
        score_images,
        write_predictions,
    )
    from equipoise.runs.run import open_run

    run = open_run(store.folder)
    ensemble = choose_classifiers(run, **which)
    check_table(out)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    n = len(ensemble.cells)
    console.print(
        f"{n} classifier{'s' * (n != 1)} of {ensemble.cells[0].method}. {ensemble.reason}"
    )
    with reading_bar() as progress:
        found = read_unlabeled(images, options_like(run.description, **reading, progress=progress))
    with working_bar():
        scores = score_images(run, ensemble, found.images, corrected=corrected)
    class_names = run.description.class_names
    write_predictions(out, found.files, scores, class_names, corrected=corrected)
    for line in (*found.notes, *(f"Left out: {one}" for one in found.skipped)):
        console.print(line)
    print(f"{len(found.files)} images: {out}")  # noqa: T201 (scripts read it)


def options_like(
    description: "StudyDescription", *, fit: str | None = None, **given: Any
) -> "ReadOptions":
    """Return the options with which new images are read like the images of a run.

    Args:
        description: The run: shape and channels of its images, and the options with which they were read.
        fit: How oblong images are fitted into a square; as the run's were where None.
        given: Further options of reading.

    Raises:
        SettingError: The run does not store how it fitted its images, and `fit` is None.
    """
    from equipoise.data.images.options import ReadOptions

    reading = description.reading
    stored = None if reading is None else reading.options
    if not isinstance(stored, ReadOptions):
        if fit is None:
            raise SettingError(
                "This run does not store how its images were made square (it was made by an earlier version, a study "
                "file or the demo). Give --fit pad, crop or stretch."
            )
        stored = ReadOptions(fit=fit)
    channels, height, width = description.images.shape
    return ReadOptions(
        size=height if height == width else None,
        fit=fit or stored.fit,
        filter=stored.filter,
        channels="gray" if channels == 1 else "rgb",
        **given,
    )
