"""The networks of a run on the cases of another data set, whose label files may have another scheme."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.deployment.label_maps import run_scheme, shared_regions
from equipoise.deployment.segment import load_segmenter
from equipoise.exceptions import DataError, LeakageError
from equipoise.metrics.segmentation import dice, measure_case, ppv, sensitivity
from equipoise.runs.cell import Cell
from equipoise.runs.csv_records import write_rows
from equipoise.runs.description import VolumeDatasetDescription
from equipoise.runs.known_cases import case_names, describe_cases
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore
from equipoise.training.progress import report


@dataclass(frozen=True, kw_only=True)
class OutsideRow:
    """How well one network segments one region of one outside case; NaN where a number is not defined."""

    method: str
    split: str
    seed: int
    case: str
    region: str
    dice: float
    sensitivity: float
    ppv: float
    hd95_mm: float


def measure_outside(store: RunStore, dataset: VolumeDataset) -> list[OutsideRow]:
    """Segment the cases of another data set with the network of every finished cell of a run.

    Args:
        store: Folder of the run.
        dataset: Cases of other patients, prepared with the modalities of the run, in its order. The regions that
            both schemes name are compared; they need not consist of the same classes.

    Raises:
        DataError: Other modalities, or no finished cell.
        LeakageError: A case is one of the run's.
        SettingError: No region that both schemes name.
    """
    run = open_run(store.folder).volumes
    _check(store, run.dataset, dataset)
    cells = [finished.cell for finished in run.finished]
    if not cells:
        raise DataError(
            f"No cell of {store.folder} has finished, so there is no network. Run the study first."
        )
    rows: list[OutsideRow] = []
    for i, cell in enumerate(cells):
        report(f"outside cases: {cell}", i, len(cells))
        rows += _measured(store, cell, dataset)
    report("outside cases", len(cells), len(cells))
    return rows


def write_outside(rows: list[OutsideRow], path: Path) -> None:
    """Write a line for each network, case and region."""
    write_rows(path, OutsideRow, rows)


def _measured(store: RunStore, cell: Cell, dataset: VolumeDataset) -> Iterator[OutsideRow]:
    segmenter = load_segmenter(store, cell)
    ours, theirs = shared_regions(run_scheme(store.study()["dataset"]).regions, dataset.regions)
    for row, volume in enumerate(dataset.volumes):
        arrays = dataset.arrays(row)
        found = measure_case(
            truth=arrays.codes,
            prediction=segmenter.predict(arrays.images, arrays.mask),
            regions=ours,
            truth_regions=theirs,
            spacing_mm=volume.spacing_mm,
        )
        for region, m in found.items():
            yield OutsideRow(
                method=cell.method,
                split=cell.split,
                seed=cell.seed,
                case=volume.id,
                region=region,
                dice=float(dice(m["tp"], m["fp"], m["fn"])),
                sensitivity=float(sensitivity(tp=m["tp"], fn=m["fn"])),
                ppv=float(ppv(tp=m["tp"], fp=m["fp"])),
                hd95_mm=m["hd95_mm"],
            )


def _check(store: RunStore, stored: VolumeDatasetDescription, dataset: VolumeDataset) -> None:
    if dataset.modalities != stored.modalities:
        raise DataError(
            f"Expected outside cases with the modalities {list(stored.modalities)} of the run, in this order, got "
            f"{list(dataset.modalities)}. Name them when reading (modalities)."
        )
    images = stored.images or {}
    same = {name for digest, name in describe_cases(dataset)["images"].items() if digest in images}
    if known := sorted(same | (case_names(store.folder) & set(dataset.ids.tolist()))):
        raise LeakageError(
            f"Expected cases that the run does not have, got {', '.join(known)}. Leave them out."
        )
