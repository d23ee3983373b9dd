"""Folders that are no classes are told from those that are."""

from pathlib import Path

import pytest

from equipoise.data.images.class_folders import folder_faults, set_aside

ROOT = Path("films")


def below(names: list[str], *inner: str) -> list[str]:
    return [f"{name}/{folder}/{i}.png" for name in names for folder in inner for i in range(3)]


PATIENTS = [f"{8000 + 7 * i}" for i in range(12)]


@pytest.mark.parametrize(
    ("names", "files", "fault"),
    [
        (["patient01", "patient02"], below(["patient01"], "x"), "patients"),
        (["sub-01", "sub-02"], [], "patients"),
        (["HospitalA", "HospitalB"], below(["HospitalA"], "ill", "well"), r"\(ill, well\)"),
        (["fold_1", "fold_2", "fold_3"], [], "patients"),
        (PATIENTS, below(PATIENTS, "0", "1"), r"\(0, 1\)"),
        (PATIENTS, below(PATIENTS, "ap"), "patients"),
        (["man", "woman"], below(["man", "woman"], "normal", "covid"), r"\(covid, normal\)"),
        (["Dataset"], below(["Dataset"], "ill", "well"), "give films/Dataset"),
        (["a"], below(["a"], "b c/ill/p1", "b c/well"), "give 'films/a/b c' in its place"),
        (["files"], below(["files"], *(f"p10/p100{i}" for i in range(12))), "patients"),
        (["ill", "well", "all"], below(["all"], "ill", "well"), r"--ignore all\)"),
        (["ill", "well", "ill_old"], [], "--ignore ill_old"),
        (["ill", "well", "Excluded"], [], "--ignore Excluded"),
        (["dr", "no dr", "ungradable"], [], "--ignore ungradable"),
    ],
)
def test_folders_that_are_no_classes_are_refused(
    names: list[str], files: list[str], fault: str
) -> None:
    (sentence,) = folder_faults(ROOT, names, files)
    with pytest.raises(ValueError, match=fault):
        raise ValueError(sentence)


@pytest.mark.parametrize(
    ("names", "inner"),
    [
        (["benign", "malignant"], ("40X", "100X")),
        (["kl0", "kl1", "kl2"], ("left", "right")),
        ([f"class_{i}" for i in range(14)], ()),
        (["covid", "normal"], ("images",)),
        (["case", "control"], ("case 1", "case 2")),
        (["type_1", "type_2"], ()),
        (["0", "1"], ("p1", "p2")),
        (["old infarct", "new infarct"], ()),
        (["good", "usable", "reject"], ()),
        (["good quality", "poor quality"], ()),
        (["glioma"], ("p1",)),
        (["CIN1", "CIN2", "CIN3"], ("a", "b")),
    ],
)
def test_classes_are_read(names: list[str], inner: tuple[str, ...]) -> None:
    assert folder_faults(ROOT, names, below(names, *inner)) == []


def test_all_that_was_set_aside_is_named_at_once() -> None:
    names = ["ill", "well", "ill - Copy", "well_augmented", "trash", "bad-quality"]
    assert set_aside(names) == names[2:]
