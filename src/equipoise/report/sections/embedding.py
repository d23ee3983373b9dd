"""Real training, real held-out and synthetic images in one drawing, and how well they mix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import read_json
from equipoise.evidence.gathering import stored
from equipoise.report.formatting import plural
from equipoise.report.run_contents import Contents

Points = NDArray[np.float32]  # (n, 2)


@dataclass(frozen=True)
class Mark:
    """How a group of points looks.

    Attributes:
        name: What it is.
        key: Name of its SVG marker.
        path: Its outline in a box from -5 to 5.
        color: Its color; never the only sign.
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


def scatter(
    title: str, text: str, groups: Sequence[tuple[Mark, Points]], extent: Points
) -> Scatter:
    """Place groups of points; charts with the same `extent` can be laid over one another.

    Args:
        title: Heading.
        text: The chart in words.
        groups: What is drawn, the last on top.
        extent: (n, 2) points that the chart has room for, its scale the same on both axes.
    """
    low = extent.min(axis=0)
    span = float((extent.max(axis=0) - low).max()) or 1.0
    room = Scatter.SIDE - 2 * Scatter.MARGIN
    clouds = [
        Cloud(mark, _written(Scatter.MARGIN + (points - low) / span * room))
        for mark, points in groups
    ]
    return Scatter(title, text, [cloud for cloud in clouds if cloud.points])


def _written(places: Points) -> str:
    return " ".join(f"{x:.0f},{Scatter.SIDE - y:.0f}" for x, y in places.tolist())


HEADING = "Real and synthetic images on one map"
ORDER = 70
SHAPES = {  # part -> outline and color
    "training": ("M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "#6b7280"),
    "held-out": ("M-3.6-3.6h7.2v7.2h-7.2z", "#0072b2"),
    "synthetic": ("M0-4.8L4.6 3.6h-9.2z", "#d55e00"),
}
PARTS = tuple(SHAPES)
PAIRS = (("synthetic", "held-out"), ("synthetic", "training"), ("held-out", "training"))


def view(contents: Contents) -> dict[str, Any] | None:
    """Give charts, their legend and the table of numbers; None where no method made images."""
    facts, points = (
        stored(contents.folder, "embedding", f) for f in ("embedding.json", "coordinates.npz")
    )
    if facts is None or points is None:
        return None
    found = read_json(facts)
    with np.load(points, allow_pickle=False) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    rare = contents.results.rare_class
    return {
        "marks": _marks(contents.rare_class),
        "charts": [
            _chart(name, i, columns, rare, contents.rare_class)
            for i, name in enumerate(found["methods"])
        ],
        "rows": _rows(found["mixing"], contents.class_names),
        "judge": found["judge"],
        "split": found["split"],
        "seed": found["seed"],
        "most": found["most"],
        "perplexity": f"{found['settings']['perplexity']:.3g}",
    }


def _marks(rare: str) -> list[Mark]:
    """List the six marks: three parts, the rare class filled and all others hollow."""
    return [
        Mark(
            f"{_named(part)}, {rare if filled else 'other classes'}",
            f"{part}-{int(filled)}",
            *shape,
            filled,
        )
        for filled in (True, False)
        for part, shape in SHAPES.items()
    ]


def _named(part: str) -> str:
    return part if part == "synthetic" else f"real {part}"


def _chart(
    name: str, method: int, columns: Mapping[str, Any], rare: int, rare_name: str
) -> Scatter:
    """Draw the real images and those of one method; the map is the same in every chart."""
    shown = (columns["method"] < 0) | (columns["method"] == method)
    groups: list[tuple[Mark, Points]] = []
    for mark in sorted(_marks(rare_name), key=lambda mark: mark.filled):
        part, filled = mark.key.rsplit("-", 1)
        of_class = (columns["label"] == rare) == bool(int(filled))
        groups.append(
            (mark, columns["points"][shown & of_class & (columns["part"] == PARTS.index(part))])
        )
    counts = ", ".join(f"{len(points):,} {mark.name}" for mark, points in groups if len(points))
    return scatter(
        name, f"Map of real images and those of {name}: {counts}", groups, columns["points"]
    )


def _rows(mixings: Sequence[Mapping[str, Any]], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Lay the pairs of a method and class side by side."""
    rows: dict[tuple[str, int], dict[tuple[str, str], Any]] = {}
    for one in mixings:
        row = rows.setdefault((one["method"], one["label"]), dict.fromkeys(PAIRS))
        row[one["one"], one["other"]] = {
            "share": f"{one['share']:.0%}",
            "chance": f"{one['chance']:.0%} expected",
            "n": plural(one["n"], "image"),
        }
    return [
        {"method": method, "label": class_names[label], "pairs": list(row.values())}
        for (method, label), row in rows.items()
    ]
