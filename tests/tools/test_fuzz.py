"""The harness of `make fuzz` finds what it searches for; the readers pass some of its inputs."""

import os
import time
from pathlib import Path

import pytest
from tools.fuzz import isolation, readers
from tools.fuzz.isolation import Attempt, Isolated, outcome_of

from equipoise.exceptions import DataError


def make_trouble() -> Attempt:
    """Return an attempt that ends in each way."""

    def attempt(index: int) -> None:
        if index == 1:
            raise DataError("refused")
        if index == 2:
            raise TypeError("a fault")
        if index == 3:
            os._exit(3)
        if index == 4:
            time.sleep(60)

    return attempt


def test_every_end_of_an_attempt_is_told_apart() -> None:
    isolated = Isolated(make_trouble, seconds=2)
    kinds = [isolated.run(index).kind for index in range(5)]
    isolated.close()
    assert kinds == ["accepted", "refused", "traceback", "crash", "hang"]
    assert set(kinds[2:]) <= set(isolation.FAULTS)


@pytest.mark.parametrize("first", [0, 20])
def test_the_readers_pass_a_few_inputs(tmp_path: Path, first: int) -> None:
    attempt = readers.make_attempt(0, tmp_path)
    for index in range(first, first + 20):
        outcome = outcome_of(attempt, index)
        assert outcome.kind not in isolation.FAULTS, (index, outcome.text)
