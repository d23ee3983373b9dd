"""Generate synthetic images with a generator of a run, audited before any of them is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from equipoise import __version__
from equipoise.arrays import Images
from equipoise.atomic import JsonObject
from equipoise.audit.gate import NOT_MEASURED, NOT_TESTED, GateDecision, check_release
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.encoding import suffix_for
from equipoise.deployment.choose_generator import GeneratorChoice, load_generator, weights_of
from equipoise.deployment.synthetic_folder import (
    ClassImages,
    GenerationPlan,
    Manifest,
    ReleaseRecord,
    check_target,
    class_folders,
    write_images,
    write_refusal,
)
from equipoise.discovery import unknown
from equipoise.exceptions import DataError, ReleaseError, SettingError
from equipoise.experiments.parameters import parameters
from equipoise.randomness import derive_seed
from equipoise.runs.cell import Cell
from equipoise.runs.run import Run
from equipoise.runs.stored_splits import load_described_splits
from equipoise.training.progress import report

if TYPE_CHECKING:
    from equipoise.audit.examination import Examination
    from equipoise.resampling.base import Oversampler

ALL = "all"
MOST_IMAGES = 100_000  # of a class: all are in memory until they have been audited
BLOCK = 64  # images generated at a time
NO_AUDIT = ("No audit was made, because the real images were not given.",)
UNAUDITED = {
    "privacy": GateDecision(status=NOT_TESTED, reasons=NO_AUDIT),
    "quality": GateDecision(status=NOT_MEASURED, reasons=NO_AUDIT),
}


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """Which images are generated, and how many.

    Attributes:
        classes: Names of classes; ("all",) for every class that the generator has learned.
        n: Images of each class.
        seed: Of the random numbers, at least 0.
        override: Reason to write images that the audit refuses; None to obey it.

    Raises:
        SettingError: A number is out of range, or a class is repeated.

    Example:
        >>> GenerationRequest(classes=("pneumonia",), n=200).seed
        0
    """

    classes: Sequence[str]
    n: int
    seed: int = 0
    override: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MOST_IMAGES:
            raise SettingError(
                f"Expected 1 to {MOST_IMAGES:,} images of each class (-n), got {self.n:,}."
            )
        if self.seed < 0:
            raise SettingError(f"Expected a seed from 0, got {self.seed}.")
        if not self.classes or len(set(self.classes)) < len(self.classes):
            names = ", ".join(self.classes) or "none"
            raise SettingError(f"Expected different classes, at least one, got {names}.")


@dataclass(frozen=True, kw_only=True)
class GeneratedFolder:
    """A folder of released synthetic images.

    Attributes:
        manifest: The content of `manifest.json`.
        new: False if the folder had the same images already.
    """

    manifest: Manifest
    new: bool


def generate(
    run: Run,
    choice: GeneratorChoice,
    request: GenerationRequest,
    folder: Path,
    *,
    real: ImageDataset | None,
) -> GeneratedFolder:
    """Generate images with the generator of a cell, and write them unless the audit refuses them.

    Both privacy and quality can refuse. What could not be tested (membership with too few patients,
    quality with fewer than 20 images) refuses nothing: the manifest then says so, and that the
    release is not green. The same arguments give the same files, byte for byte.

    Args:
        run: A run on images.
        choice: Whose generator; see `choose_generator`.
        request: Which images.
        folder: Where to write; see `equipoise.deployment.synthetic_folder.check_target`.
        real: The images of the run, for the audit; None if they are not available.

    Raises:
        ReleaseError: The audit refuses the images: `folder` then has the audit and no image.
            Or there is nothing to audit with, and nothing is written.
        SettingError: An unknown class, too short a reason to override, or other files in the
            folder.
        DataError: The generator has not learned a class, is damaged, or generates images that no
            file format stores.
    """
    generator = load_generator(run, choice.cell)
    names = run.description.class_names
    labels = find_labels(generator, request.classes, names)
    plan = _plan(run, choice.cell, request, generator, [names[label] for label in labels])
    earlier = check_target(folder, plan)
    if earlier is not None:
        return GeneratedFolder(manifest=earlier, new=False)
    # Refuse before any work what would be refused after it.
    if request.override is not None:
        check_release(**UNAUDITED, override=request.override)
    elif real is None:
        raise ReleaseError(
            f"Without the real images of {run.folder} nothing can be audited, so nothing is "
            "released. Name their folder with --real IMAGES, or give a written reason with "
            "--override-reason."
        )
    folders = class_folders(names)
    classes = []
    for label in labels:
        images = make_images(generator, label, request.n, seed=request.seed, name=names[label])
        of_class = ClassImages(label=label, name=names[label], folder=folders[label], images=images)
        classes.append(of_class)
    measures: dict[str, JsonObject] | None = None
    decisions = UNAUDITED
    if real is not None:
        examined = audit_images(run, choice.cell, real, classes)
        measures = {"audit": examined.audit.to_json(), "quality": examined.quality.to_json()}
        decisions = {"privacy": examined.audit.privacy, "quality": examined.quality.decision}
    try:
        release = check_release(**decisions, override=request.override)
    except ReleaseError as error:
        write_refusal(folder, plan, measures, str(error))
        raise
    record = ReleaseRecord(
        why=choice.reason,
        audit=None if measures is None else measures["audit"],
        quality=None if measures is None else measures["quality"],
        release=release.to_json(),
    )
    return GeneratedFolder(manifest=write_images(folder, plan, record, classes), new=True)


def make_images(generator: "Oversampler", label: int, n: int, *, seed: int, name: str) -> Images:
    """Generate n images of a class, in blocks that each have their own seed.

    Image i depends on generator, seed, class and i alone: of more images, the first are the same.

    Args:
        generator: A fitted generator.
        label: The class.
        n: Number of images, at least 1.
        seed: Of the random numbers.
        name: Name of the class in progress reports.

    Returns:
        (n, c, h, w) in storage type.
    """
    blocks = []
    for start in range(0, n, BLOCK):
        report(f"images of {name}", start, n)
        block_seed = derive_seed("generate", seed, label, start)
        block = generator.generate(np.full(BLOCK, label), random_state=block_seed)
        blocks.append(block[: n - start])
    report(f"images of {name}", n, n)
    return np.concatenate(blocks)


def find_labels(
    generator: "Oversampler", classes: Sequence[str], class_names: Sequence[str]
) -> list[int]:
    """Convert names of classes, or "all", to labels that the generator has learned.

    Raises:
        SettingError: An unknown class.
        DataError: The generator has not learned it.
    """
    learned: list[int] = generator.generated_classes_.tolist()
    if not learned:
        raise DataError(
            "This generator has learned no class, because no class needed more images. "
            "Choose another method."
        )
    if tuple(classes) == (ALL,) and ALL not in class_names:
        return learned
    labels = []
    for name in classes:
        if name not in class_names:
            raise SettingError(unknown(name, [*class_names, ALL], "class"))
        label = class_names.index(name)
        if label not in learned:
            learned_names = ", ".join(class_names[label] for label in learned)
            raise DataError(
                f"This generator has not learned class '{name}', often because that is the largest "
                f"class, which needs no more images. It generates: {learned_names}."
            )
        labels.append(label)
    return labels


def audit_images(
    run: Run, cell: Cell, real: ImageDataset, classes: Sequence[ClassImages]
) -> "Examination":
    """Compare the images with the generator's training images, and with the rest of its split."""
    from equipoise.audit.examination import examine

    splits = load_described_splits(run.folder, real, run.description.splits)
    (split,) = (split for split in splits if split.name == cell.split)
    train = real.subset(split.train)
    held_out = real.subset(np.concatenate([split.validation, split.test]))
    images, labels = [], []
    for of_class in classes:
        images.append(of_class.images)
        labels.append(np.full(len(of_class.images), of_class.label))
    return examine(
        train,
        held_out,
        np.concatenate(images),
        np.concatenate(labels),
        cache=run.workspace / "features",
    )


