import numpy as np
import pytest

from equipoise.experiments.running.environment import (
    available_cores,
    device_name,
    machine,
    versions,
)
from equipoise.experiments.running.peak_memory import PeakMemory


def test_versions_name_what_results_depend_on() -> None:
    import torch

    found = versions()
    assert found["torch"] == torch.__version__
    assert found["numpy"] == np.__version__


def test_the_machine_is_described() -> None:
    machine_record = machine()
    assert machine_record["cores"] == available_cores() >= 1
    assert machine_record["memory_gb"] > 0.1
    assert machine_record["processor"]


def test_the_device_is_named_as_it_is() -> None:
    assert device_name("cpu") == "cpu"


def test_peak_memory_sees_what_was_freed_again() -> None:
    with PeakMemory() as small:
        pass
    with PeakMemory() as large:
        block = np.ones(2**27, dtype=np.uint8)
        assert block.sum() == 2**27
        del block
    assert large.megabytes - small.megabytes == pytest.approx(128, abs=64)
