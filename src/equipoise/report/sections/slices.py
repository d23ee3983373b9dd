"""Axial slices with the outlines of experts and methods, in best, median and worst patient."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.experiments.region_metrics import by_size
from equipoise.report.contours import outline
from equipoise.report.evidence_files import read_arrays, read_evidence, records_of
from equipoise.report.figures import Style
from equipoise.report.formatting import decimal, sentence_case
from equipoise.report.images import png
from equipoise.report.run_contents import Contents

HEADING = "What the methods draw"
ORDER = 20
TASKS = ("segmentation",)
# Bright on dark tissue, and of different brightness; the largest region first.
COLORS = ("#56b4e9", "#e69f00", "#f0e442", "#cc79a7", "#ffffff", "#009e73")
TRUTH = "4 3"  # dashes
REASONS = {
    "most tumor": "The slice with most tumor.",
    "most errors": "The slice where they err most.",
}
COARSE = 100  # pixels: images with fewer show their pixels

Codes = NDArray[np.uint8]  # (h, w) class codes or gray values
Regions = Sequence[tuple[str, Sequence[int]]]  # name and class codes, the largest region first


@dataclass(frozen=True)
class SliceRecord:
    """A slice, as `slices.json` stores it; `ratio` is the height of a pixel over its width."""

    patient: int
    z: int
    ratio: float


@dataclass(frozen=True)
class ExhibitRecord:
    """Why a slice is shown, as `slices.json` stores it.

    Attributes:
        of: Method whose patient it is.
        role: "best", "median" or "worst".
        mean_dice: Mean Dice of the method in this patient.
        reason: "most tumor" or "most errors".
        slice: Number of the slice.
    """

    of: str
    role: str
    mean_dice: float
    reason: str
    slice: int


@dataclass(frozen=True, kw_only=True)
class SliceEvidence:
    """All that the evidence files hold.

    Attributes:
        reference: The method whose patients all methods are shown on.
        methods: Methods with label maps.
        modalities: Modalities with pictures.
        slices: The slices.
        exhibits: Why each is shown.
        dice: {method: {patient: {region: Dice}}}; the patient is a number as text.
        arrays: Pictures and label maps of the slices.
        regions: The regions.
    """

    reference: str
    methods: Sequence[str]
    modalities: Sequence[str]
    slices: Sequence[SliceRecord]
    exhibits: Sequence[ExhibitRecord]
    dice: Mapping[str, Mapping[str, Mapping[str, float]]]
    arrays: Mapping[str, Codes]
    regions: Regions

    @property
    def styles(self) -> dict[str, Style]:
        """Colors of the regions."""
        return {name: Style(COLORS[i % len(COLORS)]) for i, (name, _) in enumerate(self.regions)}

    def exhibits_of(self, method: str) -> list[ExhibitRecord]:
        """Return the exhibits of a method."""
        return [exhibit for exhibit in self.exhibits if exhibit.of == method]

    def truth(self, i: int) -> Codes:
        """Return the experts' label map (h, w) of a slice."""
        return self.arrays[f"truth_{i}"]

    def label_map(self, i: int, method: str) -> Codes | None:
        """Return a method's label map (h, w) of a slice; None where it has none yet."""
        return self.arrays.get(f"drawn_{i}_{self.methods.index(method)}")


@dataclass(frozen=True)
class RegionOutline:
    """The outline of a region: an SVG path and how it looks."""

    path: str
    style: Style


@dataclass(frozen=True, kw_only=True)
class SliceFigure:
    """A slice under outlines; `picture` is the id of an image in the page."""

    caption: str
    note: str
    method: str | None
    text: str
    picture: str
    lines: Sequence[RegionOutline]
    width: int
    height: float
    ratio: float


@dataclass(frozen=True)
class SliceRow:
    """Figures of one slice."""

    title: str
    drawings: Sequence[SliceFigure]


@dataclass(frozen=True, kw_only=True)
class SlicePicture:
    """An image that figures refer to by its id."""

    id: str
    uri: str
    width: int
    height: float


@dataclass(frozen=True, kw_only=True)
class SlicesView:
    """What the template of this section shows."""

    regions: Mapping[str, Style]
    truth: str
    reference: str
    patients: Mapping[str, Sequence[SliceRow]]
    own: Mapping[str, Sequence[SliceFigure]]
    pictures: Sequence[SlicePicture]
    left_out: int
    coarse: bool


def view(contents: Contents) -> SlicesView | None:
    """Return the figures; None where no slices were gathered."""
    evidence = read_slices(contents)
    if evidence is None:
        return None
    own = {}
    for method in evidence.methods:
        if method != evidence.reference:
            own[method] = list(own_patients(evidence, method))
    longest_side = max(max(evidence.truth(i).shape) for i in range(len(evidence.slices)))
    return SlicesView(
        regions=evidence.styles,
        truth=TRUTH,
        reference=evidence.reference,
        patients=shared_patients(evidence),
        own=own,
        pictures=list(pictures(evidence)),
        left_out=len(contents.methods) - len(evidence.methods),
        coarse=longest_side < COARSE,
    )


