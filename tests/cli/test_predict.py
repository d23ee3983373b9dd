"""`equipoise predict` as a user calls it."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.atomic import read_arrays, read_json
from equipoise.cli.predict import options_like
from equipoise.data.images.options import ReadOptions
from equipoise.data.phantoms.datasets import chest_films
from equipoise.data.splits import hold_out
from equipoise.deployment.classify import choose_classifiers, score_images
from equipoise.exceptions import SettingError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.description import ImageDatasetDescription, StudyDescription
from equipoise.runs.reading import Reading
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A finished run of one method, trained for three steps; no test changes it."""
    dataset = chest_films((24, 18), size=32)
    study = Study(
        name="films",
        dataset=dataset,
        splits=hold_out(dataset, n_splits=2),
        methods=build_methods(["none"], Budget(n_steps=3, device="cpu")),
        seeds=(0,),
        reading=Reading(source="images", options=ReadOptions(size=32, fit="crop")),
    )
    store = RunStore(tmp_path_factory.mktemp("predict") / "run")
    run_study(study, store, executor=InProcess())
    return store


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Three new films of the run's size, one of them in color, in no class folders."""
    (tmp_path / "new" / "inner").mkdir(parents=True)
    for i, image in enumerate(chest_films((2, 1), size=32, seed=5).images):
        picture = Image.fromarray(image[0])
        file = ("a.png", "inner/b.png", "c.png")[i]
        (picture.convert("RGB") if i == 2 else picture).save(tmp_path / "new" / file)
    return tmp_path / "new"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as table:
        return list(csv.DictReader(table))


def test_images_of_the_run_are_said_whatever_they_are_called(
    run: RunStore, new: Path, call: Call, tmp_path: Path
) -> None:
    examples = read_arrays(run.folder / "examples.npz")
    name, split = str(examples["ids"][0]), read_json(run.folder / "splits.json")["splits"]
    Image.fromarray(examples["images"][0][0]).save(new / "renamed.bmp")
    command = ("predict", run.folder, new, "--out", tmp_path / "predictions.csv")
    said = " ".join(call(*command)[1].split())
    assert "Warning: 1 of 4 images are of this run" in said
    assert "1 of them: “renamed.bmp”" in said
    tests = [part["name"] for part in split if name in part["test"]]
    for part in tests:
        assert "no network used has seen them" in call(*command, "--split", part)[1]


