"""How long a run took, stage by stage: `seconds.json` of its folder."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from equipoise.atomic import read_json, reading, write_json
from equipoise.checksums import check_file

FILE = "seconds.json"
# The stages of a run, in order. Preparing: what is shared by all cells, such as frozen features.
READING, PLANNING, PREPARING, TRAINING = "reading", "planning", "preparing", "training"
TABLES, EVIDENCE, REPORT = "tables", "evidence", "report"
STAGES = (READING, PLANNING, PREPARING, TRAINING, TABLES, EVIDENCE, REPORT)


class StageClock:
    """Measures the stages of one call of a command; what belongs to no stage is in `elapsed` only.

    Args:
        clock: Returns seconds; replaced in tests.

    Example:
        >>> clock = StageClock(clock=iter([0.0, 1.0, 3.5, 4.0]).__next__)
        >>> with clock.stage("reading"):
        ...     pass
        >>> clock.seconds, clock.elapsed
        ({'reading': 2.5}, 4.0)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.started = clock()
        self.seconds: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was built."""
        return self.clock() - self.started

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to a stage, also when it raises."""
        start = self.clock()
        try:
            yield
        finally:
            self.add(name, self.clock() - start)

    def add(self, name: str, seconds: float) -> None:
        """Add seconds to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def move(self, seconds: float, source: str, target: str) -> None:
        """Count seconds of one stage as those of another."""
        self.add(source, -seconds)
        self.add(target, seconds)

    def store(self, folder: Path) -> None:
        """Add the seconds to those of earlier calls in the folder of a run, and start again."""
        total = read_stage_seconds(folder)
        for name, seconds in self.seconds.items():
            total[name] = round(total.get(name, 0.0) + seconds, 1)
        write_json(folder / FILE, total, checksum=True)
        self.seconds = {}


def read_stage_seconds(folder: Path) -> dict[str, float]:
    """Return the seconds of each stage over all calls; empty where none were stored.

    Raises:
        DamagedFileError: The file is damaged.
    """
    path = folder / FILE
    check_file(path)
    if not path.is_file():
        return {}
    with reading(path):
        stored: Mapping[str, float] = read_json(path)
        return {name: float(stored[name]) for name in STAGES if name in stored}
