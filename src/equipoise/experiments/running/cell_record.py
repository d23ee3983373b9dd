"""What a cell's record says of the conditions under which it was trained, and how a failure is recorded."""

import traceback
from typing import Any

from sklearn.pipeline import Pipeline

from equipoise.arrays import fingerprint
from equipoise.experiments.description import split_fingerprint
from equipoise.experiments.parameters import seeded, steps_of
from equipoise.experiments.running.environment import device_name, machine, versions
from equipoise.experiments.study import Study
from equipoise.randomness import derive_seed
from equipoise.runs.cell import Cell


def seeded_method(cell: Cell, study: Study) -> Pipeline:
    """Clone the method of a cell with its seed in every step.

    The seed is made of the cell's seed and split but not of its method: the arms of a pair start from the same
    weights and draw the same batches as far as their data allow.
    """
    return seeded(study.methods[cell.method], derive_seed("cell", cell.seed, cell.split))


def facts_of(cell: Cell, study: Study) -> dict[str, Any]:
    """Say what a cell depends on: data, settings, versions, machine."""
    import torch

    settings = steps_of(seeded_method(cell, study))
    split = split_fingerprint(study.split(cell.split), study.dataset)
    return {
        "method": cell.method,
        "split": cell.split,
        "seed": cell.seed,
        "settings": settings,
        "fingerprint": fingerprint(study.dataset.fingerprint, split, settings, versions()),
        "versions": versions(),
        "machine": machine(),
        "threads": torch.get_num_threads(),
    }


def devices_of(pipeline: Pipeline) -> str:
    """Name the devices that the steps of a method ran on."""
    asked = {step.device for _, step in pipeline.steps if hasattr(step, "device")}
    return ", ".join(sorted({device_name(device) for device in asked})) or "cpu"


def failure(cell: Cell, study: Study, error: Exception | str) -> dict[str, Any]:
    """Make the record of a cell that was not finished, from what was raised or from a sentence."""
    raised = isinstance(error, Exception)
    return {
        **facts_of(cell, study),
        "status": "failed",
        "error": str(error) or type(error).__name__,
        "error_type": type(error).__name__ if raised else "WorkerDied",
        "traceback": "".join(traceback.format_exception(error))
        if isinstance(error, Exception)
        else None,
    }
