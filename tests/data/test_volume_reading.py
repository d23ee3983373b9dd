"""The choice of a reader of volumes."""

from pathlib import Path

import pytest

from equipoise.data.reading import read_volumes
from equipoise.data.volumes.options import VolumeOptions
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import write_case


def test_nothing_there_and_nothing_known(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"Expected volumes at .*nowhere, found nothing there\..* nifti: .*; table: ",
    ):
        read_volumes(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(
        DataError, match=r"No reader recognizes volumes in .* Give one of these: nifti: .*; table: "
    ):
        read_volumes(tmp_path)


def test_text_and_the_user_folder_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_case(tmp_path / "brains/p1")
    loaded = read_volumes("~/brains", VolumeOptions(cache=tmp_path / "cache"))
    assert loaded.dataset.ids.tolist() == ["p1"]
