"""May the synthetic images be released? An audit of every cell that stored some."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels, Rows, value_range
from equipoise.atomic import JsonObject, write_json
from equipoise.audit.examination import EXTRACTOR
from equipoise.audit.near_copies import Pair
from equipoise.audit.report import Audit, AuditReference
from equipoise.data.dataset import concatenate
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import EvidenceCard
from equipoise.features.choosing import make_extractor
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell

CARD = EvidenceCard(
    summary="copies of training images, and traces of who was in training, "
    "among the synthetic images",
    version=2,
    about_synthetic=True,
)
SHOWN = 8  # pairs of a method that are kept as images


MOST_AUDITED = 10_000  # images of all runs together


@dataclass(frozen=True, eq=False)
class PairImages:
    """A pair of near copies, with both images (c, h, w)."""

    pair: Pair
    synthetic: NDArray[Any]
    real: NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditedCell:
    """The audit of a cell.

    Attributes:
        report: Its result; rows of pairs are those of all images of the cell.
        pairs: The most alike pairs, as images.
        n_audited: Images that were audited.
        n_images: Images that the cell stored.
    """

    report: Audit
    pairs: Sequence[PairImages]
    n_audited: int
    n_images: int


def gather(run: FinishedRun, folder: Path) -> None:
    """Write the audit of each cell to audits.json, and the most similar pairs to pairs.npz.

    Held-out images are the validation and test images of the split: they are compared, and nothing
    is chosen by them. Of more than `MOST_AUDITED` images equally many of each cell are audited.
    Nothing is written if no method kept synthetic images.
    """
    if not run.generated:
        return
    cell_audits = audit_cells(run)
    note = describe_bound(list(cell_audits.values()))
    audits: list[JsonObject] = []
    pairs: dict[str, list[PairImages]] = defaultdict(list)
    for cell in run.generated:
        cell_audit = cell_audits[cell]
        report = replace(cell_audit.report, notes=(*cell_audit.report.notes, *note))
        audits.append(
            {"method": cell.method, "split": cell.split, "seed": cell.seed, **report.to_json()}
        )
        pairs[cell.method] += cell_audit.pairs
    write_json(folder / "audits.json", audits)
    columns: dict[str, list[Any]] = defaultdict(list)
    for method, of_method in pairs.items():
        most_similar = sorted(of_method, key=lambda similar: -similar.pair.likeness)[:SHOWN]
        for similar in most_similar:
            columns["synthetic"].append(similar.synthetic)
            columns["real"].append(similar.real)
            columns["method"].append(method)
            columns["label"].append(similar.pair.label)
            columns["likeness"].append(similar.pair.likeness)
            columns["mirrored"].append(similar.pair.mirrored)
            columns["copy"].append(similar.pair.copy)
    stacked = {}
    for name, values in columns.items():
        stacked[name] = np.stack(values)
    np.savez_compressed(folder / "pairs.npz", allow_pickle=False, **stacked)


def audit_cells(run: FinishedRun) -> dict[Cell, AuditedCell]:
    """Audit every cell with synthetic images, those of a split one after the other."""
    most = MOST_AUDITED // len(run.generated)
    by_split: dict[str, list[Cell]] = defaultdict(list)
    for cell in run.generated:
        by_split[cell.split].append(cell)
    audits = {}
    for cells in by_split.values():
        train = run.part(cells[0], "train")
        held_out = concatenate([run.part(cells[0], "validation"), run.part(cells[0], "test")])
        extractor = make_extractor(EXTRACTOR, span=value_range(train.images))
        reference = AuditReference.of(train, held_out, extractor, cache=run.features)
        for cell in cells:
            audits[cell] = audit_cell(run, cell, reference, most)
    return audits


def audit_cell(run: FinishedRun, cell: Cell, reference: AuditReference, most: int) -> AuditedCell:
    """Audit at most `most` synthetic images of a cell."""
    images, labels = run.synthetic(cell)
    rows = draw_rows(labels, most, cell)
    report = reference.audit(images[rows], labels[rows])
    pairs: list[Pair] = []
    pair_images: list[PairImages] = []
    for audited_pair in report.pairs:
        pair = replace(audited_pair, synthetic=int(rows[audited_pair.synthetic]))
        pairs.append(pair)
        if len(pair_images) < SHOWN:
            real = reference.train.images[pair.train]
            pair_images.append(PairImages(pair, images[pair.synthetic], real))
    return AuditedCell(
        report=replace(report, pairs=tuple(pairs)),
        pairs=pair_images,
        n_audited=len(rows),
        n_images=len(labels),
    )


def draw_rows(labels: Labels, most: int, cell: Cell) -> Rows:
    """Draw at most `most` rows, in proportion but at least one of each class, increasing."""
    if len(labels) <= most:
        return np.arange(len(labels), dtype=np.int64)
    order = make_rng(0, "memorization", cell.method, cell.split, cell.seed).permutation(len(labels))
    rows = []
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        rows.append(of_class[: max(1, most * len(of_class) // len(labels))])
    return np.sort(np.concatenate(rows))


def describe_bound(audits: Sequence[AuditedCell]) -> tuple[str, ...]:
    """Say how many images were audited, where it was not all."""
    n_audited = sum(audit.n_audited for audit in audits)
    n_images = sum(audit.n_images for audit in audits)
    if n_audited == n_images:
        return ()
    return (
        f"Audited {n_audited:,} of {n_images:,} synthetic images: at most "
        f"{MOST_AUDITED // len(audits):,} of each run, drawn at random. `equipoise generate` and "
        "`equipoise audit` examine every image that leaves.",
    )
