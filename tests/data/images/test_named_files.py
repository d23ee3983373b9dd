"""Files of a table are found by the ends of their paths."""

from pathlib import Path, PurePosixPath
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from equipoise.data.images.named_files import files_of_cells, find_by_name

PARTS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4)
PATHS = PARTS.map("/".join)


def may_name(cell: str, file: str) -> bool:
    """Return whether the shorter path is the end of the longer one."""
    cell_parts = PurePosixPath(cell.lower()).with_suffix("").parts
    file_parts = PurePosixPath(file.lower()).with_suffix("").parts
    n = min(len(cell_parts), len(file_parts))
    return cell_parts[-n:] == file_parts[-n:]


@given(cells=st.lists(PATHS, unique=True), files=st.lists(PATHS, unique=True).map(sorted))
def test_a_cell_names_the_files_that_it_ends_like(cells: list[str], files: list[str]) -> None:
    images = [f"{file}.PNG" for file in files]
    candidates = files_of_cells(cells, images)
    assert list(candidates) == cells
    for cell in cells:
        assert candidates[cell] == [file for file in images if may_name(cell, file)]


def test_suffixes_case_and_backslashes_do_not_matter() -> None:
    images = ["Train/P1/View.jpeg", "train/p2/view.jpeg"]
    cells = ["view", "P1\\VIEW.png", "D:\\set\\train\\p2\\view.dcm", "view.txt", "p3/view"]
    expected = [images, images[:1], images[1:], [], []]
    assert list(files_of_cells(cells, images).values()) == expected


def test_companions_and_ignored_files_are_not_named(tmp_path: Path) -> None:
    for file in ("a/1.png", "masks/1.png", "old/1.png", "a/1.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    files = find_by_name(tmp_path, ["1"], ignore=("old",), follow_links=False)
    assert files == {"1": ["a/1.png"]}


def test_files_of_the_same_name_take_no_quadratic_time() -> None:
    images = [f"train/p{i}/study1/view1.png" for i in range(4000)]
    start = process_time()
    candidates = files_of_cells([f"set/{image}" for image in images], images)
    assert all(len(files) == 1 for files in candidates.values())
    assert process_time() - start < 20  # all pairs take minutes
