"""The values in label files, and what they mean."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.data.volumes.file import VolumeFile
from equipoise.data.volumes.labels import (
    LABEL_SCHEMES,
    encode,
    find_scheme,
    guess_scheme,
    label_values,
    plain,
)
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import plain_geometry


def file(values: Any) -> VolumeFile:
    array = np.array(values).reshape(1, 1, -1)
    geometry = plain_geometry(array.shape)
    return VolumeFile(path=Path("seg.nii.gz"), array=array, geometry=geometry)


@pytest.mark.parametrize(
    ("cases", "name"),
    [
        (((0, 1, 2, 3, 4),), "brats2013"),
        (((3, 4), (1, 2, 4), (1, 2)), "brats2013"),
        (((0, 1, 2, 4),), "brats2017"),
        (((4,), (0, 1), ()), "brats2017"),
        (((0, 1),), "plain"),
        (((0, 1), (2,)), "plain"),
        (((0, 3, 7),), "plain"),
        (((0, 4, 7),), "plain"),
        (((1, 2, 3), (5,)), "plain"),
    ],
)
def test_guesses(cases: tuple[tuple[int, ...], ...], name: str) -> None:
    scheme = guess_scheme({f"p{i}": values for i, values in enumerate(cases)})
    assert scheme.name == name
    assert {0}.union(*cases) <= set(scheme.values)
    assert scheme.values[0] == 0


@pytest.mark.parametrize("cases", [((1, 2, 3),), ((3,),), ((1, 2), (0, 3), ())])
def test_values_of_several_schemes_are_not_guessed(cases: tuple[tuple[int, ...], ...]) -> None:
    """Of BraTS 2023, the Decathlon, or a heart."""
    with pytest.raises(
        DataError, match=r"--labels.*brats2023 .*2 edema.*msd_brain .*1 edema.*brats2013.*plain"
    ):
        guess_scheme({f"p{i}": values for i, values in enumerate(cases)})


def test_cases_of_two_years_are_named() -> None:
    cases = {"a": (1, 2, 3), "b": (1, 2, 4), "c": (1, 2), "d": (1, 3, 4)}
    with pytest.raises(
        DataError, match=r"4 in some cases \(b, d\) .*\(a\).*--labels\)?: brats2013"
    ):
        guess_scheme(cases)


def test_no_tumor_anywhere_is_refused() -> None:
    with pytest.raises(DataError, match="only 0"):
        guess_scheme({"p1": {0}, "p2": ()})


def test_values_become_codes() -> None:
    codes = encode(file([0.0, 4.0, 2.0, 1.0]), LABEL_SCHEMES["brats2017"], "p1")
    assert codes.dtype == np.uint8
    assert codes.ravel().tolist() == [0, 3, 2, 1]
    assert encode(file([0, 255, 9]), plain((0, 9, 255)), "p1").ravel().tolist() == [0, 2, 1]


def test_values_outside_the_table_are_named_with_the_schemes_that_fit() -> None:
    message = r"p1: .* 0, 1, 2, 4 of 'brats2017' in seg.nii.gz, .* 3\. .* brats2013, plain"
    with pytest.raises(DataError, match=message):
        encode(file([0, 3, 4]), LABEL_SCHEMES["brats2017"], "p1")
    with pytest.raises(DataError, match=r" 7\. .*: plain\."):
        encode(file([0, 7]), LABEL_SCHEMES["brats2013"], "p1")


@pytest.mark.parametrize("wrong", [0.5, -1, 256, np.nan, np.inf])
def test_values_that_are_not_labels_are_refused(wrong: float) -> None:
    with pytest.raises(DataError, match=rf"p1: .* 255 .*seg.nii.gz, got {wrong:g}\. "):
        label_values(file([0, 1, wrong]), "p1")


def test_a_long_list_is_cut() -> None:
    with pytest.raises(DataError, match=r"got 0.5, 1.5, .*7.5, \.\.\.\. "):
        label_values(file(np.arange(100) + 0.5), "p1")


# ---- schemes ----


@pytest.mark.parametrize(
    ("name", "regions"),
    [
        ("brats2013", {"whole": {1, 2, 3, 4}, "core": {1, 3, 4}, "active": {4}}),
        ("brats2017", {"whole": {1, 2, 4}, "core": {1, 4}, "active": {4}}),  # merges 1 and 3
        ("msd_brain", {"whole": {1, 2, 3}, "core": {2, 3}, "active": {3}}),  # 1 is edema there
        ("brats2023", {"whole": {1, 2, 3}, "core": {1, 3}, "active": {3}}),
    ],
)
def test_regions_as_values_of_label_files(name: str, regions: dict[str, set[int]]) -> None:
    scheme = LABEL_SCHEMES[name]
    assert {
        key: {scheme.values[code] for code in codes} for key, codes in scheme.regions.items()
    } == regions
    edema = scheme.values[scheme.class_names.index("edema")]
    assert edema in regions["whole"] - regions["core"]
    assert scheme.class_names[scheme.regions["active"][0]] == "enhancing"


@pytest.mark.parametrize("name", LABEL_SCHEMES)
def test_schemes_are_whole(name: str) -> None:
    scheme = LABEL_SCHEMES[name]
    assert scheme.name == name
    assert len(scheme.values) == len(set(scheme.values)) == len(scheme.class_names)
    assert (scheme.values[0], scheme.class_names[0]) == (0, "healthy")
    assert scheme.summary.startswith("0 healthy, 1 ")


def test_plain_values_are_classes_and_regions() -> None:
    scheme = plain([0, 3, 7])
    assert scheme.class_names == ("healthy", "label 3", "label 7")
    assert scheme.regions == {"label 3": (1,), "label 7": (2,)}
    for wrong in ([0], [0, 1, 1]):
        with pytest.raises(DataError, match=r"two .*label values.*\[0"):
            plain(wrong)


def test_a_stored_scheme_is_found_by_name_or_built_from_its_values() -> None:
    for name, scheme in LABEL_SCHEMES.items():
        assert find_scheme(name, scheme.values) is scheme
    assert find_scheme("plain", [0, 5]).values == (0, 5)
