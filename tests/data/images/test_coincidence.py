"""Properties of files that tell classes apart are said."""

import numpy as np
import pytest

from equipoise.data.images.coincidence import describe_coincidence
from equipoise.data.images.file import Header
from equipoise.runs.description import COINCIDENCE

GRAY = Header(1, np.dtype(np.uint8), 30, 30, False)


@pytest.mark.parametrize(
    ("suffix", "other", "word"),
    [
        (".jpg", GRAY, "JPEG"),
        (".png", GRAY._replace(channels=3), "in color"),
        (".png", GRAY._replace(width=40), "square"),
        (".png", GRAY._replace(height=60, width=60), "30 x 30 px"),
    ],
)
def test_a_property_of_one_class_is_said(suffix: str, other: Header, word: str) -> None:
    headers = {f"{i}.png": GRAY for i in range(6)}
    headers |= {f"ill{i}{suffix}": other for i in range(5)}
    (note,) = describe_coincidence(headers, ["well"] * 6 + ["ill"] * 5, is_color=True)
    assert word in note
    assert note.startswith(COINCIDENCE)  # by which a report knows it
    mixed = ["well", "ill"] * 5 + ["well"]
    assert describe_coincidence(headers, mixed, is_color=True) == ()
    few = ["well"] * 9 + ["ill"] * 2
    assert describe_coincidence(headers, few, is_color=True) == ()


def test_transparency_of_one_class_is_said() -> None:
    headers = {}
    for i in range(8):
        headers[f"{i}.png"] = Header(3, np.dtype(np.uint8), 30, 30, alpha=i < 4)
    (note,) = describe_coincidence(headers, "aaaabbbb", is_color=True)
    assert "4 of 4 images of a are stored with transparency" in note


def test_color_that_is_not_kept_is_not_said() -> None:
    headers = {f"{i}.png": GRAY._replace(channels=1 + 2 * (i > 5)) for i in range(12)}
    classes = ["well"] * 6 + ["ill"] * 6
    assert describe_coincidence(headers, classes, is_color=False) == ()
