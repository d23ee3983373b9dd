"""Valid image sides: 4 to 7 times a power of 2."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.exceptions import SettingError
from equipoise.networks.sizes import check_size, nearest_valid_size, valid_sizes

TABLE = {
    28: (7, 2),
    32: (4, 3),
    48: (6, 3),
    64: (4, 4),
    96: (6, 4),
    128: (4, 5),
    160: (5, 5),
    224: (7, 5),
    256: (4, 6),
}


@pytest.mark.parametrize(("size", "expected"), [*TABLE.items(), (320, (5, 6))])
def test_the_table_of_methods_1_4(size: int, expected: tuple[int, int]) -> None:
    assert check_size(size) == expected


@pytest.mark.parametrize("size", [1, 7, 30, 33, 100, 300])
def test_other_sizes_are_refused_with_the_nearest_valid_one(size: int) -> None:
    with pytest.raises(
        SettingError,
        match=rf"got {size}\..* to {nearest_valid_size(size)} \(--size .*: 8, 10",
    ):
        check_size(size)


@given(st.sampled_from(valid_sizes()))
def test_the_smallest_map_doubles_to_the_image(size: int) -> None:
    side, n_doublings = check_size(size)
    assert 4 <= side <= 7
    assert side * 2**n_doublings == size


@given(st.integers(1, 1024))
def test_the_nearest_size_is_valid_and_no_other_is_nearer(size: int) -> None:
    near = nearest_valid_size(size)
    assert abs(near - size) == min(abs(valid - size) for valid in valid_sizes())


@pytest.mark.parametrize("size", [100, 299])
def test_a_smaller_side_for_generators_is_named(size: int) -> None:
    with pytest.raises(SettingError, match=r"--gan-size \d+") as error:
        check_size(size)
    inside = int(re.findall(r"--gan-size (\d+)", str(error.value))[0])
    assert inside < size
    check_size(inside)
