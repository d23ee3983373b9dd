"""Axial slices of the best, median and worst patient, with the truth and all label maps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import write_json
from equipoise.data.volume_dataset import Arrays, VolumeDataset
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import EvidenceCard
from equipoise.experiments.region_metrics import DICE, MEAN_DICE, name_of, region_metrics
from equipoise.runs.volume_run import SegmentedCell, VolumeRun

CARD = EvidenceCard(
    summary="slices of the best, the median and the worst patient", task="segmentation"
)
MOST_METHODS = 6  # the reference and the best: more label maps of a slice cannot be compared by eye
SHOWN = ("FLAIR", "T1c")  # beside the first modality: the whole and the active tumor are bright
PERCENTILES = (1.0, 99.5)  # of the brain's values, shown as black and white
TUMOR, ERRORS = "most tumor", "most errors"

Codes = NDArray[np.uint8]
PatientScores = Mapping[int, float]  # patient -> mean Dice over seeds


@dataclass(frozen=True)
class Slice:
    """A slice: patient, position z in the prepared case, height of a pixel over its width."""

    patient: int
    z: int
    ratio: float


@dataclass(frozen=True, kw_only=True)
class SliceExample:
    """Why a slice is shown.

    Attributes:
        of: The method whose best, median or worst patient this is.
        role: "best", "median", "worst"; several joined by "and" if there are few patients.
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
    """The slices selected so far, each once, and the label maps read for them.

    Attributes:
        run: The run.
        volumes: Its measures.
        methods: The methods to show.
        slices: The slices, each once.
        cases: {patient: row of the case that is shown}.
        examples: Why each slice is shown.
    """

    run: FinishedRun
    volumes: VolumeRun
    methods: Sequence[str]
    slices: list[Slice] = field(default_factory=list)
    cases: dict[int, int] = field(default_factory=dict)
    examples: list[SliceExample] = field(default_factory=list)
    _maps: dict[tuple[str, int], Codes | None] = field(default_factory=dict)

    @property
    def dataset(self) -> VolumeDataset:
        """The cases of the study."""
        return self.run.study.volumes

    def add(self, patient: int, z: int) -> int:
        """Return the index of a slice, adding it if it is new."""
        _, height, width = self.dataset.volumes[self.cases[patient]].spacing_mm
        new = Slice(patient, z, round(height / width, 4))
        if new not in self.slices:
            self.slices.append(new)
        return self.slices.index(new)

    def arrays(self, patient: int) -> Arrays:
        """Return the arrays of the case of a patient."""
        return self.dataset.arrays(self.cases[patient])

    def case_id(self, patient: int) -> str:
        """Return the id of the case of a patient."""
        return str(self.dataset.ids[self.cases[patient]])

    def cell(self, method: str, patient: int) -> SegmentedCell | None:
        """Find the first finished cell of a method that segmented the patient."""
        for segmented in self.volumes.cells_of(method):
            if self.case_id(patient) in segmented.measures.ids:
                return segmented
        return None

    def label_map(self, method: str, patient: int) -> Codes | None:
        """Read a method's label map of the patient from the first seed; None without one."""
        if (method, patient) not in self._maps:
            segmented = self.cell(method, patient)
            label_map = None
            if segmented is not None:
                stored = self.run.predictions(segmented.cell)
                row = stored["test_ids"].tolist().index(self.case_id(patient))
                label_map = np.asarray(stored[f"map_{row}"])
            self._maps[method, patient] = label_map
        return self._maps[method, patient]

    def add_examples(self, method: str, scores: PatientScores, compared: Sequence[str]) -> None:
        """Add the slices of a method's best, median and worst patient.

        They are the slice with most tumor, and that with most errors of the methods in `compared`.
        """
        for patient, role in roles(scores).items():
            rows = np.flatnonzero(self.dataset.groups == patient)
            self.cases.setdefault(patient, int(rows[0]))
            codes = self.arrays(patient).codes
            tumor_voxels = ((codes > 0) & (codes < 255)).sum(axis=(1, 2))  # (z,)
            reasons = {largest_slice(tumor_voxels): TUMOR}
            errors = self.errors(compared, patient)
            if errors.any():
                reasons.setdefault(largest_slice(errors), ERRORS)
            for z, reason in reasons.items():
                example = SliceExample(
                    of=method,
                    role=role,
                    mean_dice=scores[patient],
                    reason=reason,
                    slice=self.add(patient, z),
                )
                self.examples.append(example)

    def errors(self, methods: Sequence[str], patient: int) -> NDArray[np.int64]:
        """Count the wrong voxels of each slice, (z,), summed over regions and methods."""
        truth = self.arrays(patient).codes
        errors = np.zeros(len(truth), dtype=np.int64)
        for region in self.dataset.regions.values():
            inside = np.isin(truth, region)
            for method in methods:
                codes = self.label_map(method, patient)
                if codes is not None:
                    errors += (np.isin(codes, region) != inside).sum(axis=(1, 2))
        return errors

    def pixels(self, modalities: Sequence[int]) -> dict[str, Codes]:
        """Collect `image_i` (m, h, w), `truth_i` and `drawn_i_j` (h, w) of slice i and method j."""
        pixels: dict[str, Codes] = {}
        for i, selected in enumerate(self.slices):
            arrays = self.arrays(selected.patient)
            planes = [windowed(arrays, channel, selected.z) for channel in modalities]
            pixels[f"image_{i}"] = np.stack(planes)
            pixels[f"truth_{i}"] = np.asarray(arrays.codes[selected.z])
            for j, method in enumerate(self.methods):
                codes = self.label_map(method, selected.patient)
                if codes is not None:
                    pixels[f"drawn_{i}_{j}"] = np.asarray(codes[selected.z])
        return pixels

    def dice(self, method: str) -> dict[str, dict[str, float]]:
        """Compute the Dice of the label maps that are shown, by patient and region."""
        regions = self.dataset.regions
        metrics = region_metrics(regions)
        of_patients: dict[str, dict[str, float]] = {}
        for patient in self.cases:
            segmented = self.cell(method, patient)
            if segmented is None:
                continue
            measures = segmented.measures.subset(segmented.measures.ids == self.case_id(patient))
            of_patient = {}
            for region in regions:
                of_patient[region] = float(metrics[name_of(DICE, region)].rule(measures)[0])
            of_patients[str(patient)] = of_patient
        return of_patients


