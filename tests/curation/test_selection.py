from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from equipoise.curation.density_ratio import DensityRatio
from equipoise.curation.filters import Candidates
from equipoise.curation.reference import Reference
from equipoise.curation.selection import SelectionSettings, Tally, select_images

REAL = Reference(
    span=(0.0, 255.0),
    spread=10.0,
    features=np.array([[1000.0, 0.0]]),
    closest=1.0,
    ratio=DensityRatio(np.zeros(2), 0.0),
)


class Maker:
    """Generates images that contain their number, with given probabilities of the judge."""

    def __init__(self, agreement: Sequence[float], places: Sequence[float] | None = None) -> None:
        self.agreement = list(agreement)
        self.places = list(places or range(0, 9 * len(agreement), 9))
        self.requested: list[int] = []

    def __call__(self, n: int, round_: int, accepted: Any) -> Candidates:
        start = sum(self.requested)
        self.requested.append(n)
        rows = np.arange(start, start + n) % len(self.agreement)
        images = np.zeros((n, 1, 2, 2), dtype=np.uint8)
        images[:, 0, 0, :] = 200
        images[:, 0, 1, 1] = rows
        return Candidates(
            images=images,
            features=np.stack([np.array(self.places, dtype=float)[rows], np.zeros(n)], axis=1),
            agreement=np.array(self.agreement)[rows],
            tau=0.5,
            uniform=np.zeros(n),
            accepted=accepted,
        )


def select(
    n: int, make: Maker, *filters: str, rounds: int = 5, oversupply: float = 2.0
) -> tuple[list[int], Tally]:
    settings = SelectionSettings(filters=filters, oversupply=oversupply, rounds=rounds)
    images, tally = select_images(n, make, REAL, settings)
    assert len(images) == n
    return images[:, 0, 1, 1].tolist(), tally


def test_the_first_that_pass_are_selected_and_counted() -> None:
    make = Maker([0.9, 0.1, 0.8, 0.7, 0.2, 0.6])
    assert select(3, make, "sanity", "agreement") == (
        [0, 2, 3],
        Tally({"sanity": [6, 6], "agreement": [6, 4]}, 0),
    )
    assert make.requested == [6]


def test_more_are_generated_until_there_are_enough() -> None:
    make = Maker([0.9, 0.1, 0.1, 0.1, 0.8, 0.1, 0.7, 0.7])
    images, tally = select(3, make, "agreement")
    assert make.requested == [6, 2]
    assert images == [0, 4, 6]
    assert tally == Tally({"agreement": [8, 4]}, 0)


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_short_class_is_filled_up_with_the_best_dropped_images(rounds: int) -> None:
    make = Maker([0.1, 0.3, 0.2, 0.9, 0.4, 0.0])
    images, tally = select(3, make, "agreement", rounds=rounds, oversupply=2.0)
    n_passed = tally.counts["agreement"][1]
    assert n_passed == {1: 1, 3: 2}[rounds]
    assert tally.filled == 3 - n_passed
    assert images == {1: [3, 4, 1], 3: [3, 3, 4]}[rounds]


def test_images_that_passed_more_filters_fill_up_first_and_copies_last() -> None:
    """0 and 4 pass; 1 is like 0; 2 is a copy of a training image; 3 is of another class."""
    make = Maker([0.9, 0.9, 0.9, 0.1, 0.9], places=[0.0, 0.5, 1000.0, 20.0, 40.0])
    images, tally = select(
        5, make, "agreement", "memorization", "redundancy", rounds=1, oversupply=1.0
    )
    assert images == [0, 4, 1, 3, 2]
    assert tally == Tally({"agreement": [5, 4], "memorization": [4, 3], "redundancy": [3, 2]}, 3)


def test_images_like_those_of_earlier_rounds_are_dropped() -> None:
    make = Maker([0.9, 0.1, 0.9, 0.9], places=[0.0, 9.0, 0.2, 30.0])
    images, tally = select(2, make, "agreement", "redundancy", oversupply=1.0)
    assert make.requested == [2, 1, 1]
    assert images == [0, 3]
    assert tally.counts["redundancy"] == [3, 2]


def test_no_filter_tests_what_another_dropped() -> None:
    _, tally = select(2, Maker([0.0] * 4), "agreement", "redundancy", rounds=2)
    assert tally == Tally({"agreement": [8, 0], "redundancy": [0, 0]}, 2)
