"""`equipoise generate` as a user calls it."""

import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from equipoise.cli.execution import load_study
from equipoise.cli.generate import real_images
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.exceptions import DataError
from equipoise.experiments.description import describe
from equipoise.runs.reading import Reading
from equipoise.runs.store import RunStore

REASON = "Shown to nobody but the two authors, to test the gate."
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A finished run that packed its images, as worker processes make it do; no test changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "fixtures"))
        fakes = importlib.import_module("generator_fakes")
        dataset = fakes.noise_dataset()
        store = fakes.finished_run(tmp_path_factory.mktemp("generate") / "run", dataset)
        dataset.save(store.workspace / "dataset" / dataset.fingerprint[:16])
        yield SimpleNamespace(folder=store.folder, dataset=dataset, fakes=fakes)


def test_images_are_written_and_found_again(run: Any, call: Call, tmp_path: Path) -> None:
    command = (
        "generate",
        run.folder,
        "--class",
        "ill",
        "--class",
        "well",
        "-n",
        5,
        "--method",
        "painter",
    )
    code, said, _ = call(*command, "--out", tmp_path / "out")
    assert code == 0
    assert "painter, split-0, seed 0. painter was requested." in said
    assert "not cleared for release" in said
    assert "Privacy: not tested. No near copy among 10 synthetic images" in said
    assert "Quality: not measured." in said
    assert said.endswith(f"10 synthetic images: {tmp_path / 'out'}\n")
    assert len(list((tmp_path / "out").rglob("*.png"))) == 10
    code, said, _ = call(*command, "--out", tmp_path / "out")
    assert (code, said.splitlines()[-1]) == (
        0,
        f"10 synthetic images exist already: {tmp_path / 'out'}",
    )


def test_the_best_generator_is_taken_unless_one_is_named(
    run: Any, call: Call, tmp_path: Path
) -> None:
    arguments = ("generate", run.folder, "--class", "ill", "-n", 1, "--override-reason", REASON)
    _, said, _ = call(*arguments, "--out", tmp_path / "a")
    assert "best balanced accuracy at own thresholds of the 3" in said
    _, said, _ = call(
        *arguments,
        "--out",
        tmp_path / "b",
        "--method",
        "painter",
        "--split",
        "split-1",
        "--cell-seed",
        1,
        "--seed",
        7,
    )
    assert "Generator: painter, split-1, seed 1." in said
    assert (tmp_path / "b" / "ill" / "synthetic-painter-7_000001.png").is_file()


def test_copies_are_refused_with_exit_code_1(run: Any, call: Call, tmp_path: Path) -> None:
    command = (
        "generate",
        run.folder,
        "--class",
        "ill",
        "-n",
        4,
        "--method",
        "copier",
        "--out",
        tmp_path / "out",
    )
    code, said, _ = call(*command)
    assert code == 1
    assert "Not released: " in said
    assert "4 of 4 synthetic images" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "REFUSED.txt",
        "audit.json",
        "checksums.json",
    ]

    code, said, _ = call(*command, "--override-reason", REASON)
    assert code == 0
    assert f"written nevertheless: {REASON}" in said
    assert (
        json.loads((tmp_path / "out" / "manifest.json").read_text())["release"]["override"]
        == REASON
    )


def test_the_real_images_are_given_by_their_folder(
    films: Path, run: Any, call: Call, tmp_path: Path
) -> None:
    """A run in one process stores none; they are read with the run's options, wherever they are."""
    options = ReadOptions(size=32, fit="crop", groups=r"patient(\d+)")
    dataset = read(films, options).dataset
    run.fakes.finished_run(
        tmp_path / "run",
        dataset,
        seeds=(0,),
        facts={"command": "python films.py"},
        reading=Reading(source="images", options=options),
    )
    rare = dataset.class_names[dataset.rare_class]
    command = (
        "generate",
        tmp_path / "run",
        "--method",
        "smote",
        "--class",
        rare,
        "-n",
        2,
        "--out",
        tmp_path / "new",
    )

    code, said, _ = call(*command)
    assert code == 1
    assert "--real" in said
    assert not (tmp_path / "new").exists()

    shutil.move(films, tmp_path / "moved")
    assert call(*command, "--real", tmp_path / "moved", "--override-reason", REASON)[0] == 0
    manifest = json.loads((tmp_path / "new" / "manifest.json").read_text())
    assert manifest["audit"]["overall"]["n_synthetic"] == 2
    assert "films" not in str(manifest["source"])  # a released folder names no place

    next((tmp_path / "moved" / rare).iterdir()).unlink()
    code, _, error = call(*command, "--real", tmp_path / "moved")
    assert code == 2
    assert "60 images" in error
    assert "59 images" in error


def test_help_shows_an_example(call: Call) -> None:
    code, said, _ = call("generate", "--help")
    assert code == 0
    assert "Example: equipoise generate runs/films" in said


