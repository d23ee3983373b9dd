"""The command `audit`: may synthetic images, whatever generator made them, be released?"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli import reading_options as reading
from equipoise.cli import training_options as training
from equipoise.cli.places import check_out
from equipoise.cli.voice import answer, conclude, say
from equipoise.exceptions import DataError

if TYPE_CHECKING:
    from equipoise.audit.gate import Release
    from equipoise.audit.quality import QualityAudit
    from equipoise.audit.report import Audit
    from equipoise.data.dataset import ImageDataset
    from equipoise.data.images.options import ReadOptions
    from equipoise.features.base import Extractor
    from equipoise.report.audit_page import AuditResult

READING, FEATURES, OUTPUT = "Reading images", "Features", "Output"
SMALL = "were enlarged"  # in a note of the reader about files smaller than --size

Synthetic = Annotated[
    str,
    typer.Argument(
        help="Synthetic images: folder of class folders; where the real images have one class, "
        "also a folder of images.",
        show_default=False,
    ),
]
Real = Annotated[
    str,
    typer.Option(
        help="The real images that their generator learned from. If they come with a split, its "
        "training part.",
        rich_help_panel=READING,
        show_default=False,
    ),
]
HeldOut = Annotated[
    str | None,
    typer.Option(
        help="Real images of other patients, which the generator never saw.",
        rich_help_panel=READING,
        show_default="validation and test of --real, if it comes with a split",
    ),
]
ExtractorName = Annotated[
    str | None,
    typer.Option(
        help="Feature extractor; see: equipoise list extractors.",
        rich_help_panel=FEATURES,
        show_default="'random', an untrained network, as `generate` and the report have it",
    ),
]
Weights = Annotated[
    Path | None, typer.Option(help="File of the extractor's weights.", rich_help_panel=FEATURES)
]
Out = Annotated[
    Path, typer.Option(help="Folder for audit.json and audit.html.", rich_help_panel=OUTPUT)
]
Size = Annotated[
    int,
    typer.Option(
        help="Side of the square images in pixels; all are resized to it.",
        rich_help_panel=reading.DATA,
    ),
]
Override = Annotated[
    str | None,
    typer.Option(
        "--override-reason",
        help="Release although the audit does not clear the images; stored in audit.json.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]

SIDE = 64  # pixels


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    example = "equipoise audit synthetic/ --real films/train --held-out films/test"
    app.command(epilog=f"Example: [bold]{example}[/]")(audit)


def audit(
    synthetic: Synthetic,
    *,
    real: Real,
    held_out: HeldOut = None,
    size: Size = SIDE,
    fit: reading.Fit = "pad",
    groups: reading.Groups = None,
    table: reading.Table = None,
    label_column: reading.LabelColumn = None,
    path_column: reading.PathColumn = None,
    group_column: reading.GroupColumn = None,
    split_column: reading.SplitColumn = None,
    ignore: reading.Ignore = None,
    follow_links: reading.FollowLinks = False,
    extractor: ExtractorName = None,
    weights: Weights = None,
    device: training.Device = "auto",
    out: Out = Path("audit"),
    override_reason: Override = None,
) -> None:
    """May synthetic images be released? Privacy and quality, beside real images.

    Privacy: no copies of real images, and no traces of who was in training, which needs held-out
    images. Quality: as hard to distinguish from real images as the rule demands. Exits with 0 only
    if both passed (or with a reason to override), with 1 if one is refused or was not tested.
    """
    from equipoise.atomic import make_folder, write_json
    from equipoise.audit.gate import check_reason
    from equipoise.cli.bars import working_bar
    from equipoise.data.images.options import ReadOptions
    from equipoise.report.audit_page import write_audit_page

    check_reason(override_reason)
    check_out(out, synthetic, real, held_out)
    options = ReadOptions(
        size=size, fit=fit, groups=groups, ignore=tuple(ignore or ()), follow_links=follow_links
    )
    options_of_real = replace(
        options,
        table=table,
        label_column=label_column,
        path_column=path_column,
        group_column=group_column,
        split_column=split_column,
    )
    images = read_images(synthetic, real, held_out, options, options_of_real)
    with working_bar():
        features, notes = make_features(images.real, extractor, weights, device)
        notes = (*images.notes, *notes)
        result = examine(images, features, device, override_reason, notes)
    make_folder(out)
    write_json(out / "audit.json", result.to_json())
    train = images.train
    page = out / "audit.html"
    write_audit_page(page, result, images.synthetic.images, train.images, train.class_names)
    for sentence in (*result.sentences, *result.notes):
        say(sentence)
    conclude(f"Audit: {page}")
    answer(lambda: {**result.to_json(), "page": page})
    if not result.released:
        raise typer.Exit(code=1)


@dataclass(frozen=True)
class AuditImages:
    """The images of an audit, all read in the same way.

    Attributes:
        synthetic: Synthetic images, in the classes of the real ones.
        train: Real images that the generator learned from.
        held_out: Real images of other patients; None where there are none.
        notes: What was left out and converted when files were read.
    """

    synthetic: "ImageDataset"
    train: "ImageDataset"
    held_out: "ImageDataset | None"
    notes: tuple[str, ...] = ()

    @property
    def real(self) -> "ImageDataset":
        """All real images, those of the training first."""
        from equipoise.data.dataset import concatenate

        if self.held_out is None:
            return self.train
        return concatenate([self.train, self.held_out])


def read_images(
    synthetic: str,
    real: str,
    held_out: str | None,
    options: "ReadOptions",
    options_of_real: "ReadOptions",
) -> AuditImages:
    """Read the three sets; training and held-out patients differ in codes.

    Args:
        synthetic: The synthetic images.
        real: The real ones.
        held_out: Real ones that no generator was trained on; those of the own split where None.
        options: How to read.
        options_of_real: How to read the real ones: the same, with their table.

    Raises:
        DataError: A source does not exist or cannot be read, or classes or depths differ.
    """
    import numpy as np

    from equipoise.cli.bars import reading_bar
    from equipoise.data.images.unlabeled import in_classes_of, read_collection

    with reading_bar() as progress:
        options = replace(options, progress=progress)
        loaded = {"real": read_collection(real, replace(options_of_real, progress=progress))}
        train, held_out_set = loaded["real"].dataset, None
        split = loaded["real"].source_split
        options = replace(options, channels="gray" if train.images.shape[1] == 1 else "rgb")
        if held_out is not None:
            loaded["held-out"] = read_collection(held_out, options)
            check_depth(loaded["held-out"].dataset, train, name="held-out")
            held_out_set = in_classes_of(loaded["held-out"].dataset, train, name="held-out")
            held_out_set = replace(
                held_out_set, groups=held_out_set.groups + train.groups.max() + 1
            )
        elif split is not None and np.isin(split, ("validation", "test")).any():
            in_training = np.isin(split, ("train", ""))
            train, held_out_set = train.subset(in_training), train.subset(~in_training)
        loaded["synthetic"] = read_collection(synthetic, replace(options, groups=None))
    check_depth(loaded["synthetic"].dataset, train, name="synthetic")
    notes = []
    for name, part in loaded.items():
        notes += [f"{name.capitalize()} images: {note}" for note in (*part.notes, *part.skipped)]
    if any(SMALL in note for note in notes):
        notes.append(f"All were compared at {options.size} px; choose another side with --size.")
    matched = in_classes_of(loaded["synthetic"].dataset, train, name="synthetic")
    return AuditImages(matched, train, held_out_set, tuple(notes))


def check_depth(dataset: "ImageDataset", reference: "ImageDataset", *, name: str) -> None:
    """Check that images have the depth of the real ones: nothing says which scale is right.

    Raises:
        DataError: They do not.
    """
    depth, expected = dataset.images.dtype, reference.images.dtype
    if depth != expected:
        raise DataError(
            f"Expected {name} images of the depth of the real ones, "
            f"{8 * expected.itemsize} bits ({expected}), got {8 * depth.itemsize} bits ({depth}). "
            "Convert one of the two, with the same scale as the other."
        )


def make_features(
    real: "ImageDataset", name: str | None, weights: Path | None, device: str
) -> "tuple[Extractor | None, tuple[str, ...]]":
    """Return the requested feature extractor; None for the untrained network of all commands.

    A classifier is trained on all real images, the held-out ones too: one of the training images
    alone would treat them differently, which would pass for a memory of the generator.

    Returns:
        The extractor, and a note if the classifier learned nothing and is replaced.
    """
    from equipoise.arrays import value_range
    from equipoise.audit.examination import EXTRACTOR
    from equipoise.audit.in_domain import train_in_domain
    from equipoise.audit.label_fidelity import learned_nothing
    from equipoise.features.choosing import make_extractor

    notes: tuple[str, ...] = ()
    if name is None and weights is None:
        return None, notes
    if name == "classifier":
        classifier = train_in_domain(real.images, real.labels, seed=0, device=device)
        reason = learned_nothing(real, classifier)
        if not reason:
            return classifier, notes
        notes = (
            "The classifier of the real images is not used as feature extractor, a random network "
            f"is: {reason}",
        )
        return None, notes
    name = name or EXTRACTOR  # which has no weights: refused
    extractor = make_extractor(name, weights=weights, device=device, span=value_range(real.images))
    return extractor, notes


def examine(
    images: AuditImages,
    features: "Extractor | None",
    device: str,
    override: str | None,
    notes: tuple[str, ...],
) -> "AuditResult":
    """Compare the images, measure their quality, and let the gate decide."""
    from equipoise.audit.examination import examine as examine_images
    from equipoise.audit.gate import check_release
    from equipoise.exceptions import ReleaseError
    from equipoise.report.audit_page import AuditResult

    synthetic, train, real = images.synthetic, images.train, images.real
    examined = examine_images(
        train,
        images.held_out,
        synthetic.images,
        synthetic.labels,
        features=features,
        device=device,
    )
    audit, quality = examined.audit, examined.quality
    release: Release | None = None
    with suppress(ReleaseError):
        release = check_release(audit.privacy, quality.decision, override)
    return AuditResult(
        audit=audit,
        quality=quality,
        files=synthetic.ids.tolist(),
        basis=(
            f"{len(synthetic):,} synthetic images were compared with {len(train):,} real images "
            f"that their generator learned from and {len(real) - len(train):,} held-out real "
            f"images, all at {synthetic.images.shape[-1]} pixels."
        ),
        release=release,
        notes=[*notes, *audit.notes, *quality.notes],
        sentences=list(verdict(audit, quality, None if release is None else release.override)),
    )


def verdict(audit: "Audit", quality: "QualityAudit", override: str | None) -> Iterator[str]:
    """Yield the sentences of the verdict; `override` is the reason for releasing nevertheless."""
    from equipoise.audit.gate import headline
    from equipoise.audit.quality_gate import decide_quality

    yield headline(audit.privacy, quality.decision)
    if override is not None:
        yield f"The audit does not clear these images; they are released nevertheless: {override}"
    yield f"Privacy {audit.privacy.status}. {' '.join(audit.privacy.reasons)}"
    yield f"Quality {quality.decision.status}. {' '.join(quality.decision.reasons)}"
    if len(quality.classes) > 1:
        statuses = []
        for row in quality.classes:
            statuses.append(f"{row.name} {decide_quality(row.name, row.findings).status}")
        yield f"Quality by class: {', '.join(statuses)}."