def test_new_images_are_scored(run: RunStore, new: Path, call: Call, tmp_path: Path) -> None:
    out = tmp_path / "predictions.csv"
    code, said, _ = call("predict", run.folder, new, "--out", out)
    assert code == 0
    assert "2 classifiers of none. none is the only method" in said
    assert said.endswith(f"3 images: {out}\n")
    rows = rows_of(out)
    assert [row["file"] for row in rows] == ["a.png", "c.png", "inner/b.png"]
    names = run.description().class_names
    images = chest_films((2, 1), size=32, seed=5).images[[0, 2, 1]]
    opened = open_run(run.folder)
    expected = score_images(opened, choose_classifiers(opened), images)
    found = np.array([[float(row[f"probability of {name}"]) for name in names] for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert [row["predicted"] for row in rows] == [names[k] for k in expected.argmax(axis=1)]
    assert {row["prior_corrected"] for row in rows} == {"0"}

    before = out.read_bytes()
    assert call("predict", run.folder, new, "--out", out)[0] == 0
    assert out.read_bytes() == before
    assert (
        call("predict", run.folder, new, "--out", out, "--correct-priors", "--split", "split-0")[0]
        == 0
    )
    assert {row["prior_corrected"] for row in rows_of(out)} == {"1"}
    command = ("predict", run.folder, new, "--out", out, "--own-thresholds")
    assert call(*command)[0] == 0
    rare = names[run.description().rare_class]
    for row in rows_of(out):
        assert row["own_thresholds"] == "1"
        assert row["threshold"] == ""  # two networks, each with its own
        is_rare = float(row[f"moved probability of {rare}"]) >= 0.5
        assert (row["predicted"] == rare) == is_rare
    assert call(*command, "--split", "split-0")[0] == 0
    for row in rows_of(out):
        is_rare = float(row[f"probability of {rare}"]) >= float(row["threshold"])
        assert (row["predicted"] == rare) == is_rare
    code, _, error = call(*command, "--correct-priors")
    assert code == 2
    assert "--own-thresholds" in error


def test_unreadable_files_are_named(run: RunStore, new: Path, call: Call, tmp_path: Path) -> None:
    (new / "torn.png").write_bytes(b"no image")
    command = ("predict", run.folder, new, "--out", tmp_path / "predictions.csv")
    code, _, error = call(*command)
    assert code == 2
    assert "torn.png" in error
    assert not (tmp_path / "predictions.csv").exists()
    code, said, _ = call(*command, "--on-error", "skip")
    assert code == 0
    assert "Left out: torn.png" in said
    assert len(rows_of(tmp_path / "predictions.csv")) == 3


def test_masks_beside_new_images_are_refused_or_ignored(
    run: RunStore, new: Path, call: Call, tmp_path: Path
) -> None:
    Image.new("L", (32, 32)).save(new / "a_mask.png")
    (new / "far.png").symlink_to(tmp_path)
    command = ("predict", run.folder, new, "--out", tmp_path / "predictions.csv")
    code, _, error = call(*command)
    assert code == 2
    assert "--ignore '*_mask.*'" in error
    assert "--follow-links" in error
    code, said, _ = call(*command, "--ignore", "*_mask.*", "--ignore", "far.png")
    assert code == 0
    assert "Left out, ignored (2)" in said
    assert len(rows_of(tmp_path / "predictions.csv")) == 3


def described(shape: tuple[int, ...], reading: Reading | None) -> StudyDescription:
    dataset = ImageDatasetDescription(
        fingerprint="",
        n_images=9,
        n_groups=9,
        class_names=("a", "b"),
        counts=(5, 4),
        shape=shape,
        dtype="uint8",
    )
    return StudyDescription(
        name="x",
        dataset=dataset,
        rare_class=1,
        baseline="none",
        primary_metric="auroc",
        methods=(),
        splits=(),
        seeds=(0,),
        reading=reading,
    )


def test_images_are_brought_to_the_kind_of_the_run() -> None:
    """The description has shape and channels, and the way in which images were made square."""
    stored = ReadOptions(size=64, fit="crop", filter="area", groups="x", on_error="skip")
    description = described((3, 64, 64), Reading(source="images", options=stored))
    expected = ReadOptions(size=64, fit="crop", filter="area", channels="rgb")
    assert options_like(description) == expected
    assert options_like(description, fit="stretch").fit == "stretch"
    own_size = described((1, 40, 50), Reading(source="images", options=stored))
    assert options_like(own_size) == replace(expected, size=None, channels="gray")


@pytest.mark.parametrize("reading", [None, Reading(), Reading(source="demo")])
def test_where_the_run_does_not_say_it_fit_must_be_given(reading: Reading | None) -> None:
    description = described((1, 32, 32), reading)
    with pytest.raises(SettingError, match="--fit pad"):
        options_like(description)
    assert options_like(description, fit="pad").fit == "pad"


def test_help_shows_an_example(call: Call) -> None:
    code, said, _ = call("predict", "--help")
    assert code == 0
    assert "Example: equipoise predict runs/films" in said


BAD: dict[str, tuple[tuple[object, ...], tuple[str, ...]]] = {
    "unknown method": (
        ("RUN", "NEW", "--method", "nome", "--out", "OUT"),
        ("Did you mean 'none'?",),
    ),
    "unknown split": (
        ("RUN", "NEW", "--split", "split-9", "--out", "OUT"),
        ("split-9", "split-0, split-1"),
    ),
    "no images": (("RUN", "EMPTY", "--out", "OUT"), ("EMPTY", "found none")),
    "nothing there": (("RUN", "NOWHERE", "--out", "OUT"), ("NOWHERE", "found none")),
    "no run": (("EMPTY", "NEW", "--out", "OUT"), ("no study.json",)),
    "unknown fit": (
        ("RUN", "NEW", "--fit", "cropp", "--out", "OUT"),
        ("'cropp'", "Did you mean 'crop'?"),
    ),
    "16 bits": (("RUN", "DEEP", "--out", "OUT"), ("uint8", "uint16")),
    "out is taken": (("RUN", "NEW", "--out", "THESIS"), ("THESIS", "no table of predictions")),
    "unwritable": (("RUN", "NEW", "--out", "/proc/equipoise/x.csv"), ("/proc/equipoise",)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_clear_message(
    case: str, run: RunStore, new: Path, call: Call, tmp_path: Path
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "DEEP").mkdir()
    Image.fromarray(np.full((32, 32), 4000, np.uint16)).save(tmp_path / "DEEP" / "deep.png")
    (tmp_path / "THESIS").write_text("three years")
    places = {name: tmp_path / name for name in ("OUT", "EMPTY", "DEEP", "NOWHERE", "THESIS")}
    places |= {"RUN": run.folder, "NEW": new}
    arguments, words = BAD[case]
    code, _, error = call("predict", *(places.get(str(one), one) for one in arguments))
    assert code == 2
    assert error.startswith("Error: ")
    assert "Traceback" not in error
    for word in words:
        assert word in error
    assert not (tmp_path / "OUT").exists()
    assert (tmp_path / "THESIS").read_text() == "three years"


def test_the_run_holds_no_trace_of_the_new_images(
    run: RunStore, new: Path, call: Call, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert call("predict", run.folder, new, "--out", tmp_path / "out.csv")[0] == 0
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before
    assert json.loads((run.folder / "study.json").read_text())["name"] == "films"
