"""Peak memory of a piece of work."""

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

from equipoise.training.allocator import give_back_freed_memory

INTERVAL_SECONDS = 0.02


class PeakMemory:
    """Watches the resident memory of this process, and the memory of a GPU, inside a `with` block.

    What earlier work has freed is given back to the system first.

    Attributes:
        megabytes: Largest resident memory of the whole process (2^20 bytes), sampled every 20 ms.
        device_megabytes: Largest memory that torch held in tensors on the GPU; None without one.
    """

    def __init__(self) -> None:
        self.megabytes = 0.0
        self.device_megabytes: float | None = None
        self._process = psutil.Process()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        import torch

        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        give_back_freed_memory()
        self._sample()
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import torch

        self._over.set()
        self._watcher.join()
        self._sample()
        if torch.cuda.is_available():
            self.device_megabytes = torch.cuda.max_memory_allocated() / 2**20

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL_SECONDS):
            self._sample()

    def _sample(self) -> None:
        with suppress(OSError):  # too many open files
            self.megabytes = max(self.megabytes, self._process.memory_info().rss / 2**20)
