"""Value ranges, quantization and fingerprints of image arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from equipoise.arrays import fingerprint, quantize, value_range


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([10, 20], np.uint8, (0.0, 255.0)),
        ([7, 4095], np.uint16, (7.0, 4095.0)),
        ([-0.5, 2.0], np.float32, (-0.5, 2.0)),
        ([5, 5], np.uint16, (5.0, 6.0)),  # a range is never empty
    ],
)
def test_value_range(values: list[float], dtype: Any, expected: tuple[float, float]) -> None:
    assert value_range(np.array(values, dtype=dtype)) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_survive_the_way_to_unit_and_back(dtype: Any) -> None:
    values: NDArray[Any] = np.arange(0, 256, dtype=dtype)
    low, high = value_range(values)
    unit = (values.astype(np.float32) - low) / (high - low)
    np.testing.assert_array_equal(quantize(unit, np.dtype(dtype), (low, high)), values)


@settings(deadline=None)
@given(unit=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_quantizing_to_bytes_errs_by_half_a_step_at_most(unit: list[float]) -> None:
    stored = quantize(np.array(unit, dtype=np.float32), np.dtype(np.uint8), (0.0, 255.0))
    assert stored.dtype == np.uint8
    assert np.abs(stored / 255 - np.array(unit)).max() <= 0.5 / 255 + 1e-6


def test_quantize_clamps_and_keeps_floats() -> None:
    unit = np.array([-1.0, 0.25, 2.0], dtype=np.float32)
    assert quantize(unit, np.dtype(np.uint16), (100, 200)).tolist() == [100, 125, 200]
    assert quantize(unit, np.dtype(np.float32), (-1, 1)).tolist() == [-1.0, -0.5, 1.0]
    assert quantize(unit, np.dtype(np.float32), (-1, 1)).dtype == np.float32


def test_fingerprint_tells_type_shape_values_and_order_apart() -> None:
    base = np.arange(6, dtype=np.int64)
    parts: list[tuple[Any, ...]] = [
        (base,),
        (base.astype(np.int32),),
        (base.reshape(2, 3),),
        (base[::-1],),
        (base, base),
        (base, "a"),
        ("a", base),
        (),
        ("a", "b"),
        ("ab",),
        (np.int64(3),),
        (np.array(3),),
    ]
    assert len({fingerprint(*p) for p in parts}) == len(parts)
    assert len(fingerprint()) == 64


def test_fingerprint_ignores_memory_layout_and_storage(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (2500, 3, 2)).astype(np.uint8)
    np.save(tmp_path / "a.npy", array)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    strided = np.repeat(array, 2, axis=0)[::2]
    assert (
        fingerprint(array)
        == fingerprint(mapped)
        == fingerprint(strided)
        == fingerprint(np.asfortranarray(array))
    )
