from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.exceptions import CrowdedDeviceError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running import train_cell
from equipoise.experiments.running.cell_record import conditions
from equipoise.experiments.running.device_memory import NOTE, fit_on_device, piece_sizes
from equipoise.experiments.running.train_cell import StudyTask
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord, ImageCellRecord
from equipoise.runs.outcome import Outcome
from equipoise.runs.store import RunStore

CELL = Cell("none", "split-0", 0)


class SmallGPU:
    """Fits a cell if at most so many images pass through its classifier at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.pieces: list[int] = []

    def __call__(self, cell: Cell, study: Study, _workspace: Path, _listener: Any) -> Outcome:
        classifier = study.methods[cell.method].steps[-1][1]
        piece = classifier.micro_batch_size or classifier.batch_size
        self.pieces.append(piece)
        if piece > self.most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        record = ImageCellRecord(
            **vars(conditions(cell, study)),
            device="a small GPU",
            seconds={},
            resumed=False,
            peak_memory_mb=1.0,
            counts_before=(2, 1),
            counts_after=(2, 1),
        )
        return Outcome(record=record, predictions={"test_true": np.zeros(1)}, history=[])


def ignore(_name: str, _step: int, _n_steps: int) -> None:
    pass


@pytest.fixture
def study(toy: ImageDataset) -> Study:
    methods = build_methods(["none"], Budget(n_steps=3))
    methods["none"].steps[-1][1].set_params(batch_size=32)
    return Study(
        name="toy", dataset=toy, splits=hold_out(toy, n_splits=1), methods=methods, seeds=(0,)
    )


@pytest.fixture
def fit(study: Study, tmp_path: Path) -> Callable[..., Outcome]:
    def on(gpu: SmallGPU, *, alone: bool = True) -> Outcome:
        return fit_on_device(gpu, CELL, study, tmp_path, ignore, alone=alone)

    return on


def test_batches_are_halved_until_a_cell_fits_and_the_record_says_so(
    study: Study, fit: Callable[..., Outcome]
) -> None:
    whole, gpu = fit(SmallGPU(32)), SmallGPU(9)
    outcome = fit(gpu)
    assert gpu.pieces == [32, 16, 8]
    assert outcome.record.notes == (NOTE.format(8),)
    assert replace(outcome.record, notes=()) == whole.record  # it can be continued
    assert whole.record.to_json().keys() == outcome.record.to_json().keys() - {"notes"}
    assert ImageCellRecord.from_json(outcome.record.to_json()).notes == outcome.record.notes
    study.methods["none"].steps[-1][1].set_params(micro_batch_size=4)
    assert piece_sizes(study, CELL) == [2]


def test_a_cell_beside_others_is_not_cut(fit: Callable[..., Outcome]) -> None:
    gpu = SmallGPU(9)
    with pytest.raises(CrowdedDeviceError):
        fit(gpu, alone=False)
    assert gpu.pieces == [32]
    assert not fit(SmallGPU(32), alone=False).record.notes


def test_a_cell_that_fits_nowhere_fails_with_a_remedy(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_cell, "fit_cell", SmallGPU(1))
    task = StudyTask(study, RunStore(tmp_path))
    with pytest.raises(CrowdedDeviceError):
        task.train(CELL, ignore, alone=False)
    assert not task.store.has_failed(CELL)
    task.train(CELL, ignore)
    record = task.record(CELL)
    assert isinstance(record, FailedCellRecord)
    assert record.error_type == "MemoryError"
    assert "CUDA out of memory" in record.error
    assert "--size" in record.error
