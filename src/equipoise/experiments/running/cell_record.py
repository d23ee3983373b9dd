"""Record the conditions under which a cell is trained, and a failure."""

import traceback

from sklearn.pipeline import Pipeline

from equipoise.arrays import fingerprint
from equipoise.experiments.parameters import describe_steps, seeded
from equipoise.experiments.running.environment import device_name, machine, versions
from equipoise.experiments.study import Study
from equipoise.randomness import derive_seed
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import CellRecord, FailedCellRecord
from equipoise.runs.stored_splits import split_fingerprint


def seeded_method(cell: Cell, study: Study) -> Pipeline:
    """Clone the method of a cell with its seed in every step.

    The seed is derived from the cell's seed and split but not from its method: the arms of a pair
    start from the same weights and draw the same batches as far as their data allow.
    """
    return seeded(study.methods[cell.method], derive_seed("cell", cell.seed, cell.split))


def conditions(cell: Cell, study: Study) -> CellRecord:
    """Record what a cell is trained on: data, settings, versions, machine."""
    import torch

    steps = describe_steps(seeded_method(cell, study))
    split = split_fingerprint(study.split(cell.split), study.dataset)
    settings = [step.to_json() for step in steps]
    return CellRecord(
        cell=cell,
        steps=steps,
        fingerprint=fingerprint(study.dataset.fingerprint, split, settings, versions()),
        versions=versions(),
        machine=machine(),
        threads=torch.get_num_threads(),
    )


def devices_of(pipeline: Pipeline) -> str:
    """Name the devices that the steps of a method ran on, separated by commas."""
    devices = {device_name(step.device) for _, step in pipeline.steps if hasattr(step, "device")}
    return ", ".join(sorted(devices)) or "cpu"


def failure(cell: Cell, study: Study, error: Exception | str) -> FailedCellRecord:
    """Record a cell that was not finished because of an exception, or for a reason in words."""
    if isinstance(error, Exception):
        message = str(error) or type(error).__name__
        error_type = type(error).__name__
        trace = "".join(traceback.format_exception(error))
    else:
        message, error_type, trace = error, "WorkerDied", None
    return FailedCellRecord(
        **vars(conditions(cell, study)), error=message, error_type=error_type, traceback=trace
    )
