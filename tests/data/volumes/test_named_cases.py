"""Cases whose files only their names tell apart, as in public data sets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.data.volumes.named_cases import words_of_name
from equipoise.data.volumes.options import LoadedVolumes, VolumeOptions
from equipoise.data.volumes.readers.nifti import read
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import draw_case, write_image

LABELS, IMAGE = draw_case()
Write = Callable[..., Path]
Read = Callable[[], LoadedVolumes]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write images and label maps (those called "LABEL:...") below a folder."""

    def write_files(*names: str) -> Path:
        for name in names:
            file = name.removeprefix("LABEL:")
            write_image(tmp_path / "set" / file, LABELS if file != name else IMAGE)
        return tmp_path / "set"

    return write_files


@pytest.fixture
def read_set(tmp_path: Path) -> Read:
    return lambda: read(tmp_path / "set", VolumeOptions(cache=tmp_path / "cache"))


@pytest.mark.parametrize(
    ("image", "label", "cases"),
    [
        ("volume-{}.nii", "segmentation-{}.nii", ["0", "1", "10"]),
        ("Case{}.nii.gz", "Case{}_segmentation.nii.gz", ["case0", "case1", "case10"]),
        ("img{}.nii.gz", "label_{}.nii.gz", ["0", "1", "10"]),
        ("p {} CT.nii", "p {} gt.nii", ["p_0", "p_1", "p_10"]),
        ("b/p{}.nii", "b/seg-p{}.nii", ["b/p0", "b/p1", "b/p10"]),
        ("imagesTr/p{}.nii", "labelsTr/p{}_seg.nii", ["p0", "p1", "p10"]),
        ("img/img{}.nii", "label/label{}.nii", ["img0", "img1", "img10"]),
    ],
)
def test_an_image_and_a_label_map_of_common_words_are_a_case(
    image: str, label: str, cases: list[str], write: Write, read_set: Read
) -> None:
    for i in (0, 1, 10):
        write(image.format(i), f"LABEL:{label.format(i)}")
    loaded = read_set()
    assert loaded.dataset.ids.tolist() == cases
    assert loaded.dataset.modalities == ("image",)
    assert loaded.dataset.table.tolist() == [[184, 1, 5, 1, 1]] * 3


def test_the_words_that_remain_are_the_modality(write: Write, read_set: Read) -> None:
    for case in ("BraTS_001", "BraTS_002"):
        write(f"{case}_t1ce.nii", f"{case}_flair.nii", f"LABEL:{case}_seg.nii")
    loaded = read_set()
    assert loaded.dataset.modalities == ("FLAIR", "T1c")
    assert any("“BraTS_001_seg.nii” (label)" in note for note in loaded.notes)


def test_an_image_without_its_label_map_is_named(write: Write, read_set: Read) -> None:
    write("volume-0.nii", "LABEL:segmentation-0.nii", "volume-1.nii", "LABEL:segmentation-1.nii")
    write("volume-2.nii")
    with pytest.raises(DataError, match="label file in every case, found none in 2"):
        read_set()


@pytest.mark.parametrize(
    "names",
    [
        ("t1.nii", "LABEL:rater1_seg.nii", "LABEL:rater2_seg.nii"),
        ("p1_p2.nii", "LABEL:p1_seg.nii", "LABEL:p2_seg.nii"),
        ("p1.nii", "LABEL:p1_seg.nii", "LABEL:p1_gt.nii"),
    ],
)
def test_names_that_may_mean_several_things_are_refused(
    names: tuple[str, ...], write: Write, read_set: Read
) -> None:
    write(*names)
    with pytest.raises(DataError, match=r"all look like its label.*--table CSV with case"):
        read_set()


@pytest.mark.parametrize(
    ("images", "label"),
    [
        (("ses-{1}/dwi/sub-{0}_ses-{1}_dwi", "ses-{1}/anat/sub-{0}_ses-{1}_FLAIR"), "msk"),
        (("ses-{1}/sub-{0}_ses-{1}_dwi", "ses-{1}/sub-{0}_ses-{1}_FLAIR"), "label-lesion_mask"),
    ],
)
def test_label_maps_below_derivatives_are_of_their_subject_and_session(
    images: tuple[str, ...], label: str, write: Write, read_set: Read
) -> None:
    for subject, session in (("01", "1"), ("01", "2"), ("02", "1")):
        for image in images:
            write(f"sub-{subject}/{image.format(subject, session)}.nii.gz")
        name = f"sub-{subject}_ses-{session}_{label}.nii.gz"
        write(f"LABEL:derivatives/lesions/sub-{subject}/ses-{session}/{name}")
    loaded = read_set()
    assert loaded.dataset.ids.tolist() == ["sub-01/ses-1", "sub-01/ses-2", "sub-02/ses-1"]
    assert loaded.dataset.groups.tolist() == [0, 0, 1]
    assert loaded.dataset.modalities == ("FLAIR", "dwi")
    assert any("derivatives" in note for note in loaded.notes)


def test_other_derivatives_are_not_guessed(write: Write, read_set: Read) -> None:
    for subject in ("01", "02"):
        write(f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz")
        write(f"LABEL:derivatives/sub-{subject}/sub-{subject}_msk.nii.gz")
        write(f"derivatives/sub-{subject}/sub-{subject}_desc-preproc_T1w.nii.gz")
    with pytest.raises(DataError):
        read_set()


def test_only_numbers_behind_the_kind_of_a_file_are_words() -> None:
    assert words_of_name("Label0001") == ("label", "0001")
    assert words_of_name("case0001_T2") == ("case0001", "t2")
