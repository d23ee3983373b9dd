"""Class folders, with and without train, val and test folders above them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.data.images.options import ReadOptions
from equipoise.data.images.readers.folder import read, recognizes
from equipoise.exceptions import DataError, SettingError

OPTIONS = ReadOptions(cache="off")
TRAIN = ("train/a/1.png", "train/a/2.png", "train/b/1.png", "train/b/2.png")


def write(root: Path, *files: str) -> None:
    for i, file in enumerate(files):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(
            np.full((8, 8), 10 * i + 10, dtype=np.uint8) + np.eye(8, dtype=np.uint8)
        ).save(path)


def two_classes(root: Path) -> Path:
    write(root, "ill/a.png", "ill/b.png", "healthy/a.png", "healthy/day2/c.PNG", "healthy/b.png")
    return root


def test_folders_are_the_classes_in_alphabetical_order(tmp_path: Path) -> None:
    loaded = read(two_classes(tmp_path), OPTIONS)
    assert loaded.dataset.class_names == ("healthy", "ill")
    assert loaded.dataset.ids.tolist() == [
        "healthy/a.png", "healthy/b.png", "healthy/day2/c.PNG", "ill/a.png", "ill/b.png",
    ]  # fmt: skip
    assert loaded.dataset.labels.tolist() == [0, 0, 0, 1, 1]
    assert loaded.dataset.images[:, 0, 0, 0].tolist() == [31, 51, 41, 11, 21]
    assert loaded.source_split is None


def test_a_folder_is_recognized_unless_a_table_describes_it(tmp_path: Path) -> None:
    assert recognizes(tmp_path, OPTIONS)
    assert not recognizes(tmp_path, ReadOptions(table="t.csv"))
    assert not recognizes(tmp_path / "absent", OPTIONS)


def test_patients_are_searched_below_the_class_folder(tmp_path: Path) -> None:
    write(tmp_path, "class1/p7_a.png", "class1/p8_a.png", "class2/p7_b.png", "class2/p9_b.png")
    loaded = read(tmp_path, ReadOptions(cache="off", groups=r"(\d)"))
    assert loaded.dataset.groups.tolist() == [0, 1, 0, 2]


def test_other_files_are_counted_in_a_note(tmp_path: Path) -> None:
    two_classes(tmp_path)
    for name in (
        ".DS_Store",
        "ill/Thumbs.db",
        "ill/.hidden.png",
        "healthy/notes.txt",
        "__MACOSX/x/y.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    loaded = read(tmp_path, OPTIONS)
    assert len(loaded.dataset) == 5
    assert "(2)" in loaded.notes[0]
    assert "ill/.hidden.png" in loaded.notes[0]
    assert "(1)" in loaded.notes[1]
    assert "healthy/notes.txt" in loaded.notes[1]


def test_split_folders_become_the_source_split(tmp_path: Path) -> None:
    for part, n in (("Train", 3), ("valid", 1), ("TEST", 2)):
        write(tmp_path, *(f"{part}/{name}/{i}.png" for name in ("a", "b") for i in range(n)))
    loaded = read(tmp_path, OPTIONS)
    assert loaded.dataset.class_names == ("a", "b")
    assert loaded.source_split is not None
    parts = dict(zip(loaded.dataset.ids.tolist(), loaded.source_split.tolist(), strict=True))
    assert parts["Train/a/0.png"] == "train"
    assert parts["valid/b/0.png"] == "validation"
    assert parts["TEST/b/1.png"] == "test"


def test_a_class_may_be_absent_from_test(tmp_path: Path) -> None:
    write(tmp_path, *TRAIN, "test/a/1.png")
    assert read(tmp_path, OPTIONS).dataset.class_names == ("a", "b")


def test_images_in_no_class_folder_are_counted_in_a_note(tmp_path: Path) -> None:
    write(two_classes(tmp_path), "figure.png")
    loaded = read(tmp_path, OPTIONS)
    assert len(loaded.dataset) == 5
    assert "(1): " in loaded.notes[0]
    assert "figure.png" in loaded.notes[0]


@pytest.mark.parametrize(
    "files",
    [
        ("a/train/1.png", "a/train/2.png", "a/test/3.png", "b/train/1.png", "b/Testing/2.png"),
        ("a/x/training_set/1.png", "a/x/test/3.png", "b/x/train/1.png", "b/y/test/2.png"),
    ],
)
def test_class_folders_may_be_divided_into_the_parts_of_a_split(
    files: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path, *files)
    loaded = read(tmp_path, OPTIONS)
    assert loaded.dataset.class_names == ("a", "b")
    assert loaded.source_split is not None
    parts = dict(zip(loaded.dataset.ids.tolist(), loaded.source_split.tolist(), strict=True))
    assert [parts[file] == "test" for file in files] == ["est" in file for file in files]


@pytest.mark.parametrize("file", ["b/3.png", "b/train/test/3.png", "b/x/train/3.png"])
def test_a_split_below_some_class_folders_is_not_used_and_named(file: str, tmp_path: Path) -> None:
    write(tmp_path, "a/train/1.png", "a/test/2.png", "b/train/1.png", "b/train/2.png", file)
    loaded = read(tmp_path, OPTIONS)
    assert loaded.source_split is None
    assert "split is not used" in loaded.notes[0]


def test_tables_beside_the_images_are_offered(tmp_path: Path) -> None:
    two_classes(tmp_path)
    rows = "".join(f"ill/{name}.png,p{name}\n" for name in "ab")
    (tmp_path / "manifest.csv").write_text("file,patient\n" + rows)
    (tmp_path / "names.tsv").write_text("image_id\tage\na\t3\nb\t4\nc\t5\n")
    (tmp_path / "costs.csv").write_text("year,cost\n1,2\n")
    (tmp_path / "pairs.csv").write_text("file_a,file_b\nill/a.png,ill/b.png\n")
    notes = [note for note in read(tmp_path, OPTIONS).notes if note.startswith("Not used")]
    assert len(notes) == 2
    assert "manifest.csv" in notes[0]
    assert "Without its patients (patient)" in notes[0]
    assert "column image_id" in notes[1]
    assert f"--table {tmp_path}/manifest.csv" in notes[0]
    assert f"--table {tmp_path}/names.tsv" in notes[1]


def test_a_table_above_and_a_workbook_are_offered_where_there_are_no_classes(
    tmp_path: Path,
) -> None:
    write(tmp_path / "films", "7.png", "8.png", "9.png")
    (tmp_path / "films/labels.xlsx").touch()
    (tmp_path / "all.csv").write_text("Code;finding\n7;a\n8;b\n9;a\n".replace(";", ","))
    with pytest.raises(DataError) as refused:
        read(tmp_path / "films", OPTIONS)
    first, table, workbook, folders = str(refused.value).splitlines()
    assert "in a table" in first
    assert "class folder" in folders
    assert "labels.xlsx" in workbook
    assert f"--table {tmp_path}/all.csv --path-column Code" in table


@pytest.mark.parametrize(
    ("files", "folders", "message"),
    [
        ((), (), "class folder .* none .0 images"),
        (("a.png", "b.png"), (), r"class folder .* none .2 images.*--table"),
        (
            ("a/1.png", "a/2.png"),
            ("b",),
            "every class folder of .*, found none in b. Add.*--ignore b",
        ),
        (("a/1.png", "a/2.png"), (), "2 classes in .* got 1: a"),
        (("a/1.png", "a/2.png", "b/1.png"), (), r"fewer of 'b' \(1\)"),
        (("train/a/1.png", "train/a/2.png", "other/b/1.png"), (), "got both: other, train"),
        (("test/a/1.png", "val/a/2.png"), (), "train folder in .* got test, val"),
        ((*TRAIN, "test/c/1.png", "test/c/2.png"), (), "train split.* of c"),
        (TRAIN, ("test",), "class folder .*/test"),
        ((*TRAIN, "test/1.png"), (), r"class folder .*/test.*1 images.*--ignore test\)"),
        (("seg_train/1.png", "seg_test/1.png"), (), "parts of a split, not classes.*Rename"),
        (("images/1.png", "labels/1.png", "images/2.png"), (), r"1 files.*--ignore labels"),
    ],
)
def test_bad_folders_are_named(
    files: tuple[str, ...], folders: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    write(tmp_path, *files)
    for folder in folders:
        (tmp_path / folder).mkdir()
    with pytest.raises(DataError, match=message):
        read(tmp_path, OPTIONS)


def test_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="label_column"):
        read(two_classes(tmp_path), ReadOptions(label_column="finding"))


def test_the_test_part_of_kermany_has_its_counts(shared: Path) -> None:
    loaded = read(shared / "data" / "kermany_cxr" / "test", ReadOptions(size=32, cache="off"))
    assert dict(zip(loaded.dataset.class_names, loaded.dataset.counts.tolist(), strict=True)) == {
        "NORMAL": 234,
        "PNEUMONIA": 390,
    }
    assert loaded.dataset.images.shape == (624, 1, 32, 32)


@pytest.mark.slow
def test_kermany_has_its_counts_and_its_split(shared: Path) -> None:
    loaded = read(shared / "data" / "kermany_cxr", ReadOptions(size=32, cache="off"))
    assert loaded.dataset.counts.tolist() == [1575, 4265]
    assert loaded.source_split is not None
    assert (loaded.source_split == "test").sum() == 624


def test_an_archive_without_class_folders_is_named(tmp_path: Path) -> None:
    (tmp_path / "pneumoniamnist.npz").touch()
    with pytest.raises(DataError, match=r"own path, such as .*pneumoniamnist\.npz"):
        read(tmp_path, ReadOptions())


def test_files_that_are_no_images_are_named_but_not_those_of_the_system(tmp_path: Path) -> None:
    for name in (".DS_Store", "._1.png"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"0 images are .*\(--table FILE\.csv\)\.$"):
        read(tmp_path, OPTIONS)
    (tmp_path / "a.mat").touch()
    with pytest.raises(DataError, match=r"Its files \(“a\.mat”\) cannot be read"):
        read(tmp_path, OPTIONS)


def test_a_table_that_names_the_folders_of_patients_is_named(tmp_path: Path) -> None:
    write(tmp_path, *(f"sub-0{i}/anat/sub-0{i}_T1w.png" for i in range(4)))
    lines = ["participant_id\tdiagnosis", *(f"sub-0{i}\till" for i in range(4))]
    (tmp_path / "participants.tsv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"“participants\.tsv”, a table that names folders"):
        read(tmp_path, OPTIONS)


def test_folders_of_files_that_are_not_read_are_not_all_left_out(tmp_path: Path) -> None:
    for name in ("ill", "well"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.npy").touch()
    with pytest.raises(DataError, match=r"ill \(\.npy\), well.*Convert") as refusal:
        read(tmp_path, ReadOptions(cache="off"))
    assert "--ignore" not in str(refusal.value)
