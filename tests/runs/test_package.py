import io
import zipfile
from pathlib import Path

import pytest

from equipoise.exceptions import DamagedFileError
from equipoise.runs.package import pack, unpack


def test_a_folder_arrives_as_it_was(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "classifier").mkdir(parents=True)
    (here / "record.json").write_text("{}")
    (here / "classifier" / "model.safetensors").write_bytes(bytes(range(256)))
    package = pack(here)
    unpack(package, there)
    assert (there / "classifier" / "model.safetensors").read_bytes() == bytes(range(256))
    assert pack(there) == package
    unpack(pack(here, names=["record.json"]), tmp_path / "part")
    assert [path.name for path in (tmp_path / "part").iterdir()] == ["record.json"]
    unpack(pack(here, names=[]), tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside", "..\\outside"])
def test_no_file_leaves_the_folder(name: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(DamagedFileError, match="outside"):
        unpack(buffer.getvalue(), tmp_path / "folder")
    assert not (tmp_path / "outside").exists()


def test_damaged_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{}" * 100)
    package = pack(tmp_path)
    for damaged in (package[:50], b"", package.replace(b"{}{}", b"{}}{", 1)):
        with pytest.raises(DamagedFileError):
            unpack(damaged, tmp_path / "there")
