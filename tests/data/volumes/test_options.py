"""Options of the readers of volumes."""

from pathlib import Path
from typing import Any

import pytest

from equipoise.data.volumes.options import VolumeOptions
from equipoise.exceptions import SettingError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"labels": "brats13"},
            r"'brats13'.*'brats2013'.*plain",
        ),
        ({"on_error": "ignore"}, "on_error.*'ignore'"),
        ({"groups": "("}, r"regular expression.* groups.*'\('"),
        ({"modalities": ()}, "modality.*none"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        VolumeOptions(**options)


def test_where_prepared_cases_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert VolumeOptions(cache=tmp_path / "a").prepared_folder == tmp_path / "a/volumes"
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "b"))
    assert (
        VolumeOptions().prepared_folder
        == VolumeOptions(cache="auto").prepared_folder
        == tmp_path / "b/volumes"
    )
    with pytest.raises(SettingError, match=r"cache.*'off'"):
        _ = VolumeOptions(cache="off").prepared_folder
