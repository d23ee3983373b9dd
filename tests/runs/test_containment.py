"""A run folder of someone else leads nowhere: no links, no names of other folders."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.atomic import write_json
from equipoise.checksums import check_folder
from equipoise.exceptions import DamagedFileError, DataError
from equipoise.runs.containment import FOLDERS, MOST_LINKS, check_links
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore

WriteRun = Callable[..., Path]
ARMS = {"none": (1.2, -1.0), "crt": (1.2, 0.0)}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights there")


@pytest.mark.parametrize(
    "name",
    ["cells/crt", "cells/crt/split-0/seed-0/record.json", "study.json", ".lock", "evidence"],
)
def test_links_that_lead_out_are_refused_by_name(
    write_run: WriteRun, tmp_path: Path, name: str
) -> None:
    folder = write_run(ARMS)
    outside = tmp_path / "outside"
    if (folder / name).exists():
        (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    with pytest.raises(DataError, match=name):
        open_run(folder)
    with pytest.raises(DataError, match=name), RunStore(folder).lock():
        pass


def test_a_link_of_hidden_files_costs_none_of_them(write_run: WriteRun, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".profile").touch()
    folder = write_run(ARMS)
    (folder / "workspace").symlink_to(home)
    with pytest.raises(DataError, match="workspace"), RunStore(folder).lock():
        pass
    assert (home / ".profile").exists()


def test_links_inside_a_run_and_to_a_run_are_followed(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run(ARMS)
    (folder / "cells/none").rename(folder / "cells/moved")
    (folder / "cells/none").symlink_to("moved")
    (tmp_path / "link").symlink_to(folder)
    assert open_run(tmp_path / "link").n_missing == 0


def test_many_links_and_circles_are_counted(tmp_path: Path) -> None:
    for i in range(MOST_LINKS + 2):
        (tmp_path / f"link-{i}").symlink_to("/")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "gone").symlink_to("nowhere")
    with pytest.raises(DataError, match="and 4 more"):
        check_links(tmp_path)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_in_the_place_of_a_folder_is_refused_before_anything_trains(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / name).touch()
    with (
        pytest.raises(DataError, match=f"folder at .*{name}, got a file"),
        RunStore(tmp_path).lock(),
    ):
        raise AssertionError


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"methods": [{"name": "../../other", "steps": []}]}, "'../../other'"),
        ({"methods": [{"name": "/etc", "steps": []}, {"name": "..", "steps": []}]}, "'/etc', '..'"),
        ({"seeds": ["0/../../.."]}, "'0/../../..'"),
    ],
)
def test_names_of_other_folders_are_refused(
    write_run: WriteRun, change: dict[str, object], named: str
) -> None:
    folder = write_run(ARMS)
    stored = RunStore(folder).description().to_json()
    write_json(folder / "study.json", {**stored, **change})
    with pytest.raises(DamagedFileError, match=named):
        open_run(folder)


def test_checksums_of_files_elsewhere_are_refused(tmp_path: Path) -> None:
    for name in ("/proc/kcore", "../x"):
        write_json(tmp_path / "checksums.json", {name: "0"})
        with pytest.raises(DamagedFileError, match=name):
            check_folder(tmp_path)
