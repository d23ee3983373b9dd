"""Geometry: which differences count."""

from dataclasses import replace
from typing import Any

import pytest

from equipoise.data.volumes.geometry import Geometry

ONE = Geometry(
    shape=(4, 5, 6),
    spacing_mm=(3, 1, 2),
    origin=(0, -239, 1),
    direction=(1, 0, 0, 0, 1, 0, 0, 0, 1),
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ""),
        ({"origin": (0.0009, -239, 1)}, ""),
        ({"shape": (4, 5, 7)}, "shape (z, y, x) (4, 5, 6) and (4, 5, 7)"),
        ({"spacing_mm": (3, 1, 2.002)}, "spacing_mm (3.0, 1.0, 2.0) and (3.0, 1.0, 2.002)"),
        ({"origin": (0, 239, 1)}, "origin (0.0, -239.0, 1.0) and (0.0, 239.0, 1.0)"),
        ({"direction": (-1, 0, 0, 0, 1, 0, 0, 0, 1)}, "direction (1.0, 0.0,"),
    ],
)
def test_differences(change: dict[str, Any], expected: str) -> None:
    difference = ONE.difference(replace(ONE, **change))
    assert difference.startswith(expected)
    assert bool(difference) == bool(expected)
