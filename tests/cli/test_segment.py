"""`equipoise predict` on a run of volumes, as a user calls it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from equipoise.data.volumes.readers.nifti import find_case
from equipoise.deployment.choose_segmenters import choose_segmenters
from equipoise.deployment.segment import segment_case
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore
from equipoise.testing.volume_runs import AFFINE, SHAPE, finished_run, write_case

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, Path]:
    """A run of three patients and its case folders; no test changes it."""
    return finished_run(tmp_path_factory.mktemp("predict-volumes"))


def test_a_new_case_gets_a_label_map_on_its_own_grid(
    run: tuple[RunStore, Path], call: Call, tmp_path: Path
) -> None:
    """Read by nibabel; the grid is turned, mirrored and not isotropic."""
    store, out = run[0], tmp_path / "out" / "map.nii.gz"
    case = write_case(tmp_path / "new", 7)
    code, said, _ = call("predict", store.folder, case, "--method", "one", "--out", out)
    assert code == 0
    assert "one was requested." in said
    assert "new: 2 networks of one. " in said
    assert "seg.nii.gz, read as brats2013 (0 healthy, 1 necrosis" in said
    assert said.endswith(f"1 label map: {out}\n")
    written = nibabel.load(out)
    np.testing.assert_allclose(written.affine, AFFINE, atol=1e-5)
    opened = open_run(store.folder)
    expected = segment_case(opened, choose_segmenters(opened, method="one"), find_case(case))
    values = np.asarray(written.dataobj)
    assert values.shape == SHAPE
    assert values.dtype == np.uint8
    np.testing.assert_array_equal(values, expected.values.T)
    assert f"  2 edema: {(values == 2).sum() * 1.5 * 1.5 * 3 / 1000:.2f} cm3" in said

    before = out.read_bytes()
    command = ("predict", store.folder, case, "--method", "one", "--out", out)
    code, _, error = call(*command)
    assert code == 2
    assert "exists" in error
    assert "--force" in error
    out.write_bytes(b"")
    assert call(*command, "--force")[0] == 0
    np.testing.assert_array_equal(np.asarray(nibabel.load(out).dataobj), values)
    assert len(out.read_bytes()) == len(before)


def test_cases_of_a_folder_each_get_one(
    run: tuple[RunStore, Path], call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them is of the run, one has no label file, one lacks a modality."""
    cases = tmp_path / "cases"
    write_case(cases / "site" / "new", 7, label=False)
    shutil.copytree(run[1] / "a", cases / "a")
    write_case(cases / "torn", 8)
    (cases / "torn" / "t1c.nii.gz").unlink()
    monkeypatch.chdir(tmp_path)
    code, _, error = call("predict", run[0].folder, cases, "--out", "maps")
    assert code == 2
    assert "case torn " in error
    code, said, _ = call(
        "predict", run[0].folder, cases, "--out", "maps", "--on-error", "skip", "--force"
    )
    assert code == 0
    assert "a: 1 network of" in said
    assert "1 of 2 networks" in said
    assert "Left out: " in said
    assert said.count("Dice with") == 1
    assert said.endswith("2 label maps: maps\n")
    found = sorted(
        path.relative_to(tmp_path).as_posix() for path in (tmp_path / "maps").rglob("*.nii.gz")
    )
    assert found == ["maps/a_predicted.nii.gz", "maps/site/new_predicted.nii.gz"]
    assert call("predict", run[0].folder, cases / "site" / "new")[0] == 0
    assert (tmp_path / "new_predicted.nii.gz").is_file()


def test_label_files_of_another_scheme_are_read_as_asked(
    run: tuple[RunStore, Path], call: Call, tmp_path: Path
) -> None:
    case = write_case(tmp_path / "far", 7, values=(1, 2, 3))
    command = ("predict", run[0].folder, case, "--out", tmp_path / "map.nii.gz", "--labels")
    code, said, _ = call(*command, "msd_brain")
    assert code == 0
    assert "read as msd_brain (0 healthy, 1 edema" in said
    assert "also fit" not in said  # named, not assumed


def test_a_case_of_another_coding_is_refused_before_it_is_segmented(
    run: tuple[RunStore, Path], call: Call, tmp_path: Path
) -> None:
    """The Decathlon's 1, 2, 3 are all that brats2013 has but enhancing tumor."""
    case = write_case(tmp_path / "far", 7, values=(1, 2, 3))
    out = tmp_path / "map.nii.gz"
    code, _, error = call("predict", run[0].folder, case, "--out", out)
    assert code == 2
    assert not out.exists()
    assert re.search("1, 2, 3 .*--labels.* msd_brain or brats2023 or brats2013", error)
    assert call("predict", run[0].folder, case, "--out", out, "--labels", "brats2013")[0] == 0


def test_the_assumed_coding_is_said_before_the_dice(
    run: tuple[RunStore, Path], call: Call, tmp_path: Path
) -> None:
    case = write_case(tmp_path / "far", 7, values=(1,))
    code, said, _ = call("predict", run[0].folder, case, "--out", tmp_path / "map.nii.gz")
    assert code == 0
    assert re.search(r"read as brats2013.*\n.* msd_brain.*--labels.*\n.*Dice", said)


BAD: dict[str, tuple[tuple[object, ...], tuple[str, ...]]] = {
    "unknown method": (("RUN", "NEW", "--method", "on", "--out", "OUT"), ("Did you mean 'one'?",)),
    "unknown scheme": (
        ("RUN", "NEW", "--labels", "brats", "--out", "OUT"),
        ("label scheme named 'brats'",),
    ),
    "unknown on_error": (
        ("RUN", "NEW", "--on-error", "skp", "--out", "OUT"),
        ("Did you mean 'skip'?",),
    ),
    "no cases": (("RUN", "EMPTY", "--out", "OUT"), ("EMPTY", "found none")),
    "nothing there": (("RUN", "NOWHERE", "--out", "OUT"), ("NOWHERE", "found none")),
    "for images": (
        ("RUN", "NEW", "--fit", "pad", "--correct-priors"),
        ("--fit and --correct-priors",),
    ),
    "a file for many": (("RUN", "CASES", "--out", "OUT"), ("folder in --out for 2 cases",)),
    "among the files": (("RUN", "CASES", "--out", "CASES"), ("among the files of the cases",)),
    "seen by all": (("RUN", "SEEN", "--out", "OUT"), ("every requested network has seen it",)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_one_clear_message(
    name: str, run: tuple[RunStore, Path], call: Call, tmp_path: Path
) -> None:
    (tmp_path / "EMPTY").mkdir()
    places = {one: tmp_path / one for one in ("EMPTY", "NOWHERE", "CASES")}
    places |= {"OUT": tmp_path / "map.nii.gz", "RUN": run[0].folder, "SEEN": run[1] / "c"}
    places["NEW"] = write_case(tmp_path / "CASES" / "new", 7)
    write_case(tmp_path / "CASES" / "other", 8)
    before = sorted(tmp_path.rglob("*"))
    arguments, words = BAD[name]
    code, _, error = call("predict", *(places.get(str(one), one) for one in arguments))
    assert code == 2
    assert error.startswith("Error: ")
    assert "Traceback" not in error
    for word in words:
        assert word in error
    assert sorted(tmp_path.rglob("*")) == before
