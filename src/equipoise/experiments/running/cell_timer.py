"""`CellTimer`: an observer that times the cells of a study."""

import time
from collections.abc import Callable, Sequence

from equipoise.experiments.running.protocols import Observer
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FinishedCellRecord, TriedCellRecord


class CellTimer(Observer):
    """Times cells from begin to end, and passes everything on to another observer.

    Args:
        observer: Who else watches.
        clock: Returns seconds; replaced in tests.

    Attributes:
        seconds_before_start: From the building of this object until the cells were announced: what
            the work took that they share.
        seconds: Of every cell that was trained.
    """

    def __init__(self, observer: Observer, clock: Callable[[], float] = time.perf_counter) -> None:
        self.observer = observer
        self.clock = clock
        self.built = clock()
        self.seconds_before_start = 0.0
        self.began_at: dict[Cell, float] = {}
        self.seconds: dict[Cell, float] = {}

    @property
    def first_began(self) -> float | None:
        """When the first cell began; None where none did."""
        return min(self.began_at.values(), default=None)

    def prepared(self, work: str, step: int, n_steps: int) -> None:
        """See `Observer`."""
        self.observer.prepared(work, step, n_steps)

    def started(self, finished: Sequence[Cell], remaining: Sequence[Cell]) -> None:
        """See `Observer`."""
        self.seconds_before_start = self.clock() - self.built
        self.observer.started(finished, remaining)

    def began(self, cell: Cell) -> None:
        """See `Observer`."""
        self.began_at[cell] = self.clock()
        self.observer.began(cell)

    def stepped(self, cell: Cell, fit: str, step: int, n_steps: int) -> None:
        """See `Observer`."""
        self.observer.stepped(cell, fit, step, n_steps)

    def ended(self, cell: Cell, record: TriedCellRecord) -> None:
        """See `Observer`."""
        if isinstance(record, FinishedCellRecord):
            self.seconds[cell] = self.clock() - self.began_at[cell]
        self.observer.ended(cell, record)
