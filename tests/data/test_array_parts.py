"""Runs of elements of .npy files against whole arrays."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.data.volume_dataset import read_runs
from equipoise.exceptions import DataError


@pytest.mark.parametrize("dtype", ["uint8", "float16", "int32"])
def test_runs_are_those_of_the_flat_array(tmp_path: Path, dtype: str) -> None:
    array = np.arange(5 * 6 * 7).reshape(5, 6, 7).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    runs = [(0, 210), (209, 1), (17, 30), (3, 0)]
    for found, (start, n) in zip(read_runs(str(tmp_path / "a.npy"), runs), runs, strict=True):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array.ravel()[start : start + n])


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.arange(10))
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.ones((3, 4))))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with (tmp_path / "new.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(3), version=(2, 0))
    for name, words in {
        "short": "ends too early",
        "columns": "C order",
        "objects": "C order",
        "new": "version 1.0",
    }.items():
        with pytest.raises(DataError, match=rf"{name}.*{words}|{words}.*{name}"):
            list(read_runs(str(tmp_path / f"{name}.npy"), [(8, 5)]))
