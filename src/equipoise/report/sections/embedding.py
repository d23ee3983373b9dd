"""The report section with a map (t-SNE) of real and synthetic images, and how well they mix.

It shows `embedding.json` and `coordinates.npz`, which `equipoise.evidence.kinds.embedding` writes.
Every image belongs to a part: real training, real held-out or synthetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from equipoise.report.evidence_files import Arrays, read_arrays, read_evidence, records_of
from equipoise.report.formatting import plural
from equipoise.report.run_contents import Contents

Points = NDArray[np.float32]  # (n, 2)

HEADING = "Real and synthetic images on one map"
ORDER = 70  # sections are sorted by it
SHAPES = {  # part -> outline and color, in the order of the codes in coordinates.npz
    "training": ("M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "#6b7280"),
    "held-out": ("M-3.6-3.6h7.2v7.2h-7.2z", "#0072b2"),
    "synthetic": ("M0-4.8L4.6 3.6h-9.2z", "#d55e00"),
}
PARTS = tuple(SHAPES)
# Columns of the table.
PAIRS = (("synthetic", "held-out"), ("synthetic", "training"), ("held-out", "training"))


@dataclass(frozen=True)
class Mark:
    """How the images of one part look, those of the rare class or those of the others.

    Attributes:
        part: One of `PARTS`.
        filled: True for the rare class, False for the others.
        name: Text of the legend.
        path: SVG path of the outline, in a box from -5 to 5; each part has its own.
        color: Of the outline, and of the inside if filled.
    """

    part: str
    filled: bool
    name: str
    path: str
    color: str

    @property
    def key(self) -> str:
        """Id of the SVG marker."""
        return f"{self.part}-{int(self.filled)}"


@dataclass(frozen=True)
class Cloud:
    """Points with the same mark: `points` of an SVG polyline that shows only its markers."""

    mark: Mark
    points: str


@dataclass(frozen=True)
class Scatter:
    """One chart; it has no axes, because the coordinates of an embedding have no meaning.

    Attributes:
        title: Heading.
        text: Description for readers who do not see the chart.
        clouds: What is drawn, the last on top.
    """

    SIDE: ClassVar[int] = 320
    MARGIN: ClassVar[int] = 8

    title: str
    text: str
    clouds: Sequence[Cloud]


@dataclass(frozen=True, kw_only=True)
class NeighborMixing:
    """How often the nearest neighbor of an image is in the other of two parts.

    The fields are the keys of `mixing` in embedding.json.

    Attributes:
        method: Method that generated the synthetic images.
        label: Class of all images.
        one: The first part: "synthetic" or "held-out".
        other: The second part: "held-out" or "training".
        share: Share of the images of both whose nearest neighbor is in the other part, 0 to 1.
        chance: The share expected if nothing distinguishes the two parts.
        n: Number of images of both.
    """

    method: str
    label: int
    one: str
    other: str
    share: float
    chance: float
    n: int


@dataclass(frozen=True)
class MixingCell:
    """A pair of parts in the table, formatted."""

    share: str
    chance: str
    n: str


@dataclass(frozen=True)
class MixingRow:
    """A method and class in the table; its `PAIRS`, None where a part has no images."""

    method: str
    label: str
    pairs: Sequence[MixingCell | None]


@dataclass(frozen=True, kw_only=True)
class EmbeddingView:
    """What the template of this section shows.

    Attributes:
        marks: The legend.
        charts: One for each method.
        rows: The table.
        feature_method: Method whose classifier computes the features that are embedded.
        split: Split of that classifier.
        seed: Its seed.
        max_images: Most images of a part and method.
        perplexity: Of t-SNE.
    """

    marks: Sequence[Mark]
    charts: Sequence[Scatter]
    rows: Sequence[MixingRow]
    feature_method: str
    split: str
    seed: int
    max_images: int
    perplexity: str


def view(contents: Contents) -> EmbeddingView | None:
    """Return charts, legend and table; None if there is no evidence of this kind."""
    evidence = read_evidence(contents.folder, "embedding", "embedding.json")
    columns = read_arrays(contents.folder, "embedding", "coordinates.npz")
    if evidence is None or columns is None:
        return None
    marks = all_marks(contents.rare_class)
    rare_label = contents.results.rare_class
    charts = []
    for method_code, method in enumerate(evidence["methods"]):
        charts.append(method_chart(method, method_code, columns, rare_label, marks))
    return EmbeddingView(
        marks=marks,
        charts=charts,
        rows=mixing_rows(records_of(NeighborMixing, evidence["mixing"]), contents.class_names),
        feature_method=evidence["judge"],
        split=evidence["split"],
        seed=evidence["seed"],
        max_images=evidence["most"],
        perplexity=f"{evidence['settings']['perplexity']:.3g}",
    )


def all_marks(rare_class: str) -> list[Mark]:
    """Return six marks: each part, filled for the rare class and hollow for the others."""
    marks = []
    for filled in (True, False):
        for part, (path, color) in SHAPES.items():
            part_name = part if part == "synthetic" else f"real {part}"
            name = f"{part_name}, {rare_class if filled else 'other classes'}"
            marks.append(Mark(part, filled, name, path, color))
    return marks


def method_chart(
    method: str, method_code: int, columns: Arrays, rare_label: int, marks: Sequence[Mark]
) -> Scatter:
    """Return the chart of all real images and those of one method; all charts share one scale.

    Args:
        method: Name of the method.
        method_code: Its code in the column "method"; real images have -1.
        columns: "points" (n, 2), "part" (n,) indices in `PARTS`, "label" (n,) and "method" (n,).
        rare_label: The class with filled marks.
        marks: As `all_marks` returns them.
    """
    in_chart = (columns["method"] < 0) | (columns["method"] == method_code)
    is_rare = columns["label"] == rare_label
    groups: list[tuple[Mark, Points]] = []
    counts: list[str] = []
    for mark in sorted(marks, key=lambda mark: mark.filled):  # filled ones are drawn on top
        in_part = columns["part"] == PARTS.index(mark.part)
        selected = in_chart & in_part & (is_rare == mark.filled)
        points = columns["points"][selected]
        groups.append((mark, points))
        if len(points):
            counts.append(f"{len(points):,} {mark.name}")
    text = f"Map of real images and those of {method}: {', '.join(counts)}"
    return scatter(method, text, groups, columns["points"])


def scatter(
    title: str, text: str, groups: Sequence[tuple[Mark, Points]], extent: Points
) -> Scatter:
    """Scale points to a square chart; charts of the same `extent` place equal points alike.

    Args:
        title: Heading.
        text: Description for readers who do not see the chart.
        groups: Marks and their points, the last on top.
        extent: (n, 2) points that have to fit into the chart; both axes have the same scale.
    """
    low = extent.min(axis=0)
    span = float((extent.max(axis=0) - low).max()) or 1.0
    width = Scatter.SIDE - 2 * Scatter.MARGIN
    clouds = []
    for mark, points in groups:
        scaled = Scatter.MARGIN + (points - low) / span * width  # (n, 2), y upward
        svg_points = " ".join(f"{x:.0f},{Scatter.SIDE - y:.0f}" for x, y in scaled.tolist())
        if svg_points:
            clouds.append(Cloud(mark, svg_points))
    return Scatter(title, text, clouds)


def mixing_rows(mixings: Sequence[NeighborMixing], class_names: Sequence[str]) -> list[MixingRow]:
    """Return a row for each method and class, with the `PAIRS` of parts side by side."""
    cells_of: dict[tuple[str, int], dict[tuple[str, str], MixingCell]] = {}
    for mixing in mixings:
        cells = cells_of.setdefault((mixing.method, mixing.label), {})
        cells[mixing.one, mixing.other] = MixingCell(
            share=f"{mixing.share:.0%}",
            chance=f"{mixing.chance:.0%} expected",
            n=plural(mixing.n, "image"),
        )
    table = []
    for (method, label), cells in cells_of.items():
        table.append(MixingRow(method, class_names[label], [cells.get(pair) for pair in PAIRS]))
    return table
