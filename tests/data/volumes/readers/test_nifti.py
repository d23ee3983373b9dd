"""Folders of case folders."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from equipoise.data.volumes.options import VolumeOptions
from equipoise.data.volumes.readers.nifti import find_case, read, recognizes
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import draw_case, write_case, write_image

LABELS, IMAGE = draw_case()


def options(root: Path) -> VolumeOptions:
    return VolumeOptions(cache=root / "cache")


def test_cases_lie_at_any_depth_beside_other_files(tmp_path: Path) -> None:
    root = tmp_path / "brains"
    write_case(root / "b")
    write_case(root / "high/grade/a", suffix=".mha")
    (root / "manifest.csv").write_text("case\nb\n")
    (root / "b/license.txt").write_text("free")
    (root / "b/._flair.nii.gz").write_bytes(b"no volume")
    dataset = read(root, options(tmp_path)).dataset
    assert dataset.ids.tolist() == ["b", "high/grade/a"]
    assert dataset.table.tolist() == [[184, 1, 5, 1, 1]] * 2


def test_one_case_folder_is_named_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_case(tmp_path / "p7")
    assert read(tmp_path / "p7", options(tmp_path)).dataset.ids.tolist() == ["p7"]
    monkeypatch.chdir(tmp_path / "p7")
    assert read(Path(), options(tmp_path)).dataset.ids.tolist() == ["p7"]


def test_names_of_the_challenges(tmp_path: Path) -> None:
    folder = tmp_path / "BraTS19_1"
    for name in ("flair", "t1", "t1ce", "t2"):
        write_image(folder / f"BraTS19_1_{name}.nii.gz", IMAGE)
    write_image(folder / "BraTS19_1_seg.nii.gz", LABELS)
    write_image(folder / "BraTS19_1_adc.nii.gz", IMAGE)
    case = find_case(folder)
    assert sorted(case.images) == ["FLAIR", "T1", "T1c", "T2", "adc"]
    assert case.label_file == folder / "BraTS19_1_seg.nii.gz"


def test_a_folder_without_volumes_is_not_recognized(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/film.png").write_bytes(b"")
    assert not recognizes(tmp_path, VolumeOptions())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "flair_2.nii.gz",
            r"p1: flair.nii.gz, flair_2.nii.gz .*FLAIR",
        ),
        ("truth.nii", r"p1: seg.nii.gz, truth.nii .*label"),
        (
            "mask.nii.gz",
            r"p1: mask.nii.gz .*brain.*tumor",
        ),
    ],
)
def test_ambiguous_files_are_refused(name: str, message: str, tmp_path: Path) -> None:
    write_image(write_case(tmp_path / "brains/p1") / name, LABELS)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "brains", options(tmp_path))


def test_a_case_without_a_label_file_is_for_prediction_only(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "brains/p1")
    write_case(tmp_path / "brains/p2")
    (folder / "seg.nii.gz").unlink()
    case = find_case(folder)
    assert (case.id, case.label_file, sorted(case.images)) == ("p1", None, ["FLAIR", "T1c"])
    with pytest.raises(DataError, match=r"label file .* p1\. "):
        read(tmp_path / "brains", options(tmp_path))


def test_folders_that_are_not_cases(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folder.*case.*nowhere"):
        find_case(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"images.* found none"):
        find_case(tmp_path)


# ---- formats that are not read ----


def test_the_options_named_leave_out_all_volumes_in_other_formats(tmp_path: Path) -> None:
    root = tmp_path / "brains"
    for i in range(3):
        write_case(root / f"p{i}", seed=i)
        for name in ("t2.nrrd", "T2.DCM", "t3.mhd", "raw/IM1", "raw/IM2"):
            (root / f"p{i}" / name).parent.mkdir(exist_ok=True)
            (root / f"p{i}" / name).write_bytes(bytes(128) + b"DICM")
    options = VolumeOptions(cache=tmp_path / "cache")
    patterns: list[str] = []
    while len(patterns) < 9:
        try:
            read(root, replace(options, ignore=tuple(patterns)))
            break
        except DataError as error:
            assert not patterns, "a second round"
            listed = str(error).partition("ignore (")[2].partition(")")[0]
            patterns += [word for word in shlex.split(listed) if word != "--ignore"]
    assert patterns == ["*.dcm", "*.mhd", "*.nrrd", "raw"]


@pytest.mark.parametrize(
    "name",
    ["t2.nrrd", "T2.DCM", "t2.mgz", "t2.hdr", "t2.img.gz", "t2.mhd", "t2.nii.bz2", "IM0001", "1"],
)
def test_volumes_in_other_formats_stop_or_are_named(name: str, tmp_path: Path) -> None:
    root = tmp_path / "brains"
    write_case(root / "p1")
    write_case(root / "p2", seed=1)
    (root / "p3").mkdir()
    (root / "p3" / name).write_bytes(bytes(128) + b"DICM")
    (root / "p1" / "flair.json").touch()
    options = VolumeOptions(cache=tmp_path / "cache")
    with pytest.raises(DataError, match=rf"1 files .*p3/{re.escape(name)}.*--ignore {name}\)"):
        read(root, options)
    loaded = read(root, replace(options, on_error="skip"))
    assert loaded.dataset.ids.tolist() == ["p1", "p2"]
    assert any(name in note for note in loaded.notes)
    ignored = read(root, replace(options, ignore=(name,)))
    assert ignored.dataset.fingerprint == loaded.dataset.fingerprint
    assert recognizes(root / "p3", options)
    with pytest.raises(DataError, match=f"found none.*{re.escape(name)}"):
        find_case(root / "p3")


def test_a_link_without_a_target_is_not_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "brains"
    for name in ("p1", "p2"):
        write_case(root / name)
    (root / "p1" / "t2.nii.gz").symlink_to("../.git/annex/objects/t2")
    with pytest.raises(DataError, match=r"p1/t2\.nii\.gz.*git annex get"):
        read(root, VolumeOptions(cache=tmp_path / "cache"))


def test_every_case_with_unclear_files_is_named(tmp_path: Path) -> None:
    for i in range(3):
        write_case(tmp_path / f"p{i}")
        (tmp_path / f"p{i}/mask.nii.gz").touch()
    with pytest.raises(DataError) as refused:
        read(tmp_path, options(tmp_path))
    assert [line[:8] for line in str(refused.value).splitlines()] == [
        f"Case p{i}:" for i in range(3)
    ]
