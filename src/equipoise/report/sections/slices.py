"""The report section with axial slices: outlines by the experts and by the methods.

It shows `slices.json` and `slices.npz`, which `equipoise.evidence.kinds.slices` writes: the same
slices for all methods, from the best, median and worst patient of a reference method (the baseline
if it has finished), and then the best, median and worst patient of every other method. A slice is
known by its index in slices.json, `i` below.
"""

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
ORDER = 20  # sections are sorted by it
TASKS = ("segmentation",)
# Of the regions, the largest first: bright on dark tissue, and of different brightness.
COLORS = ("#56b4e9", "#e69f00", "#f0e442", "#cc79a7", "#ffffff", "#009e73")
TRUTH = "4 3"  # dashes of the experts' outlines; those of methods are solid
REASONS = {
    "most tumor": "The slice with most tumor.",
    "most errors": "The slice where they err most.",
}
COARSE = 100  # pixels; a slice with shorter sides is enlarged without smoothing

Codes = NDArray[np.uint8]  # (h, w) class codes or gray values
Regions = Sequence[tuple[str, Sequence[int]]]  # name and class codes, the largest region first


@dataclass(frozen=True)
class SliceRecord:
    """A slice, as `slices.json` stores it.

    Attributes:
        patient: Code of the patient.
        z: Position of the slice in the prepared case.
        ratio: Height of a pixel over its width.
    """

    patient: int
    z: int
    ratio: float


@dataclass(frozen=True)
class ExampleRecord:
    """Why a slice is shown, as `slices.json` stores it.

    Attributes:
        of: Method whose best, median or worst patient this is.
        role: "best", "median", "worst", or several of them if there are few patients.
        mean_dice: Mean Dice of the method in this patient, over regions and seeds.
        reason: A key of `REASONS`.
        slice: Index of the slice.
    """

    of: str
    role: str
    mean_dice: float
    reason: str
    slice: int


@dataclass(frozen=True, kw_only=True)
class SliceEvidence:
    """The contents of the evidence files.

    Attributes:
        reference: Method on whose patients all methods are shown.
        methods: Methods with label maps.
        modalities: Modalities with pictures.
        slices: The slices, each once.
        examples: Why each slice is shown.
        dice: {method: {patient: {region: Dice}}}; the patient is a code as text.
        arrays: Of slice i: "image_i" (m, h, w) gray values of m modalities, "truth_i" (h, w) class
            codes, and "drawn_i_j" (h, w) class codes by method j.
        regions: The regions, the largest first.
        unit: "patient", or "case" where no patients are known.
    """

    reference: str
    methods: Sequence[str]
    modalities: Sequence[str]
    slices: Sequence[SliceRecord]
    examples: Sequence[ExampleRecord]
    dice: Mapping[str, Mapping[str, Mapping[str, float]]]
    arrays: Mapping[str, Codes]
    regions: Regions
    unit: str = "patient"

    @property
    def styles(self) -> dict[str, Style]:
        """{region: its color}."""
        return {name: Style(COLORS[i % len(COLORS)]) for i, (name, _) in enumerate(self.regions)}

    def examples_of(self, method: str) -> list[ExampleRecord]:
        """Return the slices of a method's best, median and worst patient."""
        return [example for example in self.examples if example.of == method]

    def truth(self, i: int) -> Codes:
        """Return the experts' label map (h, w) of slice `i`."""
        return self.arrays[f"truth_{i}"]

    def label_map(self, i: int, method: str) -> Codes | None:
        """Return a method's label map (h, w) of slice `i`; None if it has not segmented it yet."""
        return self.arrays.get(f"drawn_{i}_{self.methods.index(method)}")


@dataclass(frozen=True)
class RegionOutline:
    """The outline of a region: the `d` of an SVG path, and its color and dashes."""

    path: str
    style: Style


@dataclass(frozen=True, kw_only=True)
class SliceFigure:
    """A slice with outlines.

    Attributes:
        caption: First line below it: a modality, a method, or a role and a patient.
        note: Second line, for example the Dice.
        method: Method that the caption names in its color; None if it names none.
        text: Description for readers who do not see the figure.
        picture: `SlicePicture.id` of the gray image.
        outlines: In pixels of the slice, which are not square unless `ratio` is 1.
        width: Width of the figure, one unit per pixel.
        height: Height in the same unit.
        ratio: Height of a pixel over its width.
    """

    caption: str
    note: str
    method: str | None
    text: str
    picture: str
    outlines: Sequence[RegionOutline]
    width: int
    height: float
    ratio: float


@dataclass(frozen=True)
class SliceRow:
    """Figures of one slice side by side; the title says why it is shown."""

    title: str
    figures: Sequence[SliceFigure]


@dataclass(frozen=True, kw_only=True)
class SlicePicture:
    """A gray image, stored once in the page; figures refer to it by its id."""

    id: str
    uri: str
    width: int
    height: float


@dataclass(frozen=True, kw_only=True)
class SlicesView:
    """What the template of this section shows.

    Attributes:
        regions: {region: its color}, for the legend.
        truth: Dashes of the experts' outlines, for the legend.
        reference: Method on whose patients all methods are shown.
        shared_patients: {heading: rows}, the patients on which all methods are shown.
        own_patients: {method: figures}, the best, median and worst patient of each other method.
        pictures: The gray images.
        left_out: Number of methods that are not shown.
        coarse: Whether the pictures are enlarged without smoothing.
    """

    regions: Mapping[str, Style]
    truth: str
    reference: str
    shared_patients: Mapping[str, Sequence[SliceRow]]
    own_patients: Mapping[str, Sequence[SliceFigure]]
    pictures: Sequence[SlicePicture]
    left_out: int
    coarse: bool


