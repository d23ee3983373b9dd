"""The contract of every reader of volumes: add a builder of a small source."""

from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.data.volumes import readers as volume_readers
from equipoise.data.volumes.options import VolumeOptions
from equipoise.data.volumes.readers import nifti, table
from equipoise.discovery import modules
from equipoise.testing.volume_readers import CHECKS, VolumeSource, write_case

COUNTS = (2 * 184, 2, 10, 2, 2)  # two cases of 4 x 6 x 8 voxels of brain
CASES = ("a/0", "b")


def cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-20])
    return path.name


def case_folders(root: Path) -> VolumeSource:
    for seed, case in enumerate(CASES):
        write_case(root / "brains" / case, seed=seed)
    return VolumeSource(
        reader=nifti,
        path=root / "brains",
        options=VolumeOptions(cache=root / "cache"),
        counts=COUNTS,
        spoil=lambda: cut(root / "brains/b/t1ce.nii.gz"),
    )


def csv_table(root: Path) -> VolumeSource:
    case_folders(root)
    line = "{0},p{1},{0}/flair.nii.gz,{0}/t1ce.nii.gz,{0}/seg.nii.gz,train\n"
    lines = [line.format(case, i) for i, case in enumerate(CASES)]
    path = root / "brains/t.csv"
    path.write_text("case,patient,flair,t1-gd,label,split\n" + "".join(lines))
    return VolumeSource(
        reader=table,
        path=path,
        options=VolumeOptions(cache=root / "cache"),
        counts=COUNTS,
        spoil=lambda: cut(root / "brains/b/seg.nii.gz"),
    )


BUILDERS = {"nifti": case_folders, "table": csv_table}


def test_every_reader_has_a_source() -> None:
    assert set(BUILDERS) == set(modules(volume_readers))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", BUILDERS)
def test_volume_reader(name: str, check: Callable[[VolumeSource], None], tmp_path: Path) -> None:
    check(BUILDERS[name](tmp_path))


@pytest.mark.parametrize("name", BUILDERS)
def test_only_one_reader_recognizes_a_source(name: str, tmp_path: Path) -> None:
    source = BUILDERS[name](tmp_path)
    taken = [
        n
        for n, reader in modules(volume_readers).items()
        if reader.recognizes(source.path, source.options)
    ]
    assert taken == [name]
