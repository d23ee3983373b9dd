"""The command `predict`: score new images or segment new cases with the networks of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli import reading_options as reading
from equipoise.cli.own_network import OwnNetwork, import_network
from equipoise.cli.terminal import Terminal
from equipoise.cli.voice import answer, conclude
from equipoise.exceptions import SettingError

if TYPE_CHECKING:
    from equipoise.cli.options import Progress
    from equipoise.data.images.options import ReadOptions
    from equipoise.data.images.unlabeled import UnlabeledImages
    from equipoise.deployment.classify import Ensemble
    from equipoise.runs.description import StudyDescription
    from equipoise.runs.run import Run

READING, WHICH, OUTPUT = "Reading", "Networks", "Output"
TABLE = Path("predictions.csv")

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)]
Images = Annotated[
    Path,
    typer.Argument(
        help="Folder of new images, at any depth, or one image; of volumes, a case folder or a "
        "folder of case folders.",
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
        help="Method whose networks are used.",
        rich_help_panel=WHICH,
        show_default="what the report advises",
    ),
]
SplitName = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Only networks of this split.",
        rich_help_panel=WHICH,
        show_default="all, averaged",
    ),
]
CellSeed = Annotated[
    int | None,
    typer.Option(
        "--cell-seed",
        help="Only networks of this seed.",
        rich_help_panel=WHICH,
        show_default="all, averaged",
    ),
]
Correct = Annotated[
    bool,
    typer.Option(
        "--correct-priors",
        help="Correct the probabilities to the class shares of the run's real images, from which "
        "rebalancing moved them.",
        rich_help_panel=OUTPUT,
    ),
]
OwnThresholds = Annotated[
    bool,
    typer.Option(
        "--own-thresholds",
        help="Decide by the threshold that was best on each network's validation images instead of "
        "by the largest probability.",
        rich_help_panel=OUTPUT,
    ),
]
Fit = Annotated[
    str | None,
    typer.Option(
        help="Make images square: 'pad', 'crop' or 'stretch'.",
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
        help="Volumes: meaning of the numbers in the cases' label files, if there are any.",
        rich_help_panel=READING,
        show_default="as in the run, if they fit",
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Volumes: replace existing label maps.", rich_help_panel=OUTPUT),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Example: [bold]equipoise predict runs/films new_films/ --out predictions.csv[/]\n\n"
        "Example: [bold]equipoise predict runs/brains patient-7/ --out "
        "patient-7_predicted.nii.gz[/]"
    )(predict)


def predict(
    folder: Folder,
    images: Images,
    *,
    out: Out = None,
    method: Method = None,
    split: SplitName = None,
    cell_seed: CellSeed = None,
    network: OwnNetwork = None,
    correct_priors: Correct = False,
    own_thresholds: OwnThresholds = False,
    fit: Fit = None,
    ignore: reading.Ignore = None,
    follow_links: reading.FollowLinks = False,
    on_error: OnError = "stop",
    labels: Labels = None,
    force: Force = False,
) -> None:
    """Score new images with the classifiers of a run, or segment new cases with its segmenters.

    For images, writes a table with the probability of each class for each image. For volumes,
    writes a label map for each case, on the grid of its images. A case of the run itself is
    segmented only by networks that never saw it.

    For research only. The run's report shows how reliable these networks are, and on which patients
    that was measured. It says nothing about images that they were trained on, or of another clinic.
    """
    from equipoise.runs.description import SEGMENTATION
    from equipoise.runs.run import open_run

    import_network(network)
    run = open_run(folder)
    networks = NetworkChoice(method, split, cell_seed)
    files = FileChoice(tuple(ignore or ()), follow_links, on_error)
    if run.description.task == SEGMENTATION:
        if fit is not None or correct_priors or own_thresholds:
            options = {
                "--fit": fit is not None,
                "--correct-priors": correct_priors,
                "--own-thresholds": own_thresholds,
            }
            raise SettingError(wrong_task(options, "images, and this run is of volumes"))
        segment_cases(run, networks, images, out, labels, files=files, force=force)
    else:
        if labels is not None or force:
            options = {"--labels": labels is not None, "--force": force}
            raise SettingError(wrong_task(options, "volumes, and this run is of images"))
        if correct_priors and own_thresholds:
            raise SettingError(
                "Expected --correct-priors or --own-thresholds, got both, which decide in two "
                "ways. Leave one out."
            )
        output = TableOptions(out or TABLE, correct_priors, own_thresholds)
        score(run, networks, images, output, files, fit=fit)


@dataclass(frozen=True)
class NetworkChoice:
    """Which networks of a run are used; None for the advised method, all splits and all seeds."""

    method: str | None
    split: str | None
    seed: int | None


@dataclass(frozen=True)
class FileChoice:
    """Which files are read: patterns to leave out, whether links out count, what stops."""

    ignore: tuple[str, ...] = ()
    follow_links: bool = False
    on_error: str = "stop"


ALL_FILES = FileChoice()


@dataclass(frozen=True)
class TableOptions:
    """What a table of predictions holds: corrected probabilities, calls at own thresholds."""

    path: Path
    corrected: bool
    own_thresholds: bool


def wrong_task(options: dict[str, bool], task: str) -> str:
    """Return the message that some options are for runs of another task."""
    given = [name for name, is_given in options.items() if is_given]
    return f"{' and '.join(given)} is for runs of {task}. Leave it out."


def segment_cases(
    run: "Run",
    networks: NetworkChoice,
    place: Path,
    out: Path | None,
    labels: str | None,
    *,
    files: FileChoice,
    force: bool,
) -> None:
    """Write a label map for each case."""
    from equipoise.cli.segment import SegmentOptions, predict_volumes
    from equipoise.deployment.choose_segmenters import choose_segmenters

    ensemble = choose_segmenters(
        run, method=networks.method, split=networks.split, seed=networks.seed
    )
    options = SegmentOptions(out=out, labels=labels, force=force, **vars(files))
    predict_volumes(run, ensemble, place, options)


def score(
    run: "Run",
    networks: NetworkChoice,
    images: Path,
    output: TableOptions,
    files: FileChoice,
    *,
    fit: str | None,
) -> None:
    """Write the table of probabilities."""
    import numpy as np

    from equipoise.cli.answers import image_answers
    from equipoise.cli.bars import reading_bar, working_bar
    from equipoise.data.images.unlabeled import read_unlabeled
    from equipoise.deployment import classify

    ensemble = classify.choose_classifiers(run, **vars(networks))
    classify.check_table(output.path)
    console = Terminal(soft_wrap=True, highlight=False)
    n, method = len(ensemble.cells), ensemble.cells[0].method
    console.print(f"{n} classifier{'s' * (n != 1)} of {method}. {ensemble.reason}")
    with reading_bar() as progress:
        options = options_like(run.description, fit=fit, files=files, progress=progress)
        new = read_unlabeled(images, options)
    with working_bar():
        of_cells = classify.scores_of_cells(run, ensemble, new.images, corrected=output.corrected)
    moved = None
    if output.own_thresholds:
        moved = classify.move_to_own_thresholds(run, of_cells)
        console.print(classify.own_thresholds_sentence(run, ensemble.cells))
    scores, class_names = np.mean(list(of_cells.values()), axis=0), run.description.class_names
    classify.write_predictions(
        output.path,
        new.files,
        scores,
        class_names,
        corrected=output.corrected,
        moved=moved,
        thresholds=classify.own_thresholds(run, ensemble.cells) if moved is not None else (),
    )
    notes = notes_about(new, run, ensemble)
    for line in notes:
        console.print(line)
    conclude(f"{len(new.files)} images: {output.path}")
    about = {"table": output.path, "class_names": class_names, "notes": notes}
    calls = scores if moved is None else moved
    answer(lambda: {**about, "images": image_answers(new.files, scores, calls, class_names)})


def notes_about(new: "UnlabeledImages", run: "Run", ensemble: "Ensemble") -> list[str]:
    """Return what a reader of the table must know about its images."""
    from equipoise.runs.known_images import known_images_note

    of_run = known_images_note(run.folder, new.images, new.files, ensemble.cells)
    notes = [of_run] if of_run else []
    notes.extend(new.notes)
    notes.extend(f"Left out: {skipped}" for skipped in new.skipped)
    return notes


def options_like(
    description: "StudyDescription",
    *,
    fit: str | None = None,
    files: FileChoice = ALL_FILES,
    progress: "Progress | None" = None,
) -> "ReadOptions":
    """Return the options with which new images are read like the images of a run.

    Args:
        description: The run: shape of its images, and the options with which they were read.
        fit: How images are made square; None for the way of the run.
        files: Which files are read.
        progress: Called with (files done, all files).

    Raises:
        SettingError: The run does not store how its images were made square, and `fit` is None.
    """
    from equipoise.data.images.options import ReadOptions

    reading = description.reading
    stored = None if reading is None else reading.options
    if not isinstance(stored, ReadOptions):
        if fit is None:
            raise SettingError(
                "This run does not store how its images were made square (it was made by an "
                "earlier version, a study file or the demo). Give --fit pad, crop or stretch."
            )
        stored = ReadOptions(fit=fit)
    channels, height, width = description.images.shape
    return ReadOptions(
        size=height if height == width else None,
        fit=fit or stored.fit,
        filter=stored.filter,
        channels="gray" if channels == 1 else "rgb",
        ignore=files.ignore,
        follow_links=files.follow_links,
        on_error=files.on_error,
        progress=progress,
    )
