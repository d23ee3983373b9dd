"""The section of slices: patients, outlines, pictures stored once, descriptions of all."""

import re
from pathlib import Path

import numpy as np

from equipoise.atomic import read_json, write_json
from equipoise.report.contours import outline
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.slices import TRUTH, view


def test_every_method_is_shown_on_the_slices_of_the_reference(volumes_run: Path) -> None:
    found = view(read_contents(volumes_run))
    assert found is not None
    assert [title.split(":")[0] for title in found.shared_patients] == [
        f"{role} patient of random" for role in ("Best", "Median", "Worst")
    ]
    for rows in found.shared_patients.values():
        assert rows[0].title == "The slice with most tumor."
        for row in rows:
            names = [drawing.caption for drawing in row.figures]
            assert names == ["T1c", "FLAIR", "The experts", "random", "dense", "cascade"]


def test_dashed_lines_are_the_experts_and_solid_ones_the_methods(volumes_run: Path) -> None:
    found = view(read_contents(volumes_run))
    assert found is not None
    facts = read_json(volumes_run / "evidence" / "slices" / "slices.json")
    with np.load(volumes_run / "evidence" / "slices" / "slices.npz") as pixels:
        i = facts["exhibits"][0]["slice"]
        truth, drawn = pixels[f"truth_{i}"] > 0, pixels[f"drawn_{i}_1"] > 0
    drawing = next(iter(found.shared_patients.values()))[0].figures[4]
    color = found.regions["whole"].color
    paths = [(line.style.dash, line.path) for line in drawing.outlines if line.style.color == color]
    assert paths == [(TRUTH, outline(truth)), ("", outline(drawn))]


def test_the_largest_region_comes_first_with_a_color_of_its_own(volumes_run: Path) -> None:
    found = view(read_contents(volumes_run))
    assert found is not None
    assert list(found.regions) == ["whole", "core", "active"]
    assert len({style.color for style in found.regions.values()}) == 3


def test_other_methods_show_their_own_patients(volumes_run: Path) -> None:
    found = view(read_contents(volumes_run))
    assert found is not None
    assert list(found.own_patients) == ["dense", "cascade"]
    for drawings in found.own_patients.values():
        assert {drawing.caption.split(":")[0] for drawing in drawings} == {
            "Best",
            "Median",
            "Worst",
        }


def test_a_page_holds_every_picture_once_and_describes_every_drawing(volumes_page: str) -> None:
    ids = re.findall(r'<image id="([^"]+)"', volumes_page)
    used = re.findall(r'<use href="#([^"]+)"', volumes_page)
    assert len(set(ids)) == len(ids)
    assert set(used) == set(ids)
    assert volumes_page.count('aria-label="Slice ') == len(used)
    dice = r"Dice whole [01]\.\d\d, core [01]\.\d\d, active [01]\.\d\d"
    assert re.search(rf"Slice \d of patient \d, dense: {dice}", volumes_page)


def test_voxels_that_are_not_square_are_drawn_as_they_are(volumes_copy: Path) -> None:
    path = volumes_copy / "evidence" / "slices" / "slices.json"
    facts = read_json(path)
    for shown in facts["slices"]:
        shown["ratio"] = 1.5
    write_json(path, facts)
    found = view(read_contents(volumes_copy))
    assert found is not None
    drawing = next(iter(found.shared_patients.values()))[0].figures[0]
    assert drawing.height == 14 * 1.5
    assert all(picture.height == 21 for picture in found.pictures)


def test_a_patient_whom_a_method_has_not_segmented_yet_is_left_out(volumes_copy: Path) -> None:
    folder = volumes_copy / "evidence" / "slices"
    with np.load(folder / "slices.npz") as pixels:
        kept = {
            name: pixels[name]
            for name in pixels.files
            if not name.endswith("_1") or name.count("_") == 1
        }
    np.savez(folder / "slices.npz", allow_pickle=False, **kept)
    found = view(read_contents(volumes_copy))
    assert found is not None
    names = {
        d.caption for rows in found.shared_patients.values() for row in rows for d in row.figures
    }
    assert "dense" not in names
    assert found.own_patients["dense"] == []


def test_without_evidence_the_section_is_left_out(volumes_copy: Path) -> None:
    (volumes_copy / "evidence" / "slices" / "slices.npz").unlink()
    assert view(read_contents(volumes_copy)) is None
