"""Segment new cases with the networks of a run."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Volume
from equipoise.data.volumes.options import RawCase
from equipoise.data.volumes.preparing import prepare, uncropped
from equipoise.deployment.classify import Ensemble
from equipoise.deployment.label_maps import LabelMap, run_scheme
from equipoise.discovery import pick
from equipoise.exceptions import DataError
from equipoise.runs.cell import Cell
from equipoise.runs.run import Run
from equipoise.training.progress import report

if TYPE_CHECKING:
    from equipoise.estimators.cascade import CascadeSegmenter
    from equipoise.estimators.segmenter import Segmenter

AnySegmenter: TypeAlias = "Segmenter | CascadeSegmenter"


def segment_case(run: Run, ensemble: Ensemble, case: RawCase) -> LabelMap:
    """Average the probabilities of the networks of an ensemble on a case; the largest one decides.

    The label file of the case is not read. Nothing of the case is stored.

    Args:
        run: A run on volumes.
        ensemble: Which networks; see `choose_segmenters` and `leave_out_trained`.
        case: Its files; it needs the modalities of the run, and may have others.

    Raises:
        DataError: A modality is missing, the files of the case are not as expected, or a network is
            damaged.
    """
    dataset = run.description.volumes
    scheme = run_scheme(dataset)
    missing = [name for name in dataset.modalities if name not in case.images]
    if missing:
        raise DataError(
            f"Expected case {case.id} with the modalities {', '.join(dataset.modalities)} of this "
            f"run, got {', '.join(case.images) or 'no image'}. Add {' and '.join(missing)}; the "
            f"name of a file says what it is (such as {missing[0].lower()}.nii.gz)."
        )
    with TemporaryDirectory() as name:
        unlabeled = replace(case, label_file=None)
        folder = Path(name, "case")
        volume = prepare(unlabeled, scheme, dataset.modalities, folder, n4=bool(dataset.n4))
        record = volume.record
        codes = predict_codes(run, ensemble, volume)
    # Class codes, not label values: the map is stored as codes.
    whole = uncropped(codes, replace(record, values=tuple(range(len(scheme.values)))))
    return LabelMap(
        codes=whole,
        scheme=scheme,
        geometry=record.geometry,
        reference=case.images[dataset.modalities[0]],
    )


def load_segmenter(run: Run, cell: Cell) -> AnySegmenter:
    """Load the segmenter of a finished cell, of either class.

    Raises:
        DataError: It is missing or damaged.
    """
    from equipoise.estimators import cascade, segmenter
    from equipoise.training.persistence import read_kind

    folder = run.path(cell) / "segmenter"
    kind = read_kind(folder / "model.json", "segmenter")
    kinds: dict[str, type[AnySegmenter]] = {
        segmenter.KIND: segmenter.Segmenter,
        cascade.KIND: cascade.CascadeSegmenter,
    }
    return pick(kinds, kind, "kind of segmenter").load(folder)


def predict_codes(run: Run, ensemble: Ensemble, volume: Volume) -> NDArray[np.uint8]:
    """Predict the codes (z, y, x) of a prepared case.

    Cascades call a voxel tumor from the mean of their thresholds on.
    """
    from equipoise.estimators.cascade import CascadeSegmenter

    images = np.load(volume.folder / "images.npy", allow_pickle=False)
    mask = np.load(volume.folder / "mask.npy", allow_pickle=False).astype(bool)
    total = np.zeros((len(volume.counts), *volume.shape), dtype=np.float32)
    thresholds: list[float] = []
    for i, cell in enumerate(ensemble.cells):
        report(f"{volume.id}: {cell}", i, len(ensemble.cells))
        segmenter = load_segmenter(run, cell)
        total += segmenter.probabilities(images, mask)
        if isinstance(segmenter, CascadeSegmenter):
            thresholds.append(segmenter.theta_)
    report(volume.id, len(ensemble.cells), len(ensemble.cells))
    if not thresholds:
        return np.asarray(total.argmax(axis=0), dtype=np.uint8)
    # Sums on both sides: the mean of the probabilities against the mean of the thresholds.
    tumor = mask & (total[1:].sum(axis=0) >= sum(thresholds))
    return np.where(tumor, 1 + total[1:].argmax(axis=0), 0).astype(np.uint8)
