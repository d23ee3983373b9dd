"""What a study compares, in lines that are printed before anything trains."""

from collections.abc import Iterable, Sequence

import numpy as np

from equipoise.arrays import Rows
from equipoise.data.dataset import ImageDataset
from equipoise.data.duplicates import Duplicates
from equipoise.data.images import listing
from equipoise.data.images.options import Loaded
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes import loading
from equipoise.experiments.image_plan import positive_class_sentence
from equipoise.experiments.protocol import BFLOAT16
from equipoise.experiments.study import NEW, OWN, Study

MOST_CLASSES = 30  # that are listed
NO_PATIENTS = (listing.NO_PATIENTS, loading.NO_PATIENTS)
N_NAMED = 3  # conflicts and files that are named


def study_lines(study: Study) -> list[str]:
    r"""Return what was read, its classes, splits, copies and notes, a line for each.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> from equipoise.data.splits import hold_out
        >>> from equipoise.experiments.methods.catalogue import build_methods
        >>> from equipoise.experiments.protocol import Budget
        >>> dataset = cells((30, 12), size=32)
        >>> study = Study(
        ...     name="cells",
        ...     dataset=dataset,
        ...     splits=hold_out(dataset, n_splits=2),
        ...     methods=build_methods(["none"], Budget()),
        ...     seeds=(0,),
        ... )
        >>> print(*study_lines(study)[:4], sep="\n")
        Read: 42 images of 17 patients, 32 x 32 px, 3 channels.
          class     images  patients
          normal        30        12
          abnormal      12         5
    """
    notes = list(study.facts.get("notes", ()))
    are_known = not any(note in NO_PATIENTS for note in notes)
    if isinstance(study.dataset, ImageDataset):
        lines = image_lines(study, study.dataset, patients_are_known=are_known)
    else:
        lines = volume_lines(study.dataset, patients_are_known=are_known)
    lines.append(split_line(study, patients_are_known=are_known))
    if study.duplicates is not None:
        lines += copies_lines(study.images, study.duplicates)
    lines += precision_lines(study)
    return lines + note_lines(notes, study.facts.get("skipped", ()))


def loaded_lines(loaded: Loaded, *, decoded: bool = True) -> list[str]:
    """Return what was read, before a study is planned: classes, files left out and notes.

    Args:
        loaded: The images.
        decoded: Whether they have pixels, so that their size is known.
    """
    are_known = not any(note in NO_PATIENTS for note in loaded.notes)
    lines = class_lines(loaded.dataset, patients_are_known=are_known, decoded=decoded)
    return lines + note_lines(loaded.notes, loaded.skipped)


def note_lines(notes: Sequence[str], skipped: Sequence[str]) -> list[str]:
    """Return the files that could not be read, and the notes, those on patients first."""
    lines = []
    if skipped:
        lines.append(f"Not read ({len(skipped):,}): {'; '.join(skipped[:N_NAMED])}")
    return lines + [
        f"Note: {note}" for note in sorted(notes, key=lambda note: note not in NO_PATIENTS)
    ]


def image_lines(study: Study, dataset: ImageDataset, *, patients_are_known: bool) -> list[str]:
    """Return how many images there are, of which classes, and which is the positive one."""
    lines = class_lines(dataset, patients_are_known=patients_are_known)
    return [*lines, positive_class_sentence(study)]


def class_lines(
    dataset: ImageDataset, *, patients_are_known: bool, decoded: bool = True
) -> list[str]:
    """Return how many images there are, and of which classes."""
    channels, height, width = dataset.images.shape[1:]
    size = f"{width} x {height} px, {channels} channel{'s' * (channels > 1)}"
    patients = n_patients(dataset, slice(None)) if patients_are_known else "unknown patients"
    first = f"Read: {len(dataset):,} images of {patients}, {size}."
    if not decoded:
        first = f"Listed: {len(dataset):,} images of {patients}."
    rows: list[tuple[str, ...]] = [("class", "images", "patients")]
    for label, name in enumerate(dataset.class_names[:MOST_CLASSES]):
        n = len(np.unique(dataset.groups[dataset.labels == label]))
        rows.append((name, f"{dataset.counts[label]:,}", f"{n:,}" if patients_are_known else "?"))
    return [first, *aligned(rows)]


