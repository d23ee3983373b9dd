"""Seconds of the stages of a run, over all calls of its command."""

from pathlib import Path

import pytest

from equipoise.runs.stage_seconds import (
    PREPARING,
    READING,
    TRAINING,
    StageClock,
    read_stage_seconds,
)


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_stages_add_up_over_calls(tmp_path: Path) -> None:
    hand = Hand()
    for seconds in (10.0, 4.0):
        clock = StageClock(hand)
        with clock.stage(READING):
            hand.now += seconds
        clock.store(tmp_path)
        clock.store(tmp_path)  # what is stored counts once
    assert read_stage_seconds(tmp_path) == {READING: 14.0}


def test_a_stage_that_fails_has_taken_its_time() -> None:
    hand = Hand()
    clock = StageClock(hand)

    def fail() -> None:
        with clock.stage(TRAINING):
            hand.now += 3.0
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    clock.move(1.0, TRAINING, PREPARING)
    assert clock.seconds == {TRAINING: 2.0, PREPARING: 1.0}
    assert clock.elapsed == 3.0


def test_stages_are_in_the_order_of_a_run(tmp_path: Path) -> None:
    assert read_stage_seconds(tmp_path) == {}
    clock = StageClock(Hand())
    clock.add(TRAINING, 1.0)
    clock.add(READING, 2.0)
    clock.store(tmp_path)
    assert list(read_stage_seconds(tmp_path)) == [READING, TRAINING]
