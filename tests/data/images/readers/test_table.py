"""A CSV table of paths, labels, patients and splits."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.data.images.listing import NO_PATIENTS
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.readers import folder
from equipoise.data.images.readers.table import list_files, read, recognizes
from equipoise.data.patient_columns import means_patients
from equipoise.exceptions import DataError, ListingError
from equipoise.names import without_names

OPTIONS = ReadOptions(cache="off", size=8)
GOOD = """file,label,patient,split
a/0.png,ill,p1,train
a/1.png,ill,p2,test
a/2.png,well,p1,train
a/3.png,well,p3,
"""


def images(root: Path, n: int = 4) -> Path:
    (root / "a").mkdir(parents=True)
    for i in range(n):
        Image.fromarray(np.full((8, 8), 10 * i, dtype=np.uint8) + np.eye(8, dtype=np.uint8)).save(
            root / f"a/{i}.png"
        )
    return root


def table(root: Path, text: str = GOOD, encoding: str = "utf-8") -> Path:
    path = root / "t.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    loaded = read(table(images(tmp_path)), OPTIONS)
    dataset = loaded.dataset
    assert dataset.ids.tolist() == ["a/0.png", "a/1.png", "a/2.png", "a/3.png"]
    assert dataset.class_names == ("ill", "well")
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    assert dataset.groups.tolist() == [0, 1, 0, 2]
    assert loaded.source_split is not None
    assert loaded.source_split.tolist() == ["train", "test", "train", ""]
    columns, note = loaded.notes
    assert columns == (
        "Columns of “t.csv”: images 'file', classes 'label', patients 'patient', split 'split'."
    )
    assert note.startswith("1 of 4 images")
    assert "'split'" in note


def test_the_table_may_lie_elsewhere(tmp_path: Path) -> None:
    root = images(tmp_path / "films")
    options = ReadOptions(cache="off", table=table(tmp_path))
    assert recognizes(root, options)
    assert len(read(root, options).dataset) == 4


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_byte_order_marks_are_understood(
    separator: str, encoding: str, tmp_path: Path
) -> None:
    path = table(images(tmp_path), GOOD.replace(",", separator).replace("file", "File"), encoding)
    assert len(read(path, OPTIONS).dataset) == 4


def test_backslashes_are_understood(tmp_path: Path) -> None:
    assert (
        read(table(images(tmp_path), GOOD.replace("/", "\\")), OPTIONS).dataset.ids[0] == "a/0.png"
    )


def test_columns_may_be_named(tmp_path: Path) -> None:
    text = GOOD.replace("file,label,patient,split", "where,what,who,part")
    options = ReadOptions(
        cache="off",
        path_column="where",
        label_column="what",
        group_column="who",
        split_column="part",
    )
    loaded = read(table(images(tmp_path), text), options)
    assert loaded.dataset.groups.tolist() == [0, 1, 0, 2]
    assert loaded.source_split is not None


def test_groups_has_priority_over_a_column_of_patients(tmp_path: Path) -> None:
    loaded = read(table(images(tmp_path)), ReadOptions(cache="off", groups=r"\d"))
    assert loaded.dataset.groups.tolist() == [0, 1, 2, 3]


def test_an_empty_column_counts_as_absent(tmp_path: Path) -> None:
    text = "file,label,patient,split\na/0.png,a,,\na/1.png,b,,\na/2.png,a,,\na/3.png,b,,\n"
    loaded = read(table(images(tmp_path), text), OPTIONS)
    assert loaded.source_split is None
    assert loaded.dataset.groups.tolist() == [0, 1, 2, 3]
    assert loaded.notes[1:] == (NO_PATIENTS,)
    assert loaded.notes[0].endswith("patients none, split 'split'; not used: patient.")


def with_line(number: int, line: str) -> str:
    lines = GOOD.splitlines()
    lines[number] = line
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv.*empty"),
        ("file,label\n", "only a header"),
        (GOOD.replace("label", "sign"), r"label.* file, sign.*--label-column"),
        (GOOD.replace("file", "scan"), r"path.*--path-column"),
        (with_line(2, "a/1.png,,p2,test"), r"t.csv.*'label': line 3 \(a/1"),
        (with_line(2, ",ill,p2,test"), r"'file': line 3 \(no path\)"),
        (with_line(2, "a/1.png,ill,,test"), r"without a patient.*line 3"),
        (with_line(2, "a/1.png,ill,p2,later"), r"'later'.*: line 3 .* train,"),
        (with_line(2, "a/nowhere.png,ill,p2,test"), r"line 3 \(a/nowhere.png\)"),
        (with_line(2, "a,ill,p2,test"), r"line 3 \(a\)"),
        (
            with_line(2, "a/../a/0.png,ill,p2,test"),
            r"twice, with different patients or splits: line 2 .*line 3",
        ),
        (with_line(2, "../secret.png,ill,p2,test"), r"leave .*films: line 3 \(../secret.png\)"),
        (with_line(2, "/etc/passwd,ill,p2,test"), r"leave .*films: line 3"),
        (with_line(2, 'a/1.png,"ill,p2,test'), "t.csv.*UTF-8.*unexpected end of data"),
        (GOOD.replace("well", "ill"), "2 classes.* 1: ill"),
        (
            GOOD.replace("p1,train\na/3.png,well,p3,", "p1,test\na/3.png,well,p3,test"),
            "split.* of well",
        ),
    ],
)
def test_bad_tables_are_named_with_their_lines(text: str, message: str, tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "secret.png")
    with pytest.raises(DataError, match=message):
        read(table(images(tmp_path / "films"), text), OPTIONS)


PATIENT_HEADERS = (
    "Patient ID|PatientID|patientId|patient-id|PATIENT_NO|Patient Name|Anonymized Patient ID|"
    "subject_id|SubjectID|usubjid|participant_id|PID|MRN|case_id|CaseID|lesion_id|Lesion|slide_id|"
    "StudyInstanceUID|study_uid|accession_number|specimen id|scan_id|series_instance_uid|group"
)
TWO_OF_EACH = [f"a/{i}.png,{'ab'[i // 4]},{i // 2}" for i in range(8)]


def table_of_eight(root: Path, header: str, lines: list[str] = TWO_OF_EACH) -> Path:
    return table(images(root, 8), "\n".join([f"file,label,{header}", *lines]))


@pytest.mark.parametrize("header", PATIENT_HEADERS.split("|"))
def test_columns_of_patients_are_found_by_meaning(header: str, tmp_path: Path) -> None:
    listing = list_files(table_of_eight(tmp_path, header), OPTIONS)
    assert listing.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert f"patients '{header}'" in listing.notes[0]
    assert any(f"of one '{header}'" in note for note in listing.notes) != means_patients(header)


@pytest.mark.parametrize(
    "header", ["患者编号", "患者ID", "환자번호", "ID_пациента", "Код пациента"]
)
def test_columns_of_patients_in_other_scripts_are_found_or_asked_about(
    header: str, tmp_path: Path
) -> None:
    try:
        listing = list_files(table_of_eight(tmp_path, header), OPTIONS)
    except DataError as error:
        assert f"--group-column {shlex.quote(header)}" in str(error)  # noqa: PT017
    else:
        assert listing.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("header", ["who_id", "ID", "anon_code", "hash", "my_patient"])
def test_a_column_that_may_be_of_patients_is_asked_about(header: str, tmp_path: Path) -> None:
    path = table_of_eight(tmp_path, header)
    with pytest.raises(DataError, match=rf"'{header}' \(4 values\).*--group-column {header}"):
        list_files(path, OPTIONS)
    answered = list_files(path, replace(OPTIONS, group_column=header))
    assert len(set(answered.groups.tolist())) == 4
    denied = list_files(path, replace(OPTIONS, group_column="none"))
    assert NO_PATIENTS in denied.notes
    assert any(header in note for note in denied.notes)
    assert len(set(list_files(path, replace(OPTIONS, groups=r"\d+")).groups.tolist())) == 8


@pytest.mark.parametrize(
    "header", ["covid", "site_id", "slice_no", "patient_age", "view", "scanner_id"]
)
def test_other_columns_are_named_as_unused(header: str, tmp_path: Path) -> None:
    listing = list_files(table_of_eight(tmp_path, header), OPTIONS)
    assert listing.notes[0].endswith(f"patients none, split none; not used: {header}.")
    assert listing.notes[1:] == (NO_PATIENTS,)


def test_patients_come_before_their_parts_and_empty_columns_do_not_count(tmp_path: Path) -> None:
    rows = [f"a/{i}.png,{'ab'[i // 4]},nan,{i},{i // 2},{i // 4}" for i in range(8)]
    header = "patient_id,case_id,slide_id,subject"
    listing = list_files(table_of_eight(tmp_path / "1", header, rows), OPTIONS)
    assert len(set(listing.groups.tolist())) == 2
    header = "patient_id,case_id,slide_id,other"
    listing = list_files(table_of_eight(tmp_path / "2", header, rows), OPTIONS)
    assert len(set(listing.groups.tolist())) == 4  # each case has one image


def test_spellings_of_a_patient_are_one_patient(tmp_path: Path) -> None:
    names = ("p1", "P1", "p 01", "p2", "7", "7.0")
    rows = [f"a/{i}.png,{'ab'[i // 3]},{name}" for i, name in enumerate(names)]
    listing = list_files(table_of_eight(tmp_path, "patient", rows), OPTIONS)
    a, b, c, d, e, f = listing.groups.tolist()
    assert (a, a, e) == (b, c, f)
    assert len({a, d, e}) == 3
    assert any("spelling" in note for note in listing.notes)


@pytest.mark.parametrize(
    "spellings",
    [("well", "Well"), ("well", "WELL "), ("1", "1.0"), ("1", "01"), ("no finding", "No_Finding")],
)
def test_spellings_of_a_label_are_refused_with_their_lines(
    spellings: tuple[str, str], tmp_path: Path
) -> None:
    names = (*spellings, spellings[0], "ill", "ill")
    rows = [f'a/{i}.png,"{name}",{i}' for i, name in enumerate(names)]
    if len({name.strip() for name in spellings}) > 1:
        with pytest.raises(DataError, match=r"one class.*line 3 \(a/1\.png\)\. "):
            list_files(table_of_eight(tmp_path, "patient", rows), OPTIONS)


@pytest.mark.parametrize("label", ["nan", "NaN", "NA", "N/A", "?", "null", "None", "#N/A", "-"])
def test_missing_labels_are_refused_with_their_lines(label: str, tmp_path: Path) -> None:
    names = ("healthy", label, label, "ill", "ill")
    rows = [f"a/{i}.png,{name},{i}" for i, name in enumerate(names)]
    with pytest.raises(DataError, match=r"no value.*'label': line 3 \(a/1\.png\), line 4"):
        list_files(table_of_eight(tmp_path, "patient", rows), OPTIONS)


def test_all_faults_of_a_table_are_in_one_error(tmp_path: Path) -> None:
    rows = [
        "a/0.png,ill, acute,p1",
        "a/1.png,nan,p1",
        "a/2.png,well,p2",
        "a/3.png,Well,p2",
        "a/nowhere.png,well,p3",
        "a/4.png,well,NA",
        "a/5.png,well",
        "a/6.png,ill,p4",
        "a/6.png,well,p4",
    ]
    with pytest.raises(DataError) as refusal:
        list_files(table_of_eight(tmp_path, "patient", rows), OPTIONS)
    message = str(refusal.value)
    assert "6 faults" in message
    for number in (2, 3, 5, 6, 7, 8, 9, 10):
        assert f"line {number} " in message
    assert "different labels" in message


def test_a_line_break_in_a_label_is_refused(tmp_path: Path) -> None:
    rows = ['a/0.png,"ill', 'a/1.png,well",p1', "a/2.png,well,p2"]
    with pytest.raises(DataError, match=r"line breaks.*line 2"):
        list_files(table_of_eight(tmp_path, "patient", rows), OPTIONS)


@pytest.mark.parametrize("header", ["split", "Set", "data_split", "Partition"])
def test_a_split_is_found_by_meaning(header: str, tmp_path: Path) -> None:
    parts = ["Train", "train", "TEST", "val", "train", "testing", "", "nan"]
    rows = [f"{row},{part}" for row, part in zip(TWO_OF_EACH, parts, strict=True)]
    listing = list_files(table_of_eight(tmp_path, f"patient,{header}", rows), OPTIONS)
    assert listing.splits is not None
    assert listing.splits.tolist()[:4] == ["train", "train", "test", "validation"]


def test_a_split_that_cannot_be_used_is_refused_with_the_option_or_said(tmp_path: Path) -> None:
    rows = [f"{row},{i % 3}" for i, row in enumerate(TWO_OF_EACH)]
    path = table_of_eight(tmp_path / "words", "patient,split", rows)
    with pytest.raises(DataError, match=r"'0', '1', '2'.*line 2 .*--split-column none"):
        list_files(path, OPTIONS)
    assert list_files(path, replace(OPTIONS, split_column="none")).splits is None
    rows = [f"{row},test" for row in TWO_OF_EACH]
    with pytest.raises(DataError, match=r"no train images.*--split-column none"):
        list_files(table_of_eight(tmp_path / "test", "patient,split", rows), OPTIONS)
    rows = [f"{row},{'train' if i % 3 else 'val'}" for i, row in enumerate(TWO_OF_EACH)]
    splits = list_files(table_of_eight(tmp_path / "no", "patient,split", rows), OPTIONS).splits
    assert splits is not None  # the plan says that they have no test images
    assert set(splits.tolist()) == {"train", "validation"}


@pytest.mark.parametrize("cell", ["a" * 5000, "a/0.png/b", "~", ".."])
def test_impossible_paths_are_refused(cell: str, tmp_path: Path) -> None:
    rows = [*TWO_OF_EACH, f"{cell},b,4"]
    with pytest.raises(DataError, match="line 10"):
        list_files(table_of_eight(tmp_path, "patient", rows), OPTIONS)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "secret.png")
    root = images(tmp_path / "films")
    (root / "a/1.png").unlink()
    (root / "a/1.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"folder.*: line 3 \(a/1\.png\)"):
        read(table(root), OPTIONS)


def test_a_named_column_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"t.csv: .*'patiant'.*'patient'.* file",
    ):
        read(table(images(tmp_path)), ReadOptions(group_column="patiant"))


def test_a_table_that_is_an_image_is_refused(tmp_path: Path) -> None:
    root = images(tmp_path)
    with pytest.raises(DataError, match=r"0\.png.*UTF-8"):
        read(root, ReadOptions(table=root / "a/0.png"))


def test_links_out_of_the_folder_are_followed_only_on_request(tmp_path: Path) -> None:
    path = table(images(tmp_path))
    file = tmp_path / "a" / "0.png"
    file.rename(tmp_path.parent / f"{tmp_path.name}.png")
    file.symlink_to(tmp_path.parent / f"{tmp_path.name}.png")
    with pytest.raises(DataError, match="--follow-links"):
        read(path, OPTIONS)
    loaded = read(path, ReadOptions(cache="off", size=8, follow_links=True))
    assert loaded.dataset.ids[0] == "a/0.png"


def test_ignored_lines_are_counted(tmp_path: Path) -> None:
    images(tmp_path, n=6)
    rows = "".join(f"a/{i}.png,{'xy'[i % 2]}\n" for i in range(6))
    options = ReadOptions(cache="off", size=8, ignore=("5.*",))
    loaded = read(table(tmp_path, "path,label\n" + rows), options)
    assert len(loaded.dataset) == 5
    assert "Left out, ignored (1)" in loaded.notes[1]


def test_an_absent_table_or_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CSV.*absent\.csv"):
        read(tmp_path, ReadOptions(table=tmp_path / "absent.csv"))
    with pytest.raises(DataError, match=r"folder .*nowhere"):
        read(tmp_path / "nowhere", ReadOptions(table=table(tmp_path)))


def test_images_are_found_by_name_where_their_paths_are_others(tmp_path: Path) -> None:
    images(tmp_path)
    (tmp_path / "a/3.png").rename(tmp_path / "3.PNG")
    cells = ["0", "C:\\films\\a\\1.jpg", "/somewhere/else/2.png", "3"]
    rows = "".join(f"{cell},{'xy'[i % 2]}\n" for i, cell in enumerate(cells))
    with pytest.raises(DataError, match=r"no image there is called so: line 4 \(/somewhere"):
        list_files(table(tmp_path, "image_id,dx\n" + rows), OPTIONS)
    path = table(tmp_path, "image_id,dx\n" + rows.replace("else", "a"))
    listing = list_files(path, OPTIONS)
    assert listing.files == ("3.PNG", "a/0.png", "a/1.png", "a/2.png")
    assert listing.labels.tolist() == [1, 0, 1, 0]
    assert any(note.startswith("4 of 4 images were found by") for note in listing.notes)


def test_a_name_of_several_images_is_refused_and_masks_are_none(tmp_path: Path) -> None:
    images(tmp_path / "films")
    images(tmp_path / "masks")
    rows = "".join(f"{i},{'xy'[i % 2]}\n" for i in range(4))
    assert len(list_files(table(tmp_path, "id,y\n" + rows), OPTIONS).files) == 4
    (tmp_path / "masks").rename(tmp_path / "second")
    with pytest.raises(DataError, match=r"several files .*line 2 \(0\).*--ignore"):
        list_files(table(tmp_path, "id,y\n" + rows), OPTIONS)
    listing = list_files(table(tmp_path, "id,y\n" + rows), replace(OPTIONS, ignore=("second",)))
    assert len(listing.files) == 4


def test_what_lies_beside_the_table_and_its_images_is_said(tmp_path: Path) -> None:
    images(tmp_path, n=6)
    rows = "".join(f"a/{i}.png,{'xy'[i % 2]},{i % 2},{i}\n" for i in range(4))
    text = "path,label,is_test,fold\n" + rows
    (tmp_path / "test.csv").write_text(text)
    (tmp_path / "notes.csv").write_text("path,comment\n")
    columns, others, unlisted, _ = list_files(table(tmp_path, text), OPTIONS).notes
    assert "'is_test' may be a split" in columns
    assert "test.csv" in others
    assert "notes.csv" not in others
    assert "(2)" in unlisted
    assert "a/5.png" in unlisted


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        ("image,Edema,Hernia", "{n},1,-1.0", r"one for each finding.*--label-column Edema"),
        ("0.png,ill", "{n},well", "first line.*header"),
        ("image,label", "{n},{xy}|x", r"several classes in column 'label': 'x\|x' .*one question"),
        ("image,label", "{n},{third}", r"uncertain or missing.*'-1' \(2\)"),
    ],
)
def test_columns_that_are_no_classes_are_refused_with_what_helps(
    header: str, cells: str, message: str, tmp_path: Path
) -> None:
    images(tmp_path, n=6)
    lines = []
    for i in range(6):
        line = cells.replace("{n}", f"a/{i}.png").replace("{xy}", "xy"[i % 2])
        lines.append(line.replace("{third}", str(i % 3 - 1)))
    lines[0] = lines[0].replace("-1.0", "1.0")
    with pytest.raises(DataError, match=message):
        list_files(table(tmp_path, "\n".join([header, *lines])), OPTIONS)


def test_faults_of_paths_and_repeated_lines_are_named_together(tmp_path: Path) -> None:
    lines = ["file,label,split", "a/0.png,x,train", "a/0.png,x,test", "a/9.png,y,train", ",y,test"]
    with pytest.raises(DataError, match=r"line 4 \(a/9\.png\)") as refused:
        list_files(table(images(tmp_path), "\n".join(lines)), OPTIONS)
    twice = [line for line in str(refused.value).splitlines() if "twice" in line]
    assert len(twice) == 1
    assert "line 2 (a/0.png), line 3 (a/0.png). " in twice[0]


def test_lines_for_several_boxes_count_once(tmp_path: Path) -> None:
    images(tmp_path)
    lines = ["patientId,x,Target", "0,3,1", "0,4,1", "1,5,1", "2,,0", "3,,0", "3,,0"]
    path = table(tmp_path, "\n".join(lines))
    listing = list_files(path, replace(OPTIONS, path_column="patientId"))
    assert listing.files == ("a/0.png", "a/1.png", "a/2.png", "a/3.png")
    assert any(note.startswith("2 of 6 lines repeat") for note in listing.notes)
    assert not any("--groups '" in note for note in listing.notes)  # repeated lines are no patients


def test_patients_of_another_table_have_to_be_added(tmp_path: Path) -> None:
    images(tmp_path)
    path = table(tmp_path, "image,label\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in range(4)))
    lesions = "image,lesion_id\n" + "".join(f"{i},les{i // 2}\n" for i in range(4))
    (tmp_path / "lesions.csv").write_text(lesions)
    with pytest.raises(
        DataError, match=r"“lesions\.csv” has 'lesion_id' of 4 .*--group-column none"
    ):
        list_files(path, OPTIONS)
    assert len(list_files(path, replace(OPTIONS, group_column="none")).files) == 4
    (tmp_path / "lesions.csv").write_text(
        lesions.replace("les0", "les8", 1).replace("les1", "l", 1)
    )
    assert len(list_files(path, OPTIONS).files) == 4  # one image each


@pytest.mark.parametrize("patient", ["1.23E+10", "1,2e+07", "4E+05"])
def test_patients_that_a_spreadsheet_rounded_are_refused(patient: str, tmp_path: Path) -> None:
    text = GOOD.replace("p1", f'"{patient}"').replace(",test", ",").replace(",train", ",")
    with pytest.raises(DataError, match=r"'patient' that a spreadsheet has rounded: line 2"):
        list_files(table(images(tmp_path), text), OPTIONS)


def test_notes_without_names_name_no_file_or_patient(tmp_path: Path) -> None:
    root = tmp_path / "Clara Roe films"
    for part in ("train", "test"):
        lines = ["image,label,patient,age"]
        for i in range(4):
            name = f"Jane Doe {part} {i}"
            (root / "Clara").mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), i).save(root / "Clara" / f"{name}.png")
            lines.append(f"{name},{'xy'[i % 2]},{'Mary Poe' if i else 'mary poe'},3")
        (root / f"Jack Loe {part}.csv").write_text("\n".join((*lines, lines[-1])))
        (root / "Jack Loe others.csv").write_text(lines[0])
    Image.new("L", (8, 8), 9).save(root / "Clara" / "Jim Foe.png")
    path = root / "Jack Loe train.csv"
    listing = list_files(path, replace(OPTIONS, split_column="none"))
    assert len(listing.notes) == 7
    page = " ".join(without_names(note, listing.files) for note in listing.notes)
    for name in ("Jane", "Doe", "Mary", "Poe", "Jack", "Loe", "Clara", "Roe", "Jim", "Foe"):
        assert name not in page


def test_a_workbook_is_refused_as_one(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"PK\x03\x04" + bytes(30))
    assert recognizes(path, ReadOptions())
    with pytest.raises(DataError, match="workbook"):
        list_files(path, OPTIONS)


def test_covid_by_table_and_by_folder_is_the_same(shared: Path) -> None:
    root = shared / "data" / "covid_xray"
    by_table = read(root / "manifest.csv", OPTIONS).dataset
    by_folder = folder.read(root, OPTIONS).dataset
    np.testing.assert_array_equal(by_table.images, by_folder.images)
    assert by_table.ids.tolist() == by_folder.ids.tolist()
    assert by_table.counts.tolist() == by_folder.counts.tolist() == [124, 500, 500]
    assert len(np.unique(by_table.groups)) == 764


@pytest.mark.slow
def test_herlev_is_read_with_two_or_seven_classes(shared: Path) -> None:
    path = shared / "data" / "herlev_papsmear" / "manifest.csv"
    seven = read(path, OPTIONS)
    assert len(seven.dataset.class_names) == 7
    assert len(np.unique(seven.dataset.groups)) == 230
    assert seven.source_split is not None
    assert (seven.source_split == "validation").sum() == 29
    two = read(path, ReadOptions(cache="off", size=8, label_column="binary"))
    assert dict(zip(two.dataset.class_names, two.dataset.counts.tolist(), strict=True)) == {
        "abnormal": 490,
        "normal": 182,
    }
    assert two.dataset.images.shape == (672, 3, 8, 8)


@pytest.mark.slow
def test_skin_is_read_by_lesion(shared: Path) -> None:
    loaded = read(
        shared / "data" / "skin_mal_benign" / "manifest.csv", ReadOptions(cache="off", size=16)
    )
    assert loaded.dataset.counts.tolist() == [1800, 1497]
    assert len(np.unique(loaded.dataset.groups)) == 2308


def test_a_column_that_names_the_images_is_offered(tmp_path: Path) -> None:
    root = images(tmp_path)
    rows = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(4))
    with pytest.raises(DataError, match=r"4 images: --path-column patientKey"):
        list_files(table(root, f"patientKey,label\n{rows}"), OPTIONS)
    with pytest.raises(DataError, match="add a column 'path'"):
        list_files(table(root, "study,label\ns1,a\ns2,b\n"), OPTIONS)


def test_faults_of_lines_and_damaged_files_are_named_together(tmp_path: Path) -> None:
    root = images(tmp_path)
    (root / "a/1.png").write_bytes(b"")
    with pytest.raises(ListingError, match=r"line 3 [^$]*a/1\.png: the file is empty") as refused:
        list_files(table(root, "file,label\na/0.png,ill\na/1.png,\na/2.png,well\n"), OPTIONS)
    assert refused.value.class_names == ("", "ill", "well")


@pytest.mark.parametrize("column", ["partition", "subset", "set"])
def test_a_split_with_some_unknown_parts_is_refused_and_one_of_other_things_is_unused(
    column: str, tmp_path: Path
) -> None:
    """One that was called training in part was dropped, and the note said that it was used."""
    text = GOOD.replace("split", column)
    path = table(images(tmp_path), text.replace(",test", ",prospective"))
    with pytest.raises(DataError, match=rf"'prospective'.*column '{column}'.*--split-column none"):
        list_files(path, OPTIONS)
    renamed = {"train": "tuning", "test": "holdout"}
    parts = text
    for name, other in renamed.items():
        parts = parts.replace(f",{name}", f",{other}")
    with pytest.raises(DataError, match=r"no train images|train split"):
        list_files(table(images(tmp_path / "tuned"), parts), OPTIONS)
    other = text.replace(",train", ",before").replace(",test", ",after")
    listing = list_files(table(images(tmp_path / "other"), other), OPTIONS)
    assert listing.splits is None
    assert f"split none; not used: {column}" in listing.notes[0]
