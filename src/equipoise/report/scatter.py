"""Scatter charts: groups of points told apart by shape and color, and filled or hollow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

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


def scatter(title: str, text: str, groups: Sequence[tuple[Mark, Points]], extent: Points) -> Scatter:
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
    clouds = [Cloud(mark, _written(Scatter.MARGIN + (points - low) / span * room)) for mark, points in groups]
    return Scatter(title, text, [cloud for cloud in clouds if cloud.points])


def _written(places: Points) -> str:
    return " ".join(f"{x:.0f},{Scatter.SIDE - y:.0f}" for x, y in places.tolist())
