"""Classes, patients and splits of listed files."""

import re
from pathlib import Path

import numpy as np
import pytest

from equipoise.data.images.listing import (
    NO_PATIENTS,
    ListedImage,
    find_patients,
    first_few,
    list_images,
)
from equipoise.exceptions import DataError, ListingError

ROOT = Path("films")


def two_classes(n: int = 3, **fields: str) -> list[ListedImage]:
    return [
        ListedImage(file=f"{name}/{i}.png", label=name, **fields)
        for name in ("b", "a")
        for i in range(n)
    ]


def test_rows_are_sorted_and_numbered_whatever_their_order() -> None:
    listing = list_images(ROOT, two_classes())
    assert listing.class_names == ("a", "b")
    assert listing.files == ("a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png", "b/2.png")
    assert listing.labels.tolist() == [0, 0, 0, 1, 1, 1]
    again = list_images(ROOT, two_classes()[::-1])
    assert again.files == listing.files
    assert again.labels.tolist() == listing.labels.tolist()


def test_numbered_classes_are_sorted_as_numbers() -> None:
    rows = [
        ListedImage(file=f"{name}/{i}", label=name)
        for name in ("10", "2", "benign", "1")
        for i in range(2)
    ]
    assert list_images(ROOT, rows).class_names == ("1", "2", "10", "benign")


def test_patients_become_numbers_in_the_order_of_their_names() -> None:
    names = ("zoe", "adam", "adam", "zoe", "mia", "mia")
    rows = []
    for i, name in enumerate(names):
        rows.append(ListedImage(file=f"{i}", label="ab"[i % 2], patient=name))
    listing = list_images(ROOT, rows)
    assert listing.groups.tolist() == [2, 0, 0, 2, 1, 1]
    assert listing.notes == ()


def test_without_patients_every_image_is_a_patient_and_a_note_says_so() -> None:
    listing = list_images(ROOT, two_classes())
    assert listing.groups.tolist() == list(range(6))
    assert listing.notes == (NO_PATIENTS,)


def test_without_splits_there_are_none() -> None:
    assert list_images(ROOT, two_classes()).splits is None
    splits = list_images(ROOT, two_classes(split="train")).splits
    assert splits is not None
    np.testing.assert_array_equal(splits, ["train"] * 6)


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"2 classes in films, got 1: a\."):
        list_images(ROOT, two_classes()[3:])


def test_a_class_of_one_image_is_refused() -> None:
    with pytest.raises(DataError, match=r"2 images .* films, .*fewer of 'c' \(1\)\."):
        list_images(ROOT, [*two_classes(), ListedImage(file="c/1.png", label="c")])


def test_classes_of_one_name_or_of_a_missing_label_are_refused_together() -> None:
    rows = []
    for name in ("no finding", "No_Finding", "ill", "nan"):
        rows += [ListedImage(file=f"{name}/{i}", label=name) for i in range(2)]
    with pytest.raises(DataError, match=r"'No_Finding', 'no finding'[^\n]*\n.*'nan'"):
        list_images(ROOT, rows)


def test_a_class_that_is_never_trained_is_refused() -> None:
    rows = two_classes(split="train") + [
        ListedImage(file=f"c/{i}", label="c", split="test") for i in range(2)
    ]
    with pytest.raises(DataError, match=r"train split.* of c\."):
        list_images(ROOT, rows)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"p(\d+)", ["12", "7"]),
        (r"p\d+", ["p12", "p7"]),
        (r"(x\d)|p\d+", ["p12", "p7"]),
        (r"p(\d)(\d?)", ["1", "7"]),
    ],
)
def test_patient_is_the_first_group_or_the_match(pattern: str, expected: list[str]) -> None:
    assert find_patients(["p12_a.png", "day/p7_b.png"], pattern) == (expected, [])


def test_files_without_a_patient_are_named() -> None:
    patients, (fault,) = find_patients(["p12_a.png", "scan.png"], r"p(\d+)")
    assert patients == ["12", ""]
    assert re.search(r"--groups.* 1 of 2 .*scan\.png", fault)


def test_all_faults_of_classes_are_reported_together_with_their_names() -> None:
    images = [ListedImage(file=f"{i}.png", label=name) for i, name in enumerate("aab")]
    with pytest.raises(ListingError, match=r"no patient\.\n.*'b' \(1\)") as refused:
        list_images(Path("films"), images, problems=["no patient."])
    assert refused.value.class_names == ("a", "b")


def test_first_few_counts_the_rest() -> None:
    assert first_few(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert first_few(["a"]) == "a"