def _plan(
    run: Run,
    cell: Cell,
    request: GenerationRequest,
    generator: "Oversampler",
    classes: Sequence[str],
) -> GenerationPlan:
    """Collect all that decides which images are generated."""
    description = run.description
    (split,) = (split for split in description.splits if split.name == cell.split)
    # Raises if no file format stores the images.
    suffix_for(np.empty((0, *generator.shape_), dtype=generator.dtype_))
    n_train = dict(zip(description.class_names, split.counts["train"], strict=True))
    return GenerationPlan(
        equipoise=__version__,
        run=description.name,
        maker=f"equipoise {__version__}, {cell.method}, seed {request.seed}",
        stem=f"synthetic-{cell.method}-{request.seed}",
        generator={
            "method": cell.method,
            "split": cell.split,
            "seed": cell.seed,
            "class": type(generator).__name__,
            "settings": parameters(generator),
            "weights_sha256": dict(weights_of(run, cell)),
        },
        request={
            "classes": list(classes),
            "n_per_class": request.n,
            "seed": request.seed,
            "override": request.override,
        },
        source={
            "fingerprint": description.dataset.fingerprint,
            "split_fingerprint": split.fingerprint,
            "training_images": dict(n_train),
        },
        images={"type": generator.dtype_.name, "shape": list(generator.shape_)},
    )
