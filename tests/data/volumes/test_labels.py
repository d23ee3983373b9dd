"""The numbers in label files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.data.volumes.file import VolumeFile
from equipoise.data.volumes.labels import LABEL_SCHEMES, encode, guess_scheme, label_values, plain
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import plain_geometry


def file(values: Any) -> VolumeFile:
    array = np.array(values).reshape(1, 1, -1)
    geometry = plain_geometry(array.shape)
    return VolumeFile(path=Path("seg.nii.gz"), array=array, geometry=geometry)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((0, 1, 2, 3, 4), "brats2013"),
        ((0, 3, 4), "brats2013"),
        ((0, 1, 2, 4), "brats2017"),
        ((4,), "brats2017"),
        ((0, 1, 2, 3), "msd_brain"),
        ((0, 1), "plain"),
        ((0, 1, 2), "plain"),
        ((0, 3, 7), "plain"),
        ((0, 4, 7), "plain"),
    ],
)
def test_guesses(values: tuple[int, ...], name: str) -> None:
    scheme = guess_scheme(values)
    assert scheme.name == name
    assert set(values) <= set(scheme.values)
    assert scheme.values[0] == 0


def test_no_tumor_anywhere_is_refused() -> None:
    with pytest.raises(DataError, match="got only 0 in all of them"):
        guess_scheme({0})


def test_values_become_codes() -> None:
    codes = encode(file([0.0, 4.0, 2.0, 1.0]), LABEL_SCHEMES["brats2017"], "p1")
    assert codes.dtype == np.uint8
    assert codes.ravel().tolist() == [0, 3, 2, 1]
    assert encode(file([0, 255, 9]), plain((0, 9, 255)), "p1").ravel().tolist() == [0, 2, 1]


def test_values_outside_the_table_are_named_with_the_schemes_that_fit() -> None:
    message = r"Case p1: expected the label values 0, 1, 2, 4 of 'brats2017' in seg.nii.gz, got also 3\. .* "
    with pytest.raises(DataError, match=message + "brats2013, plain"):
        encode(file([0, 3, 4]), LABEL_SCHEMES["brats2017"], "p1")
    with pytest.raises(DataError, match=r"got also 7\. Schemes that fit all its values: plain\."):
        encode(file([0, 7]), LABEL_SCHEMES["brats2013"], "p1")


@pytest.mark.parametrize("wrong", [0.5, -1, 256, np.nan, np.inf])
def test_what_is_no_label_is_refused(wrong: float) -> None:
    with pytest.raises(
        DataError, match=rf"Case p1: expected whole numbers .*seg.nii.gz, got {wrong:g}\. "
    ):
        label_values(file([0, 1, wrong]), "p1")


def test_a_long_list_is_cut() -> None:
    with pytest.raises(DataError, match=r"got 0.5, 1.5, .*7.5, \.\.\.\. If it was interpolated"):
        label_values(file(np.arange(100) + 0.5), "p1")
