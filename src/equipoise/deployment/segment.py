"""Segment new cases with the networks that a run kept."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import read_json
from equipoise.data.volume_dataset import Volume
from equipoise.data.volumes.options import RawCase
from equipoise.data.volumes.preparing import prepare, uncropped
from equipoise.deployment.classify import Panel
from equipoise.deployment.label_maps import LabelMap, run_scheme
from equipoise.discovery import pick
from equipoise.exceptions import DataError
from equipoise.runs.cell import Cell
from equipoise.runs.store import RunStore
from equipoise.training.progress import report


def segment_case(store: RunStore, panel: Panel, case: RawCase) -> LabelMap:
    """Average the probabilities of the networks of a panel on a case, and take the largest.

    A label file is not looked at. Nothing of the case is kept.

    Args:
        store: Folder of the run.
        panel: Which networks; see `choose_segmenters` and `leave_out_trained`.
        case: Its files; it needs the run's modalities, and may have others.

    Raises:
        DataError: A modality is missing, the files of the case are not as expected, or a network is damaged.
    """
    asked = store.study()["dataset"]
    scheme = run_scheme(asked)
    _check_modalities(case, asked["modalities"])
    with TemporaryDirectory() as name:
        unlabeled = replace(case, label_file=None)
        volume = prepare(
            unlabeled,
            scheme,
            asked["modalities"],
            Path(name, "case"),
            n4=bool(asked.get("n4", False)),
        )
        record, codes = volume.record, _vote(store, panel, volume)
    whole = uncropped(codes, replace(record, values=tuple(range(len(scheme.values)))))
    return LabelMap(codes=whole, scheme=scheme, geometry=record.geometry)


def load_segmenter(store: RunStore, cell: Cell) -> Any:
    """Load the segmenter of a finished cell, of whatever kind.

    Raises:
        DataError: It is not there, or lies outside of the run.
    """
    from equipoise.estimators import cascade, segmenter

    folder = store.path(cell) / "segmenter"
    if not folder.resolve().is_relative_to(store.folder.resolve()):
        raise DataError(
            f"Expected the segmenter of '{cell}' inside {store.folder}, it lies elsewhere: {folder}."
        )
    if not (folder / "model.json").is_file():
        raise DataError(
            f"Expected the segmenter of '{cell}' in {folder}, found none. Run the study again."
        )
    kinds: dict[str, Any] = {
        segmenter.KIND: segmenter.Segmenter,
        cascade.KIND: cascade.CascadeSegmenter,
    }
    return pick(kinds, read_json(folder / "model.json")["kind"], "kind of segmenter").load(folder)


def _check_modalities(case: RawCase, modalities: list[str]) -> None:
    if missing := [name for name in modalities if name not in case.images]:
        raise DataError(
            f"Case {case.id} has no {' and no '.join(missing)}, on which the networks of this run rest; it has "
            f"{', '.join(case.images) or 'no image'}. Add the file; the name of a file says what it is "
            f"(such as {missing[0].lower()}.nii.gz)."
        )


def _vote(store: RunStore, panel: Panel, volume: Volume) -> NDArray[np.uint8]:
    """Give the codes (z, y, x) of a prepared case; a cascade's tumor begins at the mean of its thresholds."""
    images = np.load(volume.folder / "images.npy", allow_pickle=False)
    mask = np.load(volume.folder / "mask.npy", allow_pickle=False).astype(bool)
    total = np.zeros((len(volume.counts), *volume.shape), dtype=np.float32)
    theta: float | None = None
    for i, cell in enumerate(panel.cells):
        report(f"{volume.id}: {cell}", i, len(panel.cells))
        segmenter = load_segmenter(store, cell)
        total += segmenter.probabilities(images, mask)
        if (own := getattr(segmenter, "theta_", None)) is not None:
            theta = (theta or 0.0) + own
    report(volume.id, len(panel.cells), len(panel.cells))
    if theta is None:
        return np.asarray(total.argmax(axis=0), dtype=np.uint8)
    found = mask & (total[1:].sum(axis=0) >= theta)
    return np.where(found, 1 + total[1:].argmax(axis=0), 0).astype(np.uint8)