def read_slices(contents: Contents) -> SliceEvidence | None:
    """Read the evidence files; None where no slices were gathered."""
    facts = read_evidence(contents.folder, "slices", "slices.json")
    arrays = read_arrays(contents.folder, "slices", "slices.npz")
    if facts is None or arrays is None:
        return None
    regions = contents.description.volumes.regions
    return SliceEvidence(
        reference=facts["reference"],
        methods=facts["methods"],
        modalities=facts["modalities"],
        slices=records_of(SliceRecord, facts["slices"]),
        exhibits=records_of(ExhibitRecord, facts["exhibits"]),
        dice=facts["dice"],
        arrays=arrays,
        regions=[(name, regions[name]) for name in by_size(regions)],
    )


def shared_patients(evidence: SliceEvidence) -> dict[str, list[SliceRow]]:
    """Return every method on the same slices: the reference's best, median and worst patient."""
    rows: dict[str, list[SliceRow]] = {}
    reference = evidence.reference
    for exhibit in evidence.exhibits_of(reference):
        patient = evidence.slices[exhibit.slice].patient
        role = sentence_case(exhibit.role)
        dice = decimal(exhibit.mean_dice, 2)
        title = f"{role} patient of {reference}: patient {patient} (mean Dice {dice})"
        figures = [
            *plain_figures(evidence, exhibit.slice),
            *method_figures(evidence, exhibit.slice, evidence.methods),
        ]
        rows.setdefault(title, []).append(SliceRow(REASONS[exhibit.reason], figures))
    return rows


def own_patients(evidence: SliceEvidence, method: str) -> Iterator[SliceFigure]:
    """Yield a method's own best, median and worst patient."""
    for exhibit in evidence.exhibits_of(method):
        patient = evidence.slices[exhibit.slice].patient
        note = f"{exhibit.reason}; mean Dice {decimal(exhibit.mean_dice, 2)}"
        caption = f"{sentence_case(exhibit.role)}: patient {patient}"
        for figure in method_figures(evidence, exhibit.slice, [method]):
            yield replace(figure, method=None, caption=caption, note=note)


def plain_figures(evidence: SliceEvidence, i: int) -> Iterator[SliceFigure]:
    """Yield a slice without outlines in each modality, then with those of the experts."""
    for m, modality in enumerate(evidence.modalities):
        yield slice_figure(evidence, i, modality, "no outlines", picture=m)
    lines = outlines(evidence, evidence.truth(i), TRUTH)
    yield slice_figure(evidence, i, "The experts", "dashed", lines=lines)


def method_figures(
    evidence: SliceEvidence, i: int, methods: Sequence[str]
) -> Iterator[SliceFigure]:
    """Yield a slice with the outlines of each method over those of the experts."""
    patient = str(evidence.slices[i].patient)
    for method in methods:
        codes = evidence.label_map(i, method)
        if codes is None:
            continue
        dice = evidence.dice[method][patient]
        scores = [f"{region} {decimal(dice[region], 2)}" for region, _ in evidence.regions]
        lines = [*outlines(evidence, evidence.truth(i), TRUTH), *outlines(evidence, codes, "")]
        note = f"Dice {', '.join(scores)}"
        yield slice_figure(evidence, i, method, note, method=method, lines=lines)


def slice_figure(
    evidence: SliceEvidence,
    i: int,
    caption: str,
    note: str,
    *,
    picture: int = 0,
    method: str | None = None,
    lines: Sequence[RegionOutline] = (),
) -> SliceFigure:
    """Return the figure of a slice; `picture` is the number of the modality below the outlines."""
    record = evidence.slices[i]
    height, width = evidence.truth(i).shape
    return SliceFigure(
        caption=caption,
        note=note,
        method=method,
        text=f"Slice {record.z} of patient {record.patient}, {caption}: {note}",
        picture=picture_id(i, picture),
        lines=lines,
        width=width,
        height=round(height * record.ratio, 2),
        ratio=record.ratio,
    )


def outlines(evidence: SliceEvidence, codes: Codes, dash: str) -> list[RegionOutline]:
    """Return the outline of every region that a label map (h, w) has."""
    lines = []
    for name, region_codes in evidence.regions:
        path = outline(np.isin(codes, region_codes))
        if path:
            lines.append(RegionOutline(path, Style(evidence.styles[name].color, dash)))
    return lines


def pictures(evidence: SliceEvidence) -> Iterator[SlicePicture]:
    """Yield every picture once; figures refer to it.

    Slices that are not shared between the methods need the first modality only.
    """
    shared = {exhibit.slice for exhibit in evidence.exhibits_of(evidence.reference)}
    for i, record in enumerate(evidence.slices):
        for m, image in enumerate(evidence.arrays[f"image_{i}"]):
            if m > 0 and i not in shared:
                continue
            yield SlicePicture(
                id=picture_id(i, m),
                uri=png(image[..., None]),
                width=image.shape[1],
                height=round(image.shape[0] * record.ratio, 2),
            )


def picture_id(i: int, modality: int) -> str:
    """Return the id of a picture in the page."""
    return f"slice-{i}-{modality}"