def volume_lines(dataset: VolumeDataset, *, patients_are_known: bool) -> list[str]:
    """Return how many cases there are, and in how many of them each class occurs."""
    names = ", ".join(dataset.modalities)
    patients = n_patients(dataset, slice(None)) if patients_are_known else "unknown patients"
    first = f"Read: {len(dataset):,} cases of {patients}, with {names}."
    rows: list[tuple[str, ...]] = [("class", "cases", "voxels")]
    for name, voxels in zip(dataset.class_names, dataset.table.T, strict=True):
        rows.append((name, f"{np.count_nonzero(voxels):,}", f"{voxels.sum():,}"))
    return [first, *aligned(rows)]


def split_line(study: Study, *, patients_are_known: bool) -> str:
    """Return where the splits come from, and how large the parts of the first one are."""
    splits, dataset = study.splits, study.dataset
    of_images = isinstance(dataset, ImageDataset)
    n = f"{len(splits)} {'split' if of_images else 'fold'}{'s' * (len(splits) > 1)}"
    unit = "patient" if patients_are_known else "image" if of_images else "case"
    origin = {
        OWN: "that of the source (--new-splits draws others)",
        NEW: f"new, {n} by {unit}",
        "": n,
    }[study.split_origin]
    parts = []
    for part in ("train", "validation", "test"):
        rows = getattr(splits[0], part)
        patients = f" ({n_patients(dataset, rows)})" if patients_are_known else ""
        parts.append(f"{part} {len(rows):,}{patients}")
    return f"Split: {origin}; {splits[0].name}: {', '.join(parts)}."


def copies_lines(dataset: ImageDataset, duplicates: Duplicates) -> list[str]:
    """Return how many copies there are, and by name those with different labels."""
    lines = []
    if len(duplicates.pairs):
        n_exact, n_near = len(duplicates.exact), len(duplicates.near)
        lines.append(f"Copies: {n_exact:,} exact and {n_near:,} near pairs of the same image.")
    conflicts = []
    for pair in duplicates.conflicting:
        images = []
        for row in pair:
            images.append(f"{dataset.ids[row]} ({dataset.class_names[dataset.labels[row]]})")
        conflicts.append(" = ".join(images))
    if conflicts:
        more = f" and {len(conflicts) - N_NAMED:,} more" if len(conflicts) > N_NAMED else ""
        lines.append(
            f"Label conflicts ({len(conflicts):,}), copies of an image with different labels: "
            f"{'; '.join(conflicts[:N_NAMED])}{more}. One of the labels is wrong: correct it."
        )
    return lines


def precision_lines(study: Study) -> list[str]:
    """Return the line on what is trained in bfloat16; none where no network is trained."""
    precisions: dict[str, str] = {}  # of each network that classifies, and each method's generator
    for method, pipeline in study.methods.items():
        for _, step in pipeline.steps:
            params = step.get_params(deep=True)
            for key, value in params.items():
                of_step = key.split("__")[-1] == "precision" and not key.startswith("judge")
                if of_step:
                    precisions.setdefault(str(params.get("network", method)), value)
    in_bfloat16 = [name for name, precision in precisions.items() if precision == BFLOAT16]
    if not precisions:
        return []
    if not in_bfloat16:
        return ["Precision: float32."]
    rest = "; float32 for the rest" if len(in_bfloat16) < len(precisions) else ""
    return [f"Precision: bfloat16 for {', '.join(in_bfloat16)}{rest}."]


def n_patients(dataset: ImageDataset | VolumeDataset, rows: Rows | slice) -> str:
    """Return the number of patients of some rows, in words."""
    n = len(np.unique(dataset.groups[rows]))
    return f"{n:,} patient{'s' * (n != 1)}"


def aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Yield the lines of a small table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        for cell, width in zip(others, widths[1:], strict=True):
            cells.append(cell.rjust(width))
        yield "  " + "  ".join(cells)
