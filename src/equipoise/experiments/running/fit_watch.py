"""`Outcome`: what a cell yields, as it is stored; and what is noticed while it is trained."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from equipoise.data.dataset import ImageDataset
from equipoise.training.progress import Listener

HistoryRow = tuple[str, int, str, float]  # stage, step, name, value
Writer = Callable[[Path], None]  # writes a file or a folder


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a cell yields, as it is stored.

    Attributes:
        record: JSON values; see "a run on disk" in docs/architecture.md.
        predictions: Arrays of predictions.npz.
        history: What the fits recorded, in order.
        files: Name inside the cell's folder -> what writes it: the fitted classifier or segmenter, tables.
        synthetic: Some of the synthetic images; None where the method makes none.
    """

    record: dict[str, Any]
    predictions: dict[str, NDArray[Any]]
    history: list[HistoryRow]
    files: Mapping[str, Writer] = field(default_factory=dict)
    synthetic: ImageDataset | None = None


class Spy:
    """Passes progress on, counts the fits that report any, and notices one that went on from a checkpoint."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.resumed, self.n_fits = False, 0
        self._last = ("", 0)

    def __call__(self, name: str, step: int, n_steps: int) -> None:
        """Take a report of `equipoise.training.progress`."""
        if (name, step - 1) != self._last:
            self.n_fits += 1
            self.resumed |= step > 1
        self._last = (name, step)
        self.listener(name, step, n_steps)


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the duration of the block to a stage."""
    start = perf_counter()
    yield
    seconds[stage] += perf_counter() - start


def histories_of(step: Any) -> dict[str, Any]:
    """Name the histories of a step; most have none or one. A fit of several stages names them in `histories_`."""
    histories = getattr(step, "histories_", None) or getattr(step, "history_", {})
    return histories if isinstance(histories, dict) else {"": histories}


def history_rows(stage: str, step: Any) -> Iterator[HistoryRow]:
    """Walk through what the fits of a step recorded."""
    for name, history in histories_of(step).items():
        for row in history.rows:
            values = sorted(
                item for item in row.items() if item[0] != "step"
            )  # a fit read from JSON has another order
            yield from (
                (f"{stage}/{name}" if name else stage, int(row["step"]), *item) for item in values
            )