def gather(run: FinishedRun, folder: Path) -> None:
    """Select slices and write them, without anything that identifies a patient.

    Nothing is written if no cell is finished.
    """
    volumes = run.run.volumes
    scores: dict[str, PatientScores] = {}
    for method in volumes.methods:
        of_method = mean_dice(run, volumes, method)
        if of_method:
            scores[method] = of_method
    if not scores:
        return
    baseline = run.study.baseline_name
    reference = baseline if baseline in scores else next(iter(scores))
    album = Album(run=run, volumes=volumes, methods=chosen_methods(scores, reference))
    for method in album.methods:
        compared = album.methods if method == reference else [method]
        album.add_examples(method, scores[method], compared)
    modalities = shown_modalities(run.study.volumes.modalities)
    np.savez_compressed(folder / "slices.npz", allow_pickle=False, **album.pixels(modalities))
    summary = {
        "methods": list(album.methods),
        "reference": reference,
        "modalities": [run.study.volumes.modalities[i] for i in modalities],
        "slices": [asdict(selected) for selected in album.slices],
        "exhibits": [asdict(example) for example in album.examples],
        "dice": {method: album.dice(method) for method in album.methods},
    }
    write_json(folder / "slices.json", summary)


def mean_dice(run: FinishedRun, volumes: VolumeRun, method: str) -> dict[int, float]:
    """Compute the mean Dice of each patient that a method segmented, mean over its seeds."""
    metric = region_metrics(run.study.volumes.regions)[MEAN_DICE]
    of_seeds: dict[int, list[float]] = {}
    for measures in volumes.seeds(method).values():
        for patient in np.unique(measures.patients).tolist():
            value = metric.rule(measures.subset(measures.patients == patient))
            of_seeds.setdefault(patient, []).append(float(value[0]))
    means = {}
    for patient, values in of_seeds.items():
        means[patient] = float(np.mean(values))
    return means


def chosen_methods(scores: Mapping[str, PatientScores], reference: str) -> list[str]:
    """Choose the methods to show, in the order of the study: the reference and the best."""

    def rank(method: str) -> tuple[bool, float]:
        return method != reference, -float(np.mean(list(scores[method].values())))

    ranked = sorted(scores, key=rank)
    return [method for method in scores if method in ranked[:MOST_METHODS]]


def roles(scores: PatientScores) -> dict[int, str]:
    """Name the best, the median and the worst patient; with few, a patient has several roles.

    Example:
        >>> roles({0: 0.2, 1: 0.9})
        {1: 'best and median', 0: 'worst'}
    """
    ranked = sorted(scores, key=lambda patient: (-scores[patient], patient))
    places = {"best": 0, "median": (len(ranked) - 1) // 2, "worst": len(ranked) - 1}
    names: dict[int, str] = {}
    for role, place in places.items():
        patient = ranked[place]
        names[patient] = f"{names[patient]} and {role}" if patient in names else role
    return names


def largest_slice(voxels: NDArray[np.int64]) -> int:
    """Find the slice of (z,) counts with most voxels, the middle one if none has any."""
    return int(voxels.argmax()) if voxels.any() else len(voxels) // 2


def shown_modalities(names: Sequence[str]) -> list[int]:
    """Choose the channels to show: the first, and those that show a tumor best.

    Example:
        >>> shown_modalities(["T1", "T1c", "T2", "FLAIR"])
        [0, 3, 1]
    """
    channels = [0]
    for name in SHOWN:
        if name in names and names.index(name) not in channels:
            channels.append(names.index(name))
    return channels


def windowed(arrays: Arrays, channel: int, z: int) -> Codes:
    """Convert a slice to gray levels between `PERCENTILES` of the brain; black outside."""
    brain = np.asarray(arrays.images[channel])[arrays.mask].astype(np.float32)
    low, high = np.percentile(brain, PERCENTILES)
    plane = np.asarray(arrays.images[channel, z], dtype=np.float32)
    unit = (plane - low) / max(float(high - low), 1e-6)
    return np.where(arrays.mask[z], np.rint(255 * np.clip(unit, 0, 1)), 0).astype(np.uint8)
