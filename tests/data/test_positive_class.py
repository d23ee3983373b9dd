"""The positive class where nobody names one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.data.positive_class import (
    REQUESTED,
    default_positive_class,
    positive_class_reason,
    sounds_healthy,
)

HEALTHY = (
    "normal|Normal|NORM|wnl|healthy|healthy_control|HC|control|benign|normal, benign|nevus|"
    "melanocytic nevi|nv|negative|Negative for malignancy|covid-negative|no finding|No_Finding|"
    "NoFinding|notumor|no_tumor|No_DR|tumor-free|without lesion|noncovid|NonDemented|Uninfected|"
    "none|grade 0|KL0|0_normal|normal_columnar|unauffällig|sano|gesund|False|no"
)
NOT_HEALTHY = (
    "abnormal|not normal|non-normal|atypical nevus|triple negative|mel|melanoma|covid|Parasitized|"
    "nodule|non-small-cell|MildDemented|grade 1|unspecific|free fluid|0|7|carcinoma_in_situ"
)


@pytest.mark.parametrize("name", HEALTHY.split("|"))
def test_names_of_health_are_recognized(name: str) -> None:
    assert sounds_healthy(name)


@pytest.mark.parametrize("name", NOT_HEALTHY.split("|"))
def test_other_names_are_not_taken_for_health(name: str) -> None:
    assert not sounds_healthy(name)


@pytest.mark.parametrize(
    "pair",
    [("0", "1"), ("-", "+"), ("B", "M"), ("non-ectatic", "ectatic"), ("healthy", "unhealthy")],
)
def test_the_other_class_tells_what_a_name_means(pair: tuple[str, str]) -> None:
    assert sounds_healthy(pair[0], pair)
    assert not sounds_healthy(pair[1], pair)


@pytest.mark.parametrize("name", ["0", "-", "B", "non-ectatic"])
def test_among_other_classes_such_a_name_means_nothing(name: str) -> None:
    assert not sounds_healthy(name, (name, "something", "else"))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"normal": 5, "pneumonia": 20}, "pneumonia"),
        ({"normal": 5, "nevus": 6, "mel": 30, "bcc": 20}, "bcc"),
        ({"normal": 50, "pneumonia": 20}, "pneumonia"),
        ({"benign": 5, "normal": 4}, "normal"),
        ({"a": 5, "b": 5}, "a"),
        ({"a": 0, "b": 5, "normal": 2}, "b"),
        ({"0": 3, "1": 5}, "1"),
        ({"0.0": 30, "1.0": 50}, "1.0"),
        ({"basophil": 3, "monocyte": 20, "neutrophil": 90}, "monocyte"),
        ({"basophil": 3, "normal": 90}, "basophil"),
    ],
)
def test_the_rarest_class_that_does_not_sound_healthy_is_chosen(
    counts: dict[str, int], expected: str
) -> None:
    names = list(counts)
    positive = default_positive_class(names, np.array(list(counts.values())))
    assert names[positive] == expected


def test_the_reason_names_the_smaller_healthy_classes() -> None:
    names, counts = ("mel", "normal", "nevus"), (30, 5, 6)
    reason = positive_class_reason(names, counts, 0)
    assert "normal, nevus" in reason
    assert positive_class_reason(names, (3, 5, 6), 0) == "the smallest"
    assert positive_class_reason(names, counts, 1) == REQUESTED
    few = positive_class_reason(("mel", "bcc", "nevus"), (30, 3, 6), 0)
    assert "nevus, which sounds healthy, and bcc, which has too few" in few


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(), st.integers(0, 9)), min_size=1, unique_by=lambda c: c[0]))
def test_an_occurring_class_is_chosen_whatever_the_names_are(
    classes: list[tuple[str, int]],
) -> None:
    names = [name for name, _ in classes]
    counts = np.array([n for _, n in classes])
    counts[0] += 1
    assert counts[default_positive_class(names, counts)] > 0
