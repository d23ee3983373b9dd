"""Axial slices of the best, the median and the worst patient, with what the doctors and every method drew."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import write_json
from equipoise.data.volume_dataset import Arrays
from equipoise.evidence.finished_run import Judged
from equipoise.evidence.gathering import Card
from equipoise.experiments.region_metrics import DICE, MEAN_DICE, name_of, region_metrics
from equipoise.runs.case_measures import Measures
from equipoise.runs.run import open_run
from equipoise.runs.volume_run import SegmentedCell, VolumeRun

CARD = Card(summary="slices of the best, the median and the worst patient", task="segmentation")
MOST_METHODS = 6  # the reference and the best of the others: more drawings of one slice cannot be compared by eye
SHOWN = (
    "FLAIR",
    "T1c",
)  # beside the first modality: bright are the whole tumor, and its active part
PERCENTILES = (1.0, 99.5)  # of the brain's values, shown as black and white
TUMOR, ERRORS = "most tumor", "most errors"

Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Slice:
    """A slice: patient, position z in the prepared case, height of a pixel over its width."""

    patient: int
    z: int
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """Why a slice is shown.

    Attributes:
        of: The method whose best, median or worst patient this is.
        role: "best", "median", "worst"; several where there are few patients.
        mean_dice: Of that patient by that method, mean over seeds.
        reason: "most tumor", or "most errors" of that method (of all shown ones for the reference).
        slice: Index of the slice.
    """

    of: str
    role: str
    mean_dice: float
    reason: str
    slice: int


@dataclass(kw_only=True)
class Album:
    """Slices found so far, each once."""

    run: Judged
    study: VolumeRun
    methods: Sequence[str]
    slices: list[Slice] = field(default_factory=list)
    cases: dict[int, int] = field(default_factory=dict)  # patient -> row of the case that is shown
    exhibits: list[Exhibit] = field(default_factory=list)
    maps: dict[tuple[str, int], Codes | None] = field(default_factory=dict)  # what `drawn` has read

    def add(self, patient: int, z: int) -> int:
        """Give the index of a slice, a new one where it was not there."""
        _, *(height, width) = self.run.study.volumes.volumes[self.cases[patient]].spacing_mm
        shown = Slice(patient, z, round(height / width, 4))
        if shown not in self.slices:
            self.slices.append(shown)
        return self.slices.index(shown)

    def arrays(self, patient: int) -> Arrays:
        """Give the case of a patient that is shown."""
        return self.run.study.volumes.arrays(self.cases[patient])

    def cell(self, method: str, patient: int) -> SegmentedCell | None:
        """Find the first finished cell of a method that segmented the patient."""
        name = self.run.study.volumes.ids[self.cases[patient]]
        return next((one for one in self.study.cells_of(method) if name in one.measures.ids), None)

    def drawn(self, method: str, patient: int) -> Codes | None:
        """Give a method's label map of the patient, that of the first seed."""
        if (method, patient) not in self.maps:
            self.maps[method, patient] = self._read(method, patient)
        return self.maps[method, patient]

    def _read(self, method: str, patient: int) -> Codes | None:
        if (one := self.cell(method, patient)) is None:
            return None
        stored = self.run.store.predictions(one.cell)
        row = stored["test_ids"].tolist().index(self.run.study.volumes.ids[self.cases[patient]])
        return np.asarray(stored[f"map_{row}"])


def gather(run: Judged, folder: Path) -> None:
    """Choose slices and write them, and nothing that tells whose they are; nothing where no cell is finished."""
    study = open_run(run.store.folder).volumes
    scores = {name: found for name in study.methods if (found := _mean_dice(run, study, name))}
    if not scores:
        return
    baseline = run.study.baseline_name
    reference = baseline if baseline in scores else next(iter(scores))
    album = Album(run=run, study=study, methods=_chosen(scores, reference))
    for method in album.methods:
        _exhibit(album, method, scores[method], album.methods if method == reference else [method])
    np.savez_compressed(folder / "slices.npz", allow_pickle=False, **dict(_pixels(album)))
    facts = {
        "methods": list(album.methods),
        "reference": reference,
        "modalities": [run.study.volumes.modalities[i] for i in _modalities(run)],
        "slices": [asdict(one) for one in album.slices],
        "exhibits": [asdict(one) for one in album.exhibits],
        "dice": {name: dict(_dice(album, name)) for name in album.methods},
    }
    write_json(folder / "slices.json", facts)


def _mean_dice(run: Judged, study: VolumeRun, method: str) -> dict[int, float]:
    """Give the mean Dice of each patient whom a method segmented, mean over its seeds."""
    rule = region_metrics(run.study.volumes.regions)[MEAN_DICE].rule
    found: dict[int, list[float]] = {}
    for measures in study.seeds(method).values():
        for patient in np.unique(measures.patients).tolist():
            value = rule(measures.subset(measures.patients == patient))
            found.setdefault(patient, []).append(float(value[0]))
    return {patient: float(np.mean(values)) for patient, values in found.items()}


