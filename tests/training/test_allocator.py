"""The allocator keeps what tensors free; results stay what they are."""

import ctypes
import subprocess
import sys

import numpy as np
import psutil
import pytest

from equipoise.training.allocator import give_back_freed_memory, keep_freed_memory

# Allocates and frees 64 MB, five times, and prints the pages that the kernel had to supply for it.
PAGES = """
import resource, sys
import numpy as np
from equipoise.training.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

gnu = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="this C library has no mallopt",
)


def faults(mode: str) -> int:
    command = [sys.executable, "-c", PAGES, mode]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@gnu
def test_freed_memory_is_used_again_without_new_pages() -> None:
    assert 10 * faults("kept") < faults("given back")


@gnu
def test_it_is_changed_once() -> None:
    assert keep_freed_memory()
    assert keep_freed_memory()


@gnu
def test_what_was_kept_can_be_given_back() -> None:
    keep_freed_memory()
    np.ones(8_000_000)
    before = psutil.Process().memory_info().rss
    give_back_freed_memory()
    assert before - psutil.Process().memory_info().rss > 50 * 2**20


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert not keep_freed_memory.__wrapped__()
    give_back_freed_memory()
