"""Roles of files by their names."""

from pathlib import Path

import pytest

from equipoise.data.volumes.roles import is_volume, role_of


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Flair_subtrMeanDivStd", "FLAIR"),
        ("T1c_subtrMeanDivStd", "T1c"),
        ("OTMultiClass", "label"),
        ("brainmask", "mask"),
        ("BRATS_009_t1gd", "T1c"),
        ("BRATS_009_covered", "mask"),
        ("BraTS19_2013_4_1_t1ce", "T1c"),
        ("BraTS19_2013_4_1_seg", "label"),
        ("BraTS-GLI-00000-000-t1n", "T1"),
        ("BraTS-GLI-00000-000-t1c", "T1c"),
        ("BraTS-GLI-00000-000-t2w", "T2"),
        ("BraTS-GLI-00000-000-t2f", "FLAIR"),
        ("VSD.Brain.XX.O.MR_T1.54513", "T1"),
        ("sub-01_T2_FLAIR", "FLAIR"),
        ("t1-gd", "T1c"),
        ("T2", "T2"),
        ("ground truth", "label"),
        ("tumour_mask", "label"),
        ("brain_mask", "mask"),
        ("t1_bet_mask", "mask"),
        ("bet", "mask"),
        ("t1_bet", "T1"),
        ("mask", "unclear"),
        ("t1_mask", "unclear"),
        ("adc", "adc"),
        ("Segment", "Segment"),
    ],
)
def test_roles(name: str, role: str) -> None:
    assert role_of(name) == role


def test_the_name_of_the_case_is_ignored() -> None:
    assert role_of("seg-study_07_t1", "seg-study_07") == "T1"
    assert role_of("p7_adc", "p7") == "adc"
    assert role_of("T1c", "T1") == "T1c"
    assert role_of("t1", "t1") == "T1"


def test_volumes_and_other_files() -> None:
    assert is_volume(Path("a/b.NII.GZ"))
    assert not any(
        is_volume(Path(name))
        for name in ("._b.nii", "__MACOSX/b.nii", ".git/b.nii", "a.csv", "nii")
    )
