"""The command `generate`: synthetic images of a run's generator, if the audit releases them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.own_network import OwnNetwork, import_network
from equipoise.cli.places import check_out
from equipoise.cli.terminal import Terminal
from equipoise.cli.voice import conclude
from equipoise.exceptions import DataError, ReleaseError

if TYPE_CHECKING:
    from equipoise.data.dataset import ImageDataset
    from equipoise.deployment.synthetic_folder import Manifest
    from equipoise.runs.store import RunStore

WHAT, WHICH, AUDIT = "Images", "Generator", "Audit"

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)]
Classes = Annotated[
    list[str],
    typer.Option(
        "--class",
        help="Class to generate; may be repeated, or 'all'.",
        rich_help_panel=WHAT,
        show_default=False,
    ),
]
Number = Annotated[
    int, typer.Option("-n", "--number", help="Images of each class.", rich_help_panel=WHAT)
]
Out = Annotated[
    Path, typer.Option(help="New folder for the images.", rich_help_panel=WHAT, show_default=False)
]
Seed = Annotated[int, typer.Option(help="Another seed gives other images.", rich_help_panel=WHAT)]
Method = Annotated[
    str | None,
    typer.Option(
        help="Method whose generator is used.",
        rich_help_panel=WHICH,
        show_default="the best in the primary metric",
    ),
]
SplitName = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Split that it was trained on.",
        rich_help_panel=WHICH,
        show_default="the first",
    ),
]
CellSeed = Annotated[
    int | None,
    typer.Option(
        "--cell-seed", help="Seed of its training.", rich_help_panel=WHICH, show_default="the first"
    ),
]
Real = Annotated[
    str | None,
    typer.Option(
        help="Folder or file of the run's real images, or the STUDY.py that reads them, which is "
        "executed; they are read with the options of the run.",
        rich_help_panel=AUDIT,
        show_default="those that the run stored",
    ),
]
Override = Annotated[
    str | None,
    typer.Option(
        "--override-reason",
        help="Write the images although the audit refuses them; the reason is stored with them.",
        rich_help_panel=AUDIT,
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    example = (
        "Example: [bold]equipoise generate runs/films --class pneumonia -n 200 --out synthetic/[/]"
    )
    app.command(epilog=example)(generate)


def generate(
    folder: Folder,
    *,
    classes: Classes,
    number: Number = 100,
    out: Out,
    seed: Seed = 0,
    method: Method = None,
    split: SplitName = None,
    cell_seed: CellSeed = None,
    network: OwnNetwork = None,
    real: Real = None,
    override_reason: Override = None,
) -> None:
    """Generate images with a generator of a run, and write them unless the audit refuses them.

    The audit compares them with the real images that the generator learned from. If it finds
    copies (privacy), or images that are easily distinguished from real ones (quality), no image is
    written, only the findings.
    """
    from equipoise.cli.bars import working_bar
    from equipoise.deployment.choose_generator import choose_generator
    from equipoise.deployment.generate import GenerationRequest
    from equipoise.deployment.generate import generate as generate_images
    from equipoise.runs.run import open_run
    from equipoise.runs.store import RunStore

    check_out(out.parent, real)
    import_network(network)
    store = RunStore(folder)
    run = open_run(folder)
    request = GenerationRequest(
        classes=tuple(classes), n=number, seed=seed, override=override_reason
    )
    choice = choose_generator(run, method=method, split=split, seed=cell_seed)
    console = Terminal(soft_wrap=True, highlight=False)
    console.print(f"Generator: {choice.cell}. {choice.reason}")
    try:
        images = real_images(store, real)
        with working_bar():
            generated = generate_images(run, choice, request, out, real=images)
    except ReleaseError as error:
        console.print(f"Not released: {error}")
        raise typer.Exit(code=1) from error
    for sentence in release_sentences(generated.manifest):
        console.print(sentence)
    n_images = len(generated.manifest["files"])
    exist = "" if generated.new else " exist already"
    conclude(f"{n_images} synthetic images{exist}: {out}")


def real_images(store: "RunStore", source: str | None) -> "ImageDataset | None":
    """Return the real images of a run: stored, read from `source`, or drawn again for the demo.

    A place that only `study.json` names is never read: the run may come from another computer.

    Args:
        store: Folder of the run.
        source: Where the images are now, or the STUDY.py that reads them.

    Returns:
        The images; None without a source where the run did not store them.

    Raises:
        DataError: They are not those of the run, or the run does not store how they were read.
    """
    from equipoise.cli.bars import reading_bar
    from equipoise.cli.execution import load_study
    from equipoise.experiments.demo import demo_study
    from equipoise.experiments.image_plan import read_again
    from equipoise.runs.reading import DEMO
    from equipoise.runs.real_images import check_images_of, packed_images

    if source is None and (packed := packed_images(store)) is not None:
        return packed
    description = store.description()
    reading = description.reading
    if source is None:
        # runs of earlier versions store the command alone
        command = description.command or ""
        is_demo = (
            command.startswith("equipoise demo") if reading is None else reading.source == DEMO
        )
        if not is_demo:
            return None
        dataset = demo_study().images
    elif source.endswith(".py"):
        protocol = None if reading is None else reading.protocol
        dataset = load_study(Path(source), protocol).images
    elif reading is None:
        raise DataError(
            f"Run '{description.name}' was made by an earlier version and does not store how its "
            "images were read. Give the STUDY.py that reads them with --real, or repeat the run."
        )
    else:
        with reading_bar() as progress:
            dataset = read_again(source, reading, progress)
    check_images_of(store, dataset, source or "the demo's drawings")
    return dataset


def release_sentences(manifest: "Manifest") -> Iterator[str]:
    """Yield whether the images are released, on what numbers this rests, and what limits it."""
    audit, quality, release = manifest["audit"], manifest["quality"], manifest["release"]
    if release["override"] is not None:
        yield f"Not released by the audit; written nevertheless: {release['override']}"
    elif release["green"]:
        yield "Released: privacy and quality passed."
    else:
        yield "Written, but not cleared for release: the audit refused nothing, and left open:"
    for side in ("privacy", "quality"):
        decision = release[side]
        yield f"{side.capitalize()}: {decision['status']}. {' '.join(decision['reasons'])}"
    for measures in (audit, quality):
        if measures is not None:
            yield from measures["notes"]