def view(contents: Contents) -> SlicesView | None:
    """Return the figures; None if there is no evidence of this kind."""
    evidence = read_slices(contents)
    if evidence is None:
        return None
    own_patients = {}
    for method in evidence.methods:
        if method != evidence.reference:
            own_patients[method] = list(own_figures(evidence, method))
    longest_side = max(max(evidence.truth(i).shape) for i in range(len(evidence.slices)))
    return SlicesView(
        regions=evidence.styles,
        truth=TRUTH,
        reference=evidence.reference,
        shared_patients=shared_patients(evidence),
        own_patients=own_patients,
        pictures=list(pictures(evidence)),
        left_out=len(contents.methods) - len(evidence.methods),
        coarse=longest_side < COARSE,
    )


def read_slices(contents: Contents) -> SliceEvidence | None:
    """Read the evidence files; None if there are none."""
    stored = read_evidence(contents.folder, "slices", "slices.json")
    arrays = read_arrays(contents.folder, "slices", "slices.npz")
    if stored is None or arrays is None:
        return None
    regions = contents.description.volumes.regions
    return SliceEvidence(
        reference=stored["reference"],
        methods=stored["methods"],
        modalities=stored["modalities"],
        slices=records_of(SliceRecord, stored["slices"]),
        examples=records_of(ExampleRecord, stored["exhibits"]),
        dice=stored["dice"],
        arrays=arrays,
        unit=contents.description.unit,
        regions=[(name, regions[name]) for name in by_size(regions)],
    )


def shared_patients(evidence: SliceEvidence) -> dict[str, list[SliceRow]]:
    """Return all methods on the slices of the reference's best, median and worst patient.

    Returns:
        {heading that names the patient: a row for each slice of the patient}.
    """
    rows: dict[str, list[SliceRow]] = {}
    reference = evidence.reference
    for example in evidence.examples_of(reference):
        patient = evidence.slices[example.slice].patient
        role = sentence_case(example.role)
        dice = decimal(example.mean_dice, 2)
        name = f"{evidence.unit} {patient}"
        title = f"{role} {evidence.unit} of {reference}: {name} (mean Dice {dice})"
        figures = [
            *plain_figures(evidence, example.slice),
            *method_figures(evidence, example.slice, evidence.methods),
        ]
        rows.setdefault(title, []).append(SliceRow(REASONS[example.reason], figures))
    return rows


def own_figures(evidence: SliceEvidence, method: str) -> Iterator[SliceFigure]:
    """Yield a method on the slices of its own best, median and worst patient."""
    for example in evidence.examples_of(method):
        patient = evidence.slices[example.slice].patient
        note = f"{example.reason}; mean Dice {decimal(example.mean_dice, 2)}"
        caption = f"{sentence_case(example.role)}: {evidence.unit} {patient}"
        for figure in method_figures(evidence, example.slice, [method]):
            yield replace(figure, method=None, caption=caption, note=note)


def plain_figures(evidence: SliceEvidence, i: int) -> Iterator[SliceFigure]:
    """Yield slice `i` without outlines in each modality, then with those of the experts."""
    for m, modality in enumerate(evidence.modalities):
        yield slice_figure(evidence, i, modality, "no outlines", modality=m)
    truth_outlines = region_outlines(evidence, evidence.truth(i), TRUTH)
    yield slice_figure(evidence, i, "The experts", "dashed", outlines=truth_outlines)


def method_figures(
    evidence: SliceEvidence, i: int, methods: Sequence[str]
) -> Iterator[SliceFigure]:
    """Yield slice `i` with the outlines of each method over those of the experts."""
    patient = str(evidence.slices[i].patient)
    truth_outlines = region_outlines(evidence, evidence.truth(i), TRUTH)
    for method in methods:
        codes = evidence.label_map(i, method)
        if codes is None:
            continue
        dice = evidence.dice[method][patient]
        scores = [f"{region} {decimal(dice[region], 2)}" for region, _ in evidence.regions]
        note = f"Dice {', '.join(scores)}"
        outlines = [*truth_outlines, *region_outlines(evidence, codes, "")]
        yield slice_figure(evidence, i, method, note, method=method, outlines=outlines)


def slice_figure(
    evidence: SliceEvidence,
    i: int,
    caption: str,
    note: str,
    *,
    modality: int = 0,
    method: str | None = None,
    outlines: Sequence[RegionOutline] = (),
) -> SliceFigure:
    """Return the figure of slice `i`; `modality` is the index of the one below the outlines."""
    record = evidence.slices[i]
    height, width = evidence.truth(i).shape
    return SliceFigure(
        caption=caption,
        note=note,
        method=method,
        text=f"Slice {record.z} of {evidence.unit} {record.patient}, {caption}: {note}",
        picture=picture_id(i, modality),
        outlines=outlines,
        width=width,
        height=round(height * record.ratio, 2),
        ratio=record.ratio,
    )


def region_outlines(evidence: SliceEvidence, codes: Codes, dash: str) -> list[RegionOutline]:
    """Return the outline of every region that a label map (h, w) contains."""
    outlines = []
    for name, region_codes in evidence.regions:
        path = outline(np.isin(codes, region_codes))
        if path:
            outlines.append(RegionOutline(path, Style(evidence.styles[name].color, dash)))
    return outlines


def pictures(evidence: SliceEvidence) -> Iterator[SlicePicture]:
    """Yield every picture that a figure refers to, once.

    Slices that only one method is shown on need only the first modality.
    """
    shared = {example.slice for example in evidence.examples_of(evidence.reference)}
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
