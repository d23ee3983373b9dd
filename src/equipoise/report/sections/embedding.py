"""Real training, real held-out and synthetic images on one map, and how well they mix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from equipoise.report.evidence_files import Arrays, read_arrays, read_evidence, records_of
from equipoise.report.formatting import plural
from equipoise.report.run_contents import Contents

Points = NDArray[np.float32]  # (n, 2)

HEADING = "Real and synthetic images on one map"
ORDER = 70
SHAPES = {  # part -> outline and color
    "training": ("M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "#6b7280"),
    "held-out": ("M-3.6-3.6h7.2v7.2h-7.2z", "#0072b2"),
    "synthetic": ("M0-4.8L4.6 3.6h-9.2z", "#d55e00"),
}
PARTS = tuple(SHAPES)
PAIRS = (("synthetic", "held-out"), ("synthetic", "training"), ("held-out", "training"))


@dataclass(frozen=True)
class Mark:
    """How a group of points looks.

    Attributes:
        name: Text of the legend.
        key: Name of its SVG marker.
        path: Outline in a box from -5 to 5.
        color: Color; never the only sign.
        filled: Whether it is filled.
    """

    name: str
    key: str
    path: str
    color: str
    filled: bool


@dataclass(frozen=True)
class Cloud:
    """Points of one mark, as the `points` of an SVG polyline that shows nothing but its markers."""

    mark: Mark
    points: str


@dataclass(frozen=True)
class Scatter:
    """One chart, without axes: the coordinates of an embedding mean nothing by themselves."""

    SIDE: ClassVar[int] = 320
    MARGIN: ClassVar[int] = 8

    title: str
    text: str
    clouds: Sequence[Cloud]


@dataclass(frozen=True, kw_only=True)
class NeighborMixing:
    """How often the nearest neighbor is of the other kind, as `embedding.json` stores it.

    Attributes:
        method: Method that generated the synthetic images.
        label: Class.
        one: Kind of images: "synthetic" or "held-out".
        other: The other kind: "held-out" or "training".
        share: Share of the images whose nearest neighbor is of the other kind, 0 to 1.
        chance: The share expected if nothing distinguishes the two kinds.
        n: Images.
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
    """A pair of kinds in the table."""

    share: str
    chance: str
    n: str


@dataclass(frozen=True)
class MixingRow:
    """A method and class in the table; a pair is None where a kind has no images."""

    method: str
    label: str
    pairs: Sequence[MixingCell | None]


@dataclass(frozen=True, kw_only=True)
class EmbeddingView:
    """What the template of this section shows."""

    marks: Sequence[Mark]
    charts: Sequence[Scatter]
    rows: Sequence[MixingRow]
    judge: str
    split: str
    seed: int
    most: int
    perplexity: str


def view(contents: Contents) -> EmbeddingView | None:
    """Return charts, their legend and the table; None where no method generated images."""
    evidence = read_evidence(contents.folder, "embedding", "embedding.json")
    columns = read_arrays(contents.folder, "embedding", "coordinates.npz")
    if evidence is None or columns is None:
        return None
    marks = all_marks(contents.rare_class)
    charts = []
    for code, method in enumerate(evidence["methods"]):
        charts.append(map_of_method(method, code, columns, contents.results.rare_class, marks))
    return EmbeddingView(
        marks=marks,
        charts=charts,
        rows=mixing_rows(records_of(NeighborMixing, evidence["mixing"]), contents.class_names),
        judge=evidence["judge"],
        split=evidence["split"],
        seed=evidence["seed"],
        most=evidence["most"],
        perplexity=f"{evidence['settings']['perplexity']:.3g}",
    )


def all_marks(rare_class: str) -> list[Mark]:
    """Return the six marks: three parts, filled for the rare class and hollow for all others."""
    marks = []
    for filled in (True, False):
        for part, (path, color) in SHAPES.items():
            part_name = part if part == "synthetic" else f"real {part}"
            name = f"{part_name}, {rare_class if filled else 'other classes'}"
            marks.append(Mark(name, f"{part}-{int(filled)}", path, color, filled))
    return marks


def map_of_method(
    method: str, code: int, columns: Arrays, rare_label: int, marks: Sequence[Mark]
) -> Scatter:
    """Return the chart of all real images and those of one method; all charts share one scale.

    Args:
        method: Name of the method.
        code: Its number in the column "method"; real images have -1.
        columns: "points" (n, 2), "part" (n,), "label" (n,) and "method" (n,).
        rare_label: The class with filled marks.
        marks: As `all_marks` returns them.
    """
    in_chart = (columns["method"] < 0) | (columns["method"] == code)
    is_rare = columns["label"] == rare_label
    groups: list[tuple[Mark, Points]] = []
    counts: list[str] = []
    for mark in sorted(marks, key=lambda mark: mark.filled):  # filled ones are drawn on top
        part = PARTS.index(mark.key.rpartition("-")[0])
        selected = in_chart & (is_rare == mark.filled) & (columns["part"] == part)
        points = columns["points"][selected]
        groups.append((mark, points))
        if len(points):
            counts.append(f"{len(points):,} {mark.name}")
    text = f"Map of real images and those of {method}: {', '.join(counts)}"
    return scatter(method, text, groups, columns["points"])


def scatter(
    title: str, text: str, groups: Sequence[tuple[Mark, Points]], extent: Points
) -> Scatter:
    """Place groups of points; charts with the same `extent` can be laid over one another.

    Args:
        title: Heading.
        text: Description for readers who do not see the chart.
        groups: Marks and their points, the last on top.
        extent: (n, 2) points that the chart has room for, its scale the same on both axes.
    """
    low = extent.min(axis=0)
    span = float((extent.max(axis=0) - low).max()) or 1.0
    room = Scatter.SIDE - 2 * Scatter.MARGIN
    clouds = []
    for mark, points in groups:
        places = Scatter.MARGIN + (points - low) / span * room  # (n, 2), y upward
        path = " ".join(f"{x:.0f},{Scatter.SIDE - y:.0f}" for x, y in places.tolist())
        if path:
            clouds.append(Cloud(mark, path))
    return Scatter(title, text, clouds)


def mixing_rows(mixings: Sequence[NeighborMixing], class_names: Sequence[str]) -> list[MixingRow]:
    """Return a row for each method and class, with its pairs of kinds side by side."""
    rows: dict[tuple[str, int], dict[tuple[str, str], MixingCell | None]] = {}
    for mixing in mixings:
        empty: Mapping[tuple[str, str], MixingCell | None] = dict.fromkeys(PAIRS)
        row = rows.setdefault((mixing.method, mixing.label), dict(empty))
        row[mixing.one, mixing.other] = MixingCell(
            share=f"{mixing.share:.0%}",
            chance=f"{mixing.chance:.0%} expected",
            n=plural(mixing.n, "image"),
        )
    table = []
    for (method, label), row in rows.items():
        table.append(MixingRow(method, class_names[label], list(row.values())))
    return table
