"""Names of class folders: plain, different, without paths, and never that of a part of a split."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.data.images.listing import SPLIT_NAMES
from equipoise.deployment.synthetic_folder import class_folders


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (("NORMAL", "COVID-19"), ["NORMAL", "COVID-19"]),
        (("actinic keratoses (AK)", "nevus, common"), ["actinic keratoses (AK)", "nevus, common"]),
        (("0", "10"), ["0", "10"]),
        (("a/b", "a\\b", "A-B"), ["a-b", "a-b-1", "A-B-2"]),
        (("train", "Test"), ["train-0", "Test-1"]),
        (("..", "", " . "), ["class", "class-1", "class-2"]),
        (("../../etc", ".hidden"), ["etc", "hidden"]),
        (("ödem", "健康"), ["ödem", "健康"]),
    ],
)
def test_class_names_become_names_of_folders(names: tuple[str, ...], folders: list[str]) -> None:
    assert class_folders(names) == folders


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), unique=True, min_size=1, max_size=6))
def test_any_names_give_different_folders_inside(names: list[str]) -> None:
    folders = class_folders(names)
    assert len({folder.lower() for folder in folders}) == len(names)
    for folder in folders:
        assert not folder.startswith(".")
        assert folder.lower() not in SPLIT_NAMES
        for path in (PurePosixPath(folder), PureWindowsPath(folder)):
            assert path.parts == (folder,)
