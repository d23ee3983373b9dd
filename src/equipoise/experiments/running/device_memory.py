"""A GPU that runs out of memory: train its cell alone, then with smaller pieces of a batch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from equipoise.exceptions import CrowdedDeviceError
from equipoise.experiments.running.cell_record import conditions
from equipoise.experiments.running.memory_plan import PIECE, halves, in_pieces
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.outcome import Outcome
from equipoise.training.progress import Listener

Fit = Callable[[Cell, Study, Path, Listener], Outcome]
NOTE = (
    "The memory of the device was too small for whole batches, so they passed through the "
    "classifier {} images at a time: its batch norms saw so many images at once."
)
TOO_SMALL = (
    "Expected a device with enough memory for this cell alone, got: {}. Use a smaller --size "
    "(generators: --gan-size) or another --device, or leave {} out of --methods."
)


def fit_on_device(
    fit: Fit, cell: Cell, study: Study, workspace: Path, listener: Listener, *, alone: bool
) -> Outcome:
    """Train a cell; where a GPU runs out of memory, with smaller pieces of a batch and a note.

    Gradients of the pieces are accumulated. The record is that of the study, with the note.

    Args:
        fit: Trains a cell.
        cell: The cell.
        study: The study.
        workspace: Folder of checkpoints and finished fits.
        listener: Receives the progress.
        alone: Whether no other cell is trained on the device.

    Raises:
        CrowdedDeviceError: It ran out of memory, and other cells are trained on it.
        MemoryError: The cell does not fit, even in pieces of two images.
    """
    tried, piece = study, None
    pieces = piece_sizes(study, cell)
    while True:
        try:
            outcome = fit(cell, tried, workspace, listener)
        except torch.cuda.OutOfMemoryError as error:
            if not alone:
                raise CrowdedDeviceError(str(error)) from error
            if not pieces:
                reason = str(error).split(". ", 1)[0]
                raise MemoryError(TOO_SMALL.format(reason, cell.method)) from error
        else:
            break
        torch.cuda.empty_cache()  # here, where the error no longer keeps tensors
        piece = pieces.pop(0)
        tried = in_pieces(study, piece)
    if piece is None:
        return outcome
    notes = (*outcome.record.notes, NOTE.format(piece))
    record = replace(outcome.record, **vars(conditions(cell, study)), notes=notes)
    return replace(outcome, record=record)


def piece_sizes(study: Study, cell: Cell) -> list[int]:
    """Return the images in ever smaller pieces of a batch of a cell; empty for whole batches only.

    A batch that already passes in pieces begins below them.
    """
    settings = study.methods[cell.method].steps[-1][1].get_params(deep=False)
    if PIECE not in settings:
        return []
    return halves(settings[PIECE] or settings["batch_size"])