# Arguments behind the run's folder, and words that the message must have.
BAD: dict[str, tuple[tuple[object, ...], tuple[str, ...]]] = {
    "unknown class": (("--class", "il", "--out", "OUT"), ("'il'", "Did you mean 'ill'?")),
    "class not learned": (
        ("--class", "well", "--method", "smote", "--out", "OUT"),
        ("'well'", "It generates: ill"),
    ),
    "class twice": (("--class", "ill", "--class", "ill", "--out", "OUT"), ("different classes",)),
    "unknown method": (
        ("--class", "ill", "--method", "paintr", "--out", "OUT"),
        ("Did you mean 'painter'?",),
    ),
    "no generator": (
        ("--class", "ill", "--method", "oversampling", "--out", "OUT"),
        ("no generator", "smote"),
    ),
    "unknown split": (
        ("--class", "ill", "--split", "split-9", "--out", "OUT"),
        ("split-9", "split-0, split-1"),
    ),
    "unknown cell": (("--class", "ill", "--cell-seed", 5, "--out", "OUT"), ("'5'", "0, 1")),
    "no image": (("--class", "ill", "-n", 0, "--out", "OUT"), ("1 to 100,000 images", "got 0")),
    "negative seed": (("--class", "ill", "--seed", -1, "--out", "OUT"), ("seed from 0", "-1")),
    "unwritable": (
        ("--class", "ill", "--method", "painter", "--out", "/proc/equipoise/x"),
        ("/proc/equipoise",),
    ),
    "out is a file": (("--class", "ill", "--out", "FILE"), ("FILE is a file",)),
    "out is taken": (("--class", "ill", "--out", "TAKEN"), ("thesis.txt", "--out")),
    "out is the run": (("--class", "ill", "--out", "RUN"), ("holds other files", "--out")),
    "short reason": (
        ("--class", "ill", "--out", "OUT", "--override-reason", "why"),
        ("reason", "'why'"),
    ),
    "real is not there": (
        ("--class", "ill", "--out", "OUT", "--real", "NOWHERE.py"),
        ("NOWHERE.py",),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_clear_message(case: str, run: Any, call: Call, tmp_path: Path) -> None:
    (tmp_path / "FILE").write_text("")
    (tmp_path / "TAKEN").mkdir()
    (tmp_path / "TAKEN" / "thesis.txt").write_text("")
    places = {name: tmp_path / name for name in ("OUT", "FILE", "TAKEN", "NOWHERE.py")} | {
        "RUN": run.folder
    }
    arguments, words = BAD[case]
    code, _, error = call("generate", run.folder, *(places.get(str(one), one) for one in arguments))
    assert code == 2
    assert error.startswith("Error: ")
    assert "Traceback" not in error
    for word in words:
        assert word in error
    assert len(error) < 1500
    assert not (tmp_path / "OUT").exists()


def test_no_run_is_said(call: Call, tmp_path: Path) -> None:
    code, _, error = call(
        "generate", tmp_path / "nowhere", "--class", "ill", "--out", tmp_path / "out"
    )
    assert code == 2
    assert "nowhere" in error
    assert not (tmp_path / "out").exists()


STUDY = """
from equipoise.data.phantoms.datasets import cells
from equipoise.data.splits import hold_out
from equipoise.experiments.protocol import Budget
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.study import Study

def make(n):
    dataset = cells((n, 20), size=28)
    methods = build_methods(["none"], Budget(n_steps=2))
    splits = hold_out(dataset, n_splits=1)
    return Study(name=str(n), dataset=dataset, splits=splits, seeds=(0,), methods=methods)

PROTOCOLS = {"clean": lambda: make(24), "literal": lambda: make(28)}
"""


def described(tmp_path: Path, command: str | None, reading: Reading | None) -> RunStore:
    """Write the description of a run on the images of STUDY's protocol "literal"."""
    store = RunStore(tmp_path / "run")
    (tmp_path / "study.py").write_text(STUDY)
    study = load_study(tmp_path / "study.py", "literal")
    facts = {} if command is None else {"command": command}
    description = replace(describe(study), facts=facts, reading=reading)
    store.open(description, dataset=study.images, splits=study.splits)
    return store


@pytest.mark.parametrize("protocol", ["literal", None])
def test_a_study_file_reads_its_images(protocol: str | None, tmp_path: Path) -> None:
    store = described(tmp_path, None, Reading(protocol=protocol))
    source = str(tmp_path / "study.py")
    if protocol is None:  # the first, which is another
        with pytest.raises(DataError, match=r"48 images.*44 images"):
            real_images(store, source)
    else:
        dataset = real_images(store, source)
        assert dataset is not None
        assert len(dataset) == 48


def test_a_study_of_a_file_stores_its_protocol(tmp_path: Path) -> None:
    (tmp_path / "study.py").write_text(STUDY)
    assert load_study(tmp_path / "study.py", "literal").reading == Reading(protocol="literal")


@pytest.mark.parametrize(
    ("command", "reading"),
    [("equipoise demo --out runs/demo", None), (None, Reading(source="demo"))],
)
def test_the_demo_is_drawn_again(
    command: str | None, reading: Reading | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = described(tmp_path, command, reading)
    study = load_study(tmp_path / "study.py", "literal")
    monkeypatch.setattr("equipoise.experiments.demo.demo_study", lambda: study)
    dataset = real_images(store, None)
    assert dataset is not None
    assert dataset.fingerprint == study.images.fingerprint


def test_without_a_source_nothing_is_read(tmp_path: Path) -> None:
    reading = Reading(source="images", options=ReadOptions(size=28))
    assert real_images(described(tmp_path, "equipoise run films", reading), None) is None


def test_a_run_of_an_earlier_version_says_what_to_give(tmp_path: Path) -> None:
    store = described(tmp_path, "equipoise run films", None)
    with pytest.raises(DataError, match=r"STUDY\.py.*--real"):
        real_images(store, str(tmp_path))
