"""Images in one folder and label maps in another one."""

import json
from pathlib import Path

import pytest

from equipoise.data.volumes.options import VolumeOptions
from equipoise.data.volumes.paired_folders import channel_names, paired_cases
from equipoise.data.volumes.readers.nifti import read
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import draw_case, write_image

LABELS, IMAGE = draw_case()


def write_set(root: Path, images: str, labels: str, channels: tuple[str, ...] = ("",)) -> Path:
    for case in ("a_1", "b_2"):
        for i, channel in enumerate(channels):
            write_image(root / images / f"{case}{channel}.nii.gz", IMAGE * (i + 1))
        write_image(root / labels / f"{case}.nii.gz", LABELS)
    return root


@pytest.mark.parametrize(
    ("images", "labels"),
    [("imagesTr", "labelsTr"), ("images", "masks"), ("Task1/imagesTr", "Task1/labelsTr")],
)
def test_one_image_and_one_label_map_of_a_name_are_a_case(
    images: str, labels: str, tmp_path: Path
) -> None:
    root = write_set(tmp_path / "set", images, labels)
    write_image(root / Path(images).parent / "imagesTs" / "c_3.nii.gz", IMAGE)
    loaded = read(root, VolumeOptions(cache=tmp_path / "cache"))
    above = "" if "/" not in images else "Task1/"
    assert loaded.dataset.ids.tolist() == [f"{above}a_1", f"{above}b_2"]
    assert loaded.dataset.modalities == ("image",)
    assert loaded.dataset.table.tolist() == [[184, 1, 5, 1, 1]] * 2
    assert any("imagesTs" in note for note in loaded.notes)


def test_labeled_test_cases_are_cases_of_the_source_s_own_split(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", "imagesTr", "labelsTr")
    write_image(root / "imagesTs" / "c_3.nii.gz", IMAGE)
    write_image(root / "labelsTs" / "c_3.nii.gz", LABELS)
    loaded = read(root, VolumeOptions(cache=tmp_path / "cache"))
    assert loaded.dataset.ids.tolist() == ["a_1", "b_2", "c_3"]
    assert loaded.source_split is not None
    assert loaded.source_split.tolist() == ["train", "train", "test"]
    assert not any("imagesTs" in note for note in loaded.notes)


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_two_files_of_one_name_are_refused(folder: str, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", "images", "labels")
    write_image(root / folder / "a_1.nii", LABELS if folder == "labels" else IMAGE)
    with pytest.raises(DataError, match=rf"{folder}, got a_1\.nii and a_1\.nii\.gz"):
        read(root, VolumeOptions(cache=tmp_path / "cache"))


def test_channels_are_modalities_that_the_set_names(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", "imagesTr", "labelsTr", ("_0000", "_0001"))
    options = VolumeOptions(cache=tmp_path / "cache")
    assert read(root, options).dataset.modalities == ("0000", "0001")
    names = {"channel_names": {"0": "FLAIR", "1": "T1w"}}
    (root / "dataset.json").write_text(json.dumps(names))
    assert read(root, options).dataset.modalities == ("FLAIR", "T1")


@pytest.mark.parametrize(
    "content",
    ["", "[]", "[" * 99_999, '{"modality": 3}', '{"modality": {"0": "x", "1": "x"}}'],
    ids=["empty", "list", "deep", "number", "twice"],
)
def test_other_descriptions_name_no_channels(content: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(content)
    assert channel_names(tmp_path / "dataset.json") == {}
    assert channel_names(tmp_path / "absent.json") == {}


def test_an_image_without_label_map_is_named(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", "images", "labels")
    write_image(root / "images/c_3.nii.gz", IMAGE)
    with pytest.raises(DataError, match="found none in c_3"):
        read(root, VolumeOptions(cache=tmp_path / "cache"))


@pytest.mark.parametrize(
    "folders",
    [
        *(("images",), ("images", "labels", "masks"), ("images", "scans", "labels")),
        *(("p1", "labels"), ("x/images", "y/labels"), ("imagesTr", "labelsTs")),
    ],
)
def test_other_folders_are_cases_themselves(folders: tuple[str, ...], tmp_path: Path) -> None:
    files_of = {tmp_path / folder: [tmp_path / folder / "a.nii.gz"] for folder in folders}
    assert paired_cases(tmp_path, files_of).cases == ()
    unlike = {tmp_path / "images": [Path("a.nii.gz")], tmp_path / "labels": [Path("b.nii.gz")]}
    assert paired_cases(tmp_path, unlike).cases == ()
