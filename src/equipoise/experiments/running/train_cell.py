"""Train and store a cell, whatever its study is about."""

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.experiments.running.cell_record import failure
from equipoise.experiments.running.fit_classifier import fit_cell
from equipoise.experiments.running.fit_segmenter import segment_cell
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.store import RunStore
from equipoise.training.progress import Listener


def finish(cell: Cell, study: Study, store: RunStore, listener: Listener) -> None:
    """Train and store a cell, or store why that failed."""
    fit = segment_cell if isinstance(study.dataset, VolumeDataset) else fit_cell
    try:
        store.write(cell, fit(cell, study, store.workspace, listener))
    except Exception as error:  # noqa: BLE001 (one bad cell must not end a study of days; it is stored and shown)
        store.write_failure(cell, failure(cell, study, error))
