"""The command `audit`: may synthetic images, from whatever generator, be released?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli import options as opt

if TYPE_CHECKING:
    from equipoise.audit.report import Audit
    from equipoise.data.dataset import ImageDataset

READING, FEATURES, OUTPUT = "Reading images", "Features", "Output"

Synthetic = Annotated[
    str,
    typer.Argument(
        help="Synthetic images: folder of class folders, or of images.", show_default=False
    ),
]
Real = Annotated[
    str,
    typer.Option(
        help="The real images that their generator learned from. Of an own split, the train part.",
        rich_help_panel=READING,
        show_default=False,
    ),
]
HeldOut = Annotated[
    str | None,
    typer.Option(
        help="Real images of other patients, which the generator never saw.",
        rich_help_panel=READING,
        show_default="validation and test of --real's own split, if it has one",
    ),
]
Extractor = Annotated[
    str | None,
    typer.Option(
        help="What makes features of images; see: equipoise list extractors.",
        rich_help_panel=FEATURES,
        show_default="a classifier of the real images; 'random' for one class",
    ),
]
Weights = Annotated[
    Path | None, typer.Option(help="File of its weights.", rich_help_panel=FEATURES)
]
Out = Annotated[
    Path, typer.Option(help="Folder for audit.json and audit.html.", rich_help_panel=OUTPUT)
]
Override = Annotated[
    str | None,
    typer.Option(
        "--override-reason",
        help="Release although the audit refuses; the reason is kept.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Example: [bold]equipoise audit synthetic/ --real films/train --held-out films/test[/]"
    )(audit)


def audit(
    synthetic: Synthetic,
    *,
    real: Real,
    held_out: HeldOut = None,
    size: opt.Size = 64,
    fit: opt.Fit = "pad",
    groups: opt.Groups = None,
    table: opt.Table = None,
    extractor: Extractor = None,
    weights: Weights = None,
    device: opt.Device = "auto",
    out: Out = Path("audit"),
    override_reason: Override = None,
) -> None:
    """Look for copies of real images among synthetic ones, and for traces of who was in training.

    Ends with 1 where the images should not be released.
    """
    from equipoise.atomic import write_json
    from equipoise.audit.gate import check_reason
    from equipoise.cli.console import working_bar
    from equipoise.report.audit_page import write_audit_page

    check_reason(override_reason)
    made, train, others = read_all(
        synthetic, real, held_out, size=size, fit=fit, groups=groups, table=table
    )
    with working_bar():
        make = partial(make_features, name=extractor, weights=weights, device=device)
        facts, found = examine(made, train, others, make)
    facts |= decide(found, override_reason)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "audit.json", facts)
    write_audit_page(out / "audit.html", facts, made.images, train.images, train.class_names)
    for sentence in (*facts["sentences"], *found.notes):
        print(sentence)  # noqa: T201 (the verdict, also for scripts)
    print(f"Audit: {out / 'audit.html'}")  # noqa: T201
    if not facts["released"]:
        raise typer.Exit(code=1)


def read_all(
    synthetic: str,
    real: str,
    held_out: str | None,
    *,
    size: int,
    fit: str,
    groups: str | None,
    table: Path | None,
) -> "tuple[ImageDataset, ImageDataset, ImageDataset | None]":
    """Read the three sets alike; held-out patients get numbers of their own.

    Raises:
        DataError: Something is not there or cannot be read, or the classes differ.
    """
    import numpy as np

    from equipoise.cli.console import reading_bar
    from equipoise.data.images.options import ReadOptions
    from equipoise.data.images.unlabeled import in_classes_of, read_collection

    with reading_bar() as progress:
        options = ReadOptions(size=size, fit=fit, groups=groups, progress=progress)
        loaded = read_collection(real, replace(options, table=table))
        train, others = loaded.dataset, None
        options = replace(options, channels="gray" if train.images.shape[1] == 1 else "rgb")
        if held_out is not None:
            others = in_classes_of(
                read_collection(held_out, options).dataset, train, name="held-out"
            )
            others = replace(others, groups=others.groups + train.groups.max() + 1)
        elif loaded.source_split is not None:
            learned = np.isin(loaded.source_split, ("train", ""))
            train, others = train.subset(learned), train.subset(~learned)
        made = read_collection(synthetic, replace(options, groups=None)).dataset
    return in_classes_of(made, train, name="synthetic"), train, others


def examine(
    made: "ImageDataset",
    train: "ImageDataset",
    others: "ImageDataset | None",
    make: Callable[["ImageDataset"], Any],
) -> "tuple[dict[str, Any], Audit]":
    """Audit the images, and measure their quality, with the extractor that `make` makes of all real images."""
    from equipoise.audit.quality import measure_quality
    from equipoise.audit.report import audit as compare
    from equipoise.data.dataset import concatenate

    real = train if others is None else concatenate([train, others])
    features = make(real)
    found = compare(train, others, made.images, made.labels, features)
    facts = {
        "audit": found.to_json(),
        "quality": [
            asdict(record) for record in measure_quality(real, made.images, made.labels, features)
        ],
        "files": made.ids.tolist(),
        "basis": (
            f"{len(made):,} synthetic images against {len(train):,} real ones that the generator learned from and "
            f"{len(real) - len(train):,} held-out real ones; all at {made.images.shape[-1]} pixels."
        ),
    }
    return facts, found


def make_features(real: "ImageDataset", name: str | None, weights: Path | None, device: str) -> Any:
    """Make the extractor that was asked for, or a classifier of all real images, held-out ones included.

    Held-out images take part, because a classifier that knew the training images alone would see them differently,
    which would pass for the memory of the generator.
    """
    from equipoise.arrays import value_range
    from equipoise.audit.in_domain import train_in_domain
    from equipoise.features.choosing import make_extractor

    if name == "classifier" or (name is None and (real.counts > 0).sum() > 1):
        return train_in_domain(real.images, real.labels, seed=0, device=device)
    return make_extractor(
        name or "random", weights=weights, device=device, span=value_range(real.images)
    )


def decide(found: "Audit", override: str | None) -> Mapping[str, Any]:
    """Ask the gate, and say in sentences what it decided."""
    from equipoise.audit.gate import check_release
    from equipoise.exceptions import ReleaseError

    try:
        release = check_release(found.decision, override)
    except ReleaseError:
        return {"released": False, "release": None, "sentences": list(_sentences(found, None))}
    return {
        "released": True,
        "release": asdict(release),
        "sentences": list(_sentences(found, release.override)),
    }


def _sentences(found: "Audit", override: str | None) -> Iterator[str]:
    if found.passed:
        yield "These synthetic images may be released: no near copy of a real image was found."
        if found.overall.membership is not None:
            yield "Nor do they tell who was in training."
    elif override is None:
        yield "These synthetic images should not be released."
    else:
        yield f"The audit refuses these synthetic images; they are released nevertheless: {override}"
    yield from found.reasons
    n = found.overall.n_synthetic
    yield f"Among {n:,} images, copies are noticed from a share of {found.detectable:.1%} on."