def _chosen(scores: Mapping[str, Mapping[int, float]], reference: str) -> list[str]:
    """Choose the methods to show, in the asked order."""
    ranked = sorted(
        scores, key=lambda name: (name != reference, -float(np.mean(list(scores[name].values()))))
    )
    return [name for name in scores if name in ranked[:MOST_METHODS]]


def _exhibit(album: Album, method: str, scores: Mapping[int, float], judged: Sequence[str]) -> None:
    """Show a method's best, median and worst patient: where most tumor is, and where `judged` err most."""
    for patient, role in _roles(scores).items():
        rows = np.flatnonzero(album.run.study.volumes.groups == patient)
        album.cases.setdefault(patient, int(rows[0]))
        tumor = _largest(_tumor(album.arrays(patient).codes))
        places = {tumor: TUMOR}
        if (errors := _errors(album, judged, patient)).any():
            places.setdefault(_largest(errors), ERRORS)
        album.exhibits += [
            Exhibit(
                of=method,
                role=role,
                mean_dice=scores[patient],
                reason=reason,
                slice=album.add(patient, z),
            )
            for z, reason in places.items()
        ]


def _roles(scores: Mapping[int, float]) -> dict[int, str]:
    """Give the best, the median and the worst patient; with few patients one is several of these."""
    ranked = sorted(scores, key=lambda patient: (-scores[patient], patient))
    roles: dict[int, list[str]] = {}
    for role, place in (
        ("best", 0),
        ("median", (len(ranked) - 1) // 2),
        ("worst", len(ranked) - 1),
    ):
        roles.setdefault(ranked[place], []).append(role)
    return {patient: " and ".join(names) for patient, names in roles.items()}


def _largest(voxels: NDArray[np.int64]) -> int:
    """Choose the slice (z,) with most, the middle one where none has any."""
    return int(voxels.argmax()) if voxels.any() else len(voxels) // 2


def _tumor(codes: Codes) -> NDArray[np.int64]:
    """Count the voxels of each slice that are neither healthy nor left out."""
    return np.asarray(((codes > 0) & (codes < 255)).sum(axis=(1, 2)))


def _errors(album: Album, methods: Sequence[str], patient: int) -> NDArray[np.int64]:
    """Count in each slice (z,) the voxels missed and made up, summed over regions and methods."""
    truth = album.arrays(patient).codes
    drawn = [codes for name in methods if (codes := album.drawn(name, patient)) is not None]
    errors = np.zeros(len(truth), dtype=np.int64)
    for parts in album.run.study.volumes.regions.values():
        inside = np.isin(truth, parts)
        errors += sum((np.isin(codes, parts) != inside).sum(axis=(1, 2)) for codes in drawn)
    return errors


def _modalities(run: Judged) -> list[int]:
    """Choose the channels to show: the first, and those that show the most of a tumor."""
    names = run.study.volumes.modalities
    return list(dict.fromkeys([0, *(names.index(name) for name in SHOWN if name in names)]))


def _pixels(album: Album) -> Iterator[tuple[str, Codes]]:
    """Give for slice i `image_i` (m, h, w), `truth_i` (h, w) and `drawn_i_j` (h, w) of method j."""
    for i, shown in enumerate(album.slices):
        arrays = album.arrays(shown.patient)
        yield (
            f"image_{i}",
            np.stack([_windowed(arrays, m, shown.z) for m in _modalities(album.run)]),
        )
        yield f"truth_{i}", np.asarray(arrays.codes[shown.z])
        for j, method in enumerate(album.methods):
            if (codes := album.drawn(method, shown.patient)) is not None:
                yield f"drawn_{i}_{j}", np.asarray(codes[shown.z])


def _windowed(arrays: Arrays, channel: int, z: int) -> Codes:
    """Show a slice between dark and bright values of the brain; what is outside is black."""
    low, high = np.percentile(
        np.asarray(arrays.images[channel])[arrays.mask].astype(np.float32), PERCENTILES
    )
    unit = (np.asarray(arrays.images[channel, z], dtype=np.float32) - low) / max(
        float(high - low), 1e-6
    )
    return np.where(arrays.mask[z], np.rint(255 * np.clip(unit, 0, 1)), 0).astype(np.uint8)


def _dice(album: Album, method: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Give the Dice of the label maps that are shown, by patient and region."""
    regions = album.run.study.volumes.regions
    metrics = region_metrics(regions)
    for patient in album.cases:
        if (one := album.cell(method, patient)) is not None:
            name = album.run.study.volumes.ids[album.cases[patient]]
            measures: Measures = one.measures.subset(one.measures.ids == name)
            values = {region: metrics[name_of(DICE, region)].rule(measures) for region in regions}
            yield str(patient), {region: float(value[0]) for region, value in values.items()}
