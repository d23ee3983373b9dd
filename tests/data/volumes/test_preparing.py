"""Prepared cases: the content of their folder, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from equipoise.atomic import read_json
from equipoise.data.volume_dataset import Volume
from equipoise.data.volumes.case_record import CaseRecord
from equipoise.data.volumes.file import read_volume, write_label_map
from equipoise.data.volumes.labels import LABEL_SCHEMES
from equipoise.data.volumes.preparing import prepare, source_digest, uncropped
from equipoise.data.volumes.readers.nifti import find_case
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import ORIGIN, SPACING_MM, draw_case, write_case, write_image

LABELS, IMAGE = draw_case()
SCHEME = LABEL_SCHEMES["brats2013"]
MODALITIES = ("FLAIR", "T1c")


def prepared(folder: Path, **options: Any) -> Volume:
    return prepare(find_case(folder), SCHEME, MODALITIES, folder.parent / "prepared", **options)


def test_the_content_of_the_folder(tmp_path: Path) -> None:
    volume = prepared(write_case(tmp_path / "p1"))
    stored = read_json(volume.folder / "case.json")
    assert {path.name for path in volume.folder.iterdir()} == {
        "case.json",
        "checksums.json",
        *stored["bytes"],
    }
    assert (stored["id"], stored["shape"], stored["full_shape"]) == ("p1", [4, 6, 8], [6, 8, 10])
    assert stored["start"] == [1] * 3
    assert stored["counts"] == [184, 1, 5, 1, 1]
    assert stored["spacing_mm"] == pytest.approx(SPACING_MM)
    assert stored["origin"] == pytest.approx(ORIGIN)
    assert stored["sha256"].keys() == {"FLAIR", "T1c", "label"}
    assert CaseRecord.from_json(stored) == volume.record
    assert volume.counts == (184, 1, 5, 1, 1)
    assert volume.spacing_mm == pytest.approx(SPACING_MM)
    inner = (slice(1, -1),) * 3
    np.testing.assert_array_equal(volume.array("codes"), LABELS[inner])
    np.testing.assert_array_equal(volume.array("mask"), IMAGE[inner] > 0)
    np.testing.assert_array_equal(
        volume.array("images")[0], volume.array("images")[1]
    )  # scaling does not matter


def test_classes_are_listed_once_in_order(tmp_path: Path) -> None:
    volume = prepared(write_case(tmp_path / "p1"))
    codes = volume.array("codes").ravel()
    listed = [volume.array(f"class-{code}") for code in range(5)]
    for code, flat in enumerate(listed):
        assert flat.dtype == np.int32
        np.testing.assert_array_equal(
            flat, np.flatnonzero((codes == code) & (volume.array("mask").ravel() > 0))
        )


def test_tumor_outside_the_brain_is_kept_inside_the_box(tmp_path: Path) -> None:
    """As in the four real cases: 2 to 481 voxels are outside the mask that comes with them."""
    folder = write_case(tmp_path / "p1")
    labels = LABELS.copy()
    labels[2, 3, 9] = 4
    write_image(folder / "seg.nii.gz", labels)
    volume = prepared(folder)
    assert volume.shape == (4, 6, 9)
    assert volume.counts == (184, 1, 5, 1, 2)
    assert volume.record.tumor_outside_brain == 1
    place = np.unravel_index(volume.array("class-4")[-1], volume.shape)
    assert volume.array("mask")[place] == 0
    assert not volume.array("images")[:, *place].any()


def test_a_mask_with_air_in_it_loses_the_air(tmp_path: Path) -> None:
    """As in the outside patient, whose mask is the field of view."""
    folder = write_case(tmp_path / "p1")
    mask = np.ones(IMAGE.shape, np.uint8)
    mask[1] = 0
    write_image(folder / "brainmask.nii.gz", mask)
    volume = prepared(folder)
    assert volume.shape == (3, 6, 8)
    assert volume.record.air_in_mask == mask.sum() - 3 * 6 * 8
    assert volume.record.start == (2, 1, 1)


def test_without_a_label_file_all_of_the_brain_is_healthy(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "p1")
    (folder / "seg.nii.gz").unlink()
    volume = prepared(folder)
    assert volume.counts == (192, 0, 0, 0, 0)
    assert volume.record.has_labels is False


def test_a_case_without_a_tumor_is_allowed(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "p1")
    write_image(folder / "seg.nii.gz", np.zeros_like(LABELS))
    assert prepared(folder).counts == (192, 0, 0, 0, 0)


@pytest.mark.parametrize("scheme", ["brats2013", "brats2017"])
def test_back_to_the_whole_volume_in_the_numbers_of_the_source(scheme: str, tmp_path: Path) -> None:
    folder = write_case(tmp_path / "p1")
    labels = np.where(LABELS == 3, 1, LABELS) if scheme == "brats2017" else LABELS
    write_image(folder / "seg.nii.gz", labels)
    volume = prepare(find_case(folder), LABEL_SCHEMES[scheme], MODALITIES, tmp_path / "prepared")
    whole = uncropped(volume.array("codes"), volume.record)
    np.testing.assert_array_equal(whole, labels)
    write_label_map(tmp_path / "out.nii.gz", whole, volume.record.geometry)
    reference, written = nibabel.load(folder / "seg.nii.gz"), nibabel.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(reference.dataobj))
    np.testing.assert_allclose(written.affine, reference.affine, atol=1e-5)


def test_n4_corrects_t1_and_t1c_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from equipoise.data.volumes import preparing

    corrected = []

    def record(image: Any, *_: Any) -> Any:
        corrected.append(image.max())
        return image

    monkeypatch.setattr(preparing, "correct_bias", record)
    prepared(write_case(tmp_path / "p1"), n4=True)
    assert corrected == [2 * IMAGE.max()]  # T1c alone
    prepared(tmp_path / "p1")
    assert len(corrected) == 1


def test_everything_that_matters_is_in_the_digest(tmp_path: Path) -> None:
    case = find_case(write_case(tmp_path / "p1"))
    digests = [
        source_digest(case, SCHEME, MODALITIES),
        source_digest(case, SCHEME, MODALITIES[::-1]),
        source_digest(case, SCHEME, MODALITIES, n4=True),
        source_digest(case, LABEL_SCHEMES["msd_brain"], MODALITIES),
        source_digest(replace(case, id="p2"), SCHEME, MODALITIES),
        source_digest(replace(case, label_file=None), SCHEME, MODALITIES),
    ]
    write_image(tmp_path / "p1/flair.nii.gz", IMAGE + 1)
    digests.append(source_digest(case, SCHEME, MODALITIES))
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (
            "seg",
            LABELS + np.uint8(5),
            r"0, 1, 2, 3, 4 of 'brats2013' in .*seg.nii.gz, .* 5, 6",
        ),
        (
            "brainmask",
            np.zeros_like(LABELS),
            r"empty in brainmask.nii.gz, flair.nii.gz, t1ce.nii.gz",
        ),
        (
            "flair",
            (IMAGE > 0) * np.uint8(7),
            r"flair.nii.gz .* is 7 everywhere",
        ),
        (
            "flair",
            LABELS + (IMAGE > 0),
            r"flair.nii.gz has only the values .* prediction.*--ignore flair.nii.gz\)",
        ),
    ],
)
def test_errors_name_the_case_and_the_file(
    name: str, array: Any, message: str, tmp_path: Path
) -> None:
    folder = write_case(tmp_path / "p1")
    write_image(folder / f"{name}.nii.gz", array)
    with pytest.raises(DataError, match=rf"Case p1: .*{message}"):
        prepared(folder)
    assert not (tmp_path / "prepared").exists()


@pytest.mark.slow
def test_one_real_case(shared: Path, tmp_path: Path) -> None:
    """Counts of SOURCE.md; the brain is the mask that comes with the case, read by nibabel."""
    folder = shared / "data/brats2013/brats_2013_pat0005_1"
    case = replace(find_case(folder), mask_file=None)
    volume = prepare(case, SCHEME, MODALITIES, tmp_path / "prepared")
    record = volume.record
    assert volume.counts[1:] == (23030, 35416, 3882, 18354)
    assert record.tumor_outside_brain == 2
    mask = np.asarray(nibabel.load(folder / "brainmask.nii.gz").dataobj).T > 0
    assert volume.counts[0] == mask.sum() - sum(volume.counts[1:]) + 2
    z, y, x = record.start
    depth, height, width = volume.shape
    box = np.s_[z : z + depth, y : y + height, x : x + width]
    np.testing.assert_array_equal(volume.array("mask"), mask[box])
    assert uncropped(volume.array("codes"), record).shape == (155, 240, 240)


def test_read_volume_and_prepared_geometry_agree(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "p1")
    geometry = prepared(folder).record.geometry
    assert geometry == read_volume(folder / "flair.nii.gz").geometry
