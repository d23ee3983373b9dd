"""Measure the networks of a run on the cases of another data set, of any label scheme."""

from dataclasses import dataclass
from pathlib import Path

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.deployment.label_maps import run_scheme, shared_regions
from equipoise.deployment.segment import load_segmenter
from equipoise.exceptions import DataError, LeakageError
from equipoise.metrics.segmentation import dice, measure_case, ppv, sensitivity
from equipoise.runs.csv_records import write_rows
from equipoise.runs.known_cases import case_names, describe_cases
from equipoise.runs.run import Run
from equipoise.training.progress import report


@dataclass(frozen=True, kw_only=True)
class ExternalRow:
    """How well a network segments a region of an external case; NaN if a number is undefined."""

    method: str
    split: str
    seed: int
    case: str
    region: str
    dice: float
    sensitivity: float
    ppv: float
    hd95_mm: float


def measure_external(run: Run, dataset: VolumeDataset) -> list[ExternalRow]:
    """Segment the cases of another data set with the network of every finished cell of a run.

    Args:
        run: A run on volumes.
        dataset: Cases of other patients, prepared with the modalities of the run, in its order. The
            regions that both schemes name are compared; they need not consist of the same classes.

    Raises:
        DataError: The modalities differ, or no cell of the run has finished.
        LeakageError: The run contains one of the cases.
        SettingError: The two schemes have no region in common.
    """
    check_external(run, dataset)
    cells = run.require_finished()
    scheme = run_scheme(run.description.volumes)
    regions, truth_regions = shared_regions(scheme.regions, dataset.regions)
    rows: list[ExternalRow] = []
    for i, cell in enumerate(cells):
        report(f"external cases: {cell}", i, len(cells))
        segmenter = load_segmenter(run, cell)
        for case, volume in enumerate(dataset.volumes):
            arrays = dataset.arrays(case)
            measures = measure_case(
                truth=arrays.codes,
                prediction=segmenter.predict(arrays.images, arrays.mask),
                regions=regions,
                truth_regions=truth_regions,
                spacing_mm=volume.spacing_mm,
            )
            for region, m in measures.items():
                row = ExternalRow(
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
                rows.append(row)
    report("external cases", len(cells), len(cells))
    return rows


def write_external(rows: list[ExternalRow], path: Path) -> None:
    """Write a CSV line for each network, case and region."""
    write_rows(path, ExternalRow, rows)


def check_external(run: Run, dataset: VolumeDataset) -> None:
    """Check that the cases have the modalities of a run and that the run does not contain them.

    Raises:
        DataError: The modalities differ.
        LeakageError: A case has the images or the name of a case of the run.
    """
    stored = run.description.volumes
    if dataset.modalities != stored.modalities:
        raise DataError(
            f"Expected external cases with the modalities {list(stored.modalities)} of the run, in "
            f"this order, got {list(dataset.modalities)}. Name them when reading (modalities)."
        )
    images = stored.images or {}
    shared = case_names(run.folder) & set(dataset.ids.tolist())
    for digest, name in describe_cases(dataset)["images"].items():
        if digest in images:
            shared.add(name)
    if shared:
        raise LeakageError(
            f"Expected cases that are not in the run, got {', '.join(sorted(shared))}. "
            "Leave them out."
        )
