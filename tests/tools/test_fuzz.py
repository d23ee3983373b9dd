"""The harness of `make fuzz` finds what it searches for; the readers pass some of its inputs."""

import os
import time
from pathlib import Path

import pytest
from tools.fuzz import interruptions, isolation, readers
from tools.fuzz.isolation import Attempt, FaultError, Isolated, outcome_of

from equipoise.atomic import write_json
from equipoise.checksums import temporary_path
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


def test_every_signal_interrupts_images_and_volumes_with_and_without_workers() -> None:
    assert len(set(interruptions.CASES)) == len(interruptions.CASES) == 22
    codes = {name: kind.codes for name, kind in interruptions.INTERRUPTIONS.items()}
    assert codes["kill -9"] == (-9,)
    assert codes["SIGTERM"] == (143,)
    assert codes["Ctrl-C twice"] == (130, -2)


def test_what_an_interrupted_run_left_is_found(tmp_path: Path) -> None:
    write_json(tmp_path / "study.json", 1, checksum=True)
    interruptions.check_left(tmp_path, killed=False)
    temporary = temporary_path(tmp_path / "study.json")
    temporary.touch()
    interruptions.check_left(tmp_path, killed=True)
    with pytest.raises(FaultError, match="temporary files"):
        interruptions.check_left(tmp_path, killed=False)
    temporary.replace(tmp_path / "study.json")
    with pytest.raises(FaultError, match="bytes"):
        interruptions.check_left(tmp_path, killed=False)
    assert interruptions.differences({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == [
        "b",
        "c",
    ]
