"""New synthetic images from a generator of a run, audited before any of them is written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equipoise import __version__
from equipoise.arrays import Images, value_range
from equipoise.audit.gate import GateDecision, check_release
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.encoding import suffix_for
from equipoise.data.splits import load_splits
from equipoise.deployment.choose_generator import Choice, load_generator, weights_of
from equipoise.deployment.synthetic_folder import (
    Part,
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
from equipoise.runs.store import RunStore
from equipoise.training.progress import report

if TYPE_CHECKING:
    from equipoise.audit.report import Audit
    from equipoise.resampling.base import Oversampler


ALL = "all"
BLOCK = 64  # images made at a time


def make_images(generator: "Oversampler", label: int, n: int, *, seed: int, name: str) -> Images:
    """Make n images of one class, (n, c, h, w) in storage type; `name` says in reports of progress what it is.

    They are made in blocks that each have a seed of their own, so that image i depends on generator, seed, class
    and i alone: asked for more of them, the first stay the same.
    """
    blocks = []
    for start in range(0, n, BLOCK):
        report(f"images of {name}", start, n)
        block = generator.generate(
            np.full(BLOCK, label), seed=derive_seed("generate", seed, label, start)
        )
        blocks.append(block[: n - start])
    report(f"images of {name}", n, n)
    return np.concatenate(blocks)


def find_labels(generator: "Oversampler", asked: Sequence[str], names: Sequence[str]) -> list[int]:
    """Turn names of classes, or "all", into labels that the generator learned.

    Raises:
        SettingError: No such class.
        DataError: The generator did not learn it.
    """
    learned: list[int] = generator.generated_classes_.tolist()
    if not learned:
        raise DataError(
            "This generator learned nothing, because no class had to grow. Choose another method."
        )
    if tuple(asked) == (ALL,) and ALL not in names:
        return learned
    for name in asked:
        if name not in names:
            raise SettingError(unknown(name, [*names, ALL], "class"))
        if names.index(name) not in learned:
            known = ", ".join(names[label] for label in learned)
            raise DataError(
                f"This generator did not learn to make images of class '{name}', often because that is the largest "
                f"and had not to grow. It makes: {known}."
            )
    return [names.index(name) for name in asked]


UNAUDITED = GateDecision(
    passed=False, reasons=("No audit was made, because the real images were not given.",)
)
NO_AUDIT = (
    "Without the real images of {} nothing can be audited, so nothing is released. Say where they are with --real "
    "IMAGES, or give a written reason with --override-reason."
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked for.

    Attributes:
        classes: Names of classes; ("all",) for every one that the generator learned.
        n: Images of each.
        seed: Of their chance, from 0.
        override: Why images may be written that the audit does not release; None to obey it.

    Raises:
        SettingError: A number is out of range, or a class is named twice.
    """

    classes: Sequence[str]
    n: int
    seed: int = 0
    override: str | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise SettingError(f"Expected at least 1 image of each class (-n), got {self.n}.")
        if self.seed < 0:
            raise SettingError(f"Expected a seed from 0, got {self.seed}.")
        if not self.classes or len(set(self.classes)) < len(self.classes):
            got = ", ".join(self.classes) or "none"
            raise SettingError(f"Expected different classes, at least one, got {got}.")


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What lies in the folder now.

    Attributes:
        manifest: As in `manifest.json`.
        new: False where the folder held the same images already.
    """

    manifest: dict[str, Any]
    new: bool


def generate(
    store: RunStore, choice: Choice, order: Order, folder: Path, *, real: ImageDataset | None
) -> Generated:
    """Make images with the generator of a cell and write them, if the audit releases them.

    The same arguments give the same files, byte for byte.

    Args:
        store: Folder of the run.
        choice: Whose generator; see `choose_generator`.
        order: What is asked for.
        folder: Where to; see `equipoise.deployment.synthetic_folder.check_target`.
        real: The images of the run, for the audit; None where nobody has them.

    Raises:
        ReleaseError: The audit does not release the images: `folder` then holds what it found and no image. Or
            there was nothing to audit with, and nothing is written.
        SettingError: A class is unknown, the override's reason is none, or the folder holds other files.
        DataError: The generator never learned a class, is damaged, or makes images that no file keeps.
    """
    generator = load_generator(store, choice.cell)
    names = tuple(store.study()["dataset"]["class_names"])
    labels = find_labels(generator, order.classes, names)
    plan = _plan(store, choice.cell, order, generator, [names[label] for label in labels])
    if (former := check_target(folder, plan)) is not None:
        return Generated(manifest=former, new=False)
    _refuse_early(store, order, real)
    parts = [_part(generator, label, names, order) for label in labels]
    found = None if real is None else _audit(store, choice.cell, real, parts)
    judged = {"why": choice.reason, **_decide(found, order, plan, folder)}
    return Generated(manifest=write_images(folder, plan, judged, parts), new=True)


def _refuse_early(store: RunStore, order: Order, real: ImageDataset | None) -> None:
    """Refuse before any work what would be refused after it."""
    if order.override is not None:
        check_release(UNAUDITED, order.override)
    elif real is None:
        raise ReleaseError(NO_AUDIT.format(store.folder))


def _part(generator: "Oversampler", label: int, names: Sequence[str], order: Order) -> Part:
    images = make_images(generator, label, order.n, seed=order.seed, name=names[label])
    return Part(label=label, name=names[label], folder=class_folders(names)[label], images=images)


def _decide(
    found: "Audit | None", order: Order, plan: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """Release or refuse; what was found is written where no image will be."""
    facts = None if found is None else found.to_json()
    try:
        release = check_release(UNAUDITED if found is None else found.decision, order.override)
    except ReleaseError as error:
        write_refusal(folder, {"audit": facts, "plan": plan}, str(error))
        raise
    return {"audit": facts, "release": asdict(release)}


def _audit(store: RunStore, cell: Cell, real: ImageDataset, parts: Sequence[Part]) -> "Audit":
    """Compare the images with those that the generator learned from, and with the others of its split."""
    from equipoise.audit.report import audit
    from equipoise.evidence.kinds.memorization import (
        EXTRACTOR,  # the report and the gate must agree
    )
    from equipoise.features.choosing import make_extractor

    split = next(
        one for one in load_splits(store.folder / "splits.json", real) if one.name == cell.split
    )
    train = real.subset(split.train)
    return audit(
        train,
        real.subset(np.concatenate([split.validation, split.test])),
        np.concatenate([part.images for part in parts]),
        np.repeat([part.label for part in parts], [len(part.images) for part in parts]),
        make_extractor(EXTRACTOR, span=value_range(train.images)),
        cache=store.workspace / "features",
    )


def _plan(
    store: RunStore, cell: Cell, order: Order, generator: "Oversampler", classes: Sequence[str]
) -> dict[str, Any]:
    """Write down all that decides which images come out."""
    asked = store.study()
    split = next(split for split in asked["splits"] if split["name"] == cell.split)
    suffix_for(
        np.empty((0, *generator.shape_), dtype=generator.dtype_)
    )  # refuses what no file keeps
    return {
        "equipoise": __version__,
        "run": asked["name"],
        "maker": f"equipoise {__version__}, {cell.method}, seed {order.seed}",
        "stem": f"synthetic-{cell.method}-{order.seed}",
        "generator": {
            "method": cell.method,
            "split": cell.split,
            "seed": cell.seed,
            "class": type(generator).__name__,
            "settings": parameters(generator),
            "weights_sha256": weights_of(store, cell),
        },
        "request": {
            "classes": classes,
            "n_per_class": order.n,
            "seed": order.seed,
            "override": order.override,
        },
        "source": {
            "fingerprint": asked["dataset"]["fingerprint"],
            "command": asked["facts"].get("command"),
            "split_fingerprint": split["fingerprint"],
            "training_images": dict(
                zip(asked["dataset"]["class_names"], split["counts"]["train"], strict=True)
            ),
        },
        "images": {"type": generator.dtype_.name, "shape": generator.shape_},
    }
