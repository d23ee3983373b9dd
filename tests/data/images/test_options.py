"""Options that make no sense are refused at once."""

from typing import Any

import pytest

from equipoise.data.images.options import ReadOptions
from equipoise.exceptions import SettingError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fit": "padd"}, "fit named 'padd'.* 'pad'"),
        ({"filter": "bicubik"}, "Did you mean 'bicubic'?"),
        ({"channels": "grey"}, "Did you mean 'gray'?"),
        ({"on_error": "ignore"}, "Available: skip, stop"),
        ({"size": 7}, "from 8 to 1024 pixels, got 7"),
        ({"size": -4}, "got -4"),
        ({"size": 1025}, "got 1025"),
        ({"workers": 0}, "at least 1 worker"),
        ({"groups": "p("}, r"--groups.*'p\('"),
        ({"groups": "p", "group_column": "patient"}, "got both"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        ReadOptions(**settings)


def test_good_settings_pass() -> None:
    assert ReadOptions(size=8, groups=r"(p\d+)", cache=None).size == 8


def test_a_column_needs_a_table() -> None:
    with pytest.raises(SettingError, match=r"label_column .*--label-column"):
        ReadOptions(label_column="finding").refuse_columns("folder")
