"""Images of a run's generator: which generator, the gate, what is written, and that it is written again alike."""

import csv
import hashlib
import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline
from PIL import Image

from equipoise.data.dataset import ImageDataset
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.deployment.choose_generator import choose_generator, load_generator
from equipoise.deployment.generate import Generated, Order, generate, make_images
from equipoise.exceptions import DataError, ReleaseError, SettingError
from equipoise.runs.store import RunStore
from equipoise.training.progress import listening

REASON = "Shown to nobody but the two authors, to test the gate."

FAKES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A finished run that no test changes, its images, and the module that made it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FAKES))
        fakes = importlib.import_module("generator_fakes")
        store = fakes.finished_run(
            tmp_path_factory.mktemp("generation") / "run", facts={"command": "equipoise run x"}
        )
        yield SimpleNamespace(store=store, dataset=fakes.noise_dataset(), fakes=fakes)


def made(
    run: Any, out: Path, *classes: str, n: int = 3, seed: int = 0, override: str | None = None,
    method: str = "painter", real: bool = True,
) -> Generated:  # fmt: skip
    order = Order(classes=classes or ("ill",), n=n, seed=seed, override=override)
    choice = choose_generator(run.store, method=method)
    return generate(run.store, choice, order, out, real=run.dataset if real else None)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_images_come_with_a_manifest_and_a_table(run: Any, tmp_path: Path) -> None:
    manifest = made(run, tmp_path / "out", "ill", "well", n=4).manifest
    files = [
        f"{name}/synthetic-painter-0_00000{i}.png" for name in ("ill", "well") for i in (1, 2, 3, 4)
    ]
    assert set(contents(tmp_path / "out")) == {*files, "manifest.json", "manifest.csv"}
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    cell = manifest["generator"]
    assert (cell["method"], cell["split"], cell["seed"], cell["class"]) == (
        "painter",
        "split-0",
        0,
        "Painter",
    )
    weights = run.store.folder / "cells/painter/split-0/seed-0/generator/model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert cell["weights_sha256"] == {"model.safetensors": digest}
    assert manifest["request"] == {
        "classes": ["ill", "well"],
        "n_per_class": 4,
        "seed": 0,
        "override": None,
    }
    assert manifest["source"]["fingerprint"] == run.dataset.fingerprint
    assert manifest["source"]["command"] == "equipoise run x"
    assert manifest["source"]["split_fingerprint"] == run.store.study()["splits"][0]["fingerprint"]
    assert manifest["images"] == {"type": "uint8", "shape": [1, 16, 16]}
    assert manifest["release"] == {"passed": True, "reasons": [], "override": None}
    assert manifest["audit"]["overall"]["n_synthetic"] == 8
    assert "shows no patient" in manifest["note"]
    with (tmp_path / "out" / "manifest.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [row["file"] for row in rows] == files == list(manifest["files"])
    for row in rows:
        digest = hashlib.sha256((tmp_path / "out" / row["file"]).read_bytes()).hexdigest()
        assert row == {
            "file": row["file"],
            "label": row["file"].split("/")[0],
            "sha256": digest,
            "synthetic": "1",
        }
        assert manifest["files"][row["file"]] == digest


def test_nothing_names_a_patient(run: Any, tmp_path: Path) -> None:
    """Ids of the real images hold patients; not one of them may be in a name or a file."""
    made(run, tmp_path / "out", "all")
    made(run, tmp_path / "copies", "all", method="copier", override=REASON)
    for folder in (tmp_path / "out", tmp_path / "copies"):
        for name, content in contents(folder).items():
            assert "patient0" not in name
            assert b"patient0" not in content


def test_each_file_says_what_it_is(run: Any, tmp_path: Path) -> None:
    made(run, tmp_path / "out", seed=5)
    with Image.open(tmp_path / "out" / "ill" / "synthetic-painter-5_000002.png") as image:
        assert image.info["synthetic"].endswith(", painter, seed 5, index 2")
        assert image.info["synthetic"].startswith("equipoise ")


def test_the_same_order_gives_the_same_bytes_and_more_images_keep_the_first(
    run: Any, tmp_path: Path
) -> None:
    made(run, tmp_path / "a", n=70)
    made(run, tmp_path / "b", n=70)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    made(run, tmp_path / "few", n=5)
    made(run, tmp_path / "other", n=5, seed=1)
    same = {
        name: content
        for name, content in contents(tmp_path / "few").items()
        if name.endswith(".png")
    }
    assert len(same) == 5
    assert same.items() <= contents(tmp_path / "a").items()
    assert not set(same.values()) & set(contents(tmp_path / "other").values())
    assert len(set(contents(tmp_path / "a").values())) == 72, "two images are the same"


@pytest.mark.parametrize(
    ("dtype", "channels"),
    [("uint8", 1), ("uint8", 3), ("uint16", 1), ("uint16", 3), ("float32", 1)],
)
def test_both_readers_read_the_images_back(
    run: Any, dtype: str, channels: int, tmp_path: Path
) -> None:
    dataset: ImageDataset = run.fakes.noise_dataset(dtype, channels)
    methods = {
        "painter": Pipeline(
            [("balance", run.fakes.Painter()), ("classify", run.fakes.NearestMean())]
        )
    }
    store = run.fakes.finished_run(tmp_path / "run", dataset, methods=methods, seeds=(0,))
    choice = choose_generator(store)
    generate(store, choice, Order(classes=("all",), n=3), tmp_path / "out", real=dataset)
    expected = [
        make_images(load_generator(store, choice.cell), k, 3, seed=0, name="")
        for k in (1, 0)  # ill before well
    ]
    options = ReadOptions(cache="off", channels="rgb" if channels == 3 else "gray")
    for source in (tmp_path / "out", tmp_path / "out" / "manifest.csv"):
        found = read(source, options).dataset
        assert found.class_names == ("ill", "well")
        assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert found.images.dtype == dataset.images.dtype
        np.testing.assert_array_equal(found.images, np.concatenate(expected))


def test_color_floats_are_refused_before_any_work(run: Any, tmp_path: Path) -> None:
    dataset = run.fakes.noise_dataset("float32", 3)
    methods = {
        "painter": Pipeline(
            [("balance", run.fakes.Painter()), ("classify", run.fakes.NearestMean())]
        )
    }
    store = run.fakes.finished_run(tmp_path / "run", dataset, methods=methods, seeds=(0,))
    with pytest.raises(DataError, match="gray float32"):
        generate(
            store,
            choose_generator(store),
            Order(classes=("ill",), n=3),
            tmp_path / "out",
            real=dataset,
        )
    assert not (tmp_path / "out").exists()


def test_copies_are_refused_and_only_the_audit_is_written(run: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ReleaseError, match=r"3 of 3 synthetic images are near copies of real training images"
    ):
        made(run, tmp_path / "out", method="copier")
    assert sorted(contents(tmp_path / "out")) == ["REFUSED.txt", "audit.json"]
    assert "near copies" in (tmp_path / "out" / "REFUSED.txt").read_text()
    found = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert found["audit"]["passed"] is False
    assert found["plan"]["generator"]["method"] == "copier"
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "a half-written folder was left"


def test_an_override_is_written_with_its_reason(run: Any, tmp_path: Path) -> None:
    """It may follow a refusal in the same folder."""
    with pytest.raises(ReleaseError):
        made(run, tmp_path / "out", method="copier")
    manifest = made(run, tmp_path / "out", method="copier", override=REASON).manifest
    assert manifest["release"]["passed"] is False
    assert manifest["release"]["override"] == REASON
    assert "near copies" in manifest["release"]["reasons"][0]
    assert manifest["audit"]["passed"] is False
    assert "audit.json" not in contents(tmp_path / "out")
    assert len(manifest["files"]) == 3


def test_without_real_images_there_is_no_release(run: Any, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"--real.*--override-reason"):
        made(run, tmp_path / "out", real=False)
    assert not (tmp_path / "out").exists()
    manifest = made(run, tmp_path / "out", real=False, override=REASON).manifest
    assert manifest["audit"] is None
    assert manifest["release"]["override"] == REASON
    assert "No audit was made" in manifest["release"]["reasons"][0]


def test_an_override_that_is_not_needed_is_not_recorded(run: Any, tmp_path: Path) -> None:
    manifest = made(run, tmp_path / "out", override=REASON).manifest
    assert manifest["release"] == {"passed": True, "reasons": [], "override": None}


@pytest.mark.parametrize("reason", ["", "  ", "because"])
def test_a_reason_that_is_none_is_refused_before_any_work(
    run: Any, reason: str, tmp_path: Path
) -> None:
    steps: list[str] = []
    with (
        listening(lambda name, _step, _n: steps.append(name)),
        pytest.raises(SettingError, match="reason"),
    ):
        made(run, tmp_path / "out", override=reason)
    assert not steps
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_kept_unless_it_holds_the_same(run: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert made(run, out).new
    before, times = contents(out), [path.stat().st_mtime_ns for path in sorted(out.rglob("*"))]
    again = made(run, out)
    assert not again.new
    assert again.manifest == json.loads((out / "manifest.json").read_text())
    assert [path.stat().st_mtime_ns for path in sorted(out.rglob("*"))] == times
    for other in ({"n": 4}, {"seed": 1}, {"method": "smote"}, {"override": REASON}):
        with pytest.raises(SettingError, match=r"out holds other files .* --out"):
            made(run, out, **other)
    with pytest.raises(SettingError, match=r"out holds other files"):
        made(run, out, "well")
    assert contents(out) == before


@pytest.mark.parametrize("change", ["altered", "removed", "added", "no table"])
def test_a_changed_output_is_named_and_left_alone(run: Any, change: str, tmp_path: Path) -> None:
    out, name = tmp_path / "out", "synthetic-painter-0_000001.png"
    made(run, out)
    if change == "altered":
        (out / "ill" / name).write_bytes(b"something else")
    elif change == "removed":
        (out / "ill" / name).unlink()
    elif change == "added":
        name = "notes.txt"
        (out / name).write_text("mine")
    else:
        name = "manifest.csv"
        (out / name).unlink()
    before = contents(out)
    with pytest.raises(SettingError, match=rf"missing, changed or not of them: .*{name}"):
        made(run, out)
    assert contents(out) == before


def test_folders_of_others_are_never_touched(run: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years")
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for manifest in (
        None,
        "{",
        "[]",
        "{}",
        '{"files": 3}',
        '{"files": {"../mine/thesis.txt": "0"}}',
    ):
        if manifest is not None:
            (tmp_path / "mine" / "manifest.json").write_text(manifest)
        with pytest.raises(SettingError, match=r"mine holds other files"):
            made(run, tmp_path / "mine")
    with pytest.raises(SettingError, match=r"file is a file"):
        made(run, tmp_path / "file")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "three years"
    assert made(run, tmp_path / "empty").new


def test_a_stopped_command_leaves_nothing(run: Any, tmp_path: Path) -> None:
    def stop(name: str, step: int, _n_steps: int) -> None:
        if name.startswith("writing") and step == 2:
            raise KeyboardInterrupt

    with listening(stop), pytest.raises(KeyboardInterrupt):
        made(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told(run: Any, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    with listening(lambda *told: steps.append(told)):
        made(run, tmp_path / "out", n=130)
    drawn = [(step, n) for name, step, n in steps if name == "images of ill"]
    assert drawn == [(0, 130), (64, 130), (128, 130), (130, 130)]
    assert any(name.startswith("features") for name, _, _ in steps)
    assert ("writing ill", 130, 130) in steps


def test_a_class_that_was_not_learned_is_named(run: Any, tmp_path: Path) -> None:
    """SMOTE learns only of classes that have to grow."""
    with pytest.raises(
        DataError, match=r"did not learn to make images of class 'well'.* It makes: ill"
    ):
        made(run, tmp_path / "out", "well", method="smote")
    made(run, tmp_path / "out", "all", method="smote", override=REASON)
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {"ill"}


def test_unknown_classes_and_numbers_are_refused(run: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"No class named 'il'\. Did you mean 'ill'"):
        made(run, tmp_path / "out", "il")
    for classes, n, seed in (
        (("ill",), 0, 0),
        (("ill",), 1, -1),
        ((), 1, 0),
        (("ill", "ill"), 1, 0),
    ):
        with pytest.raises(SettingError, match="Expected"):
            Order(classes=classes, n=n, seed=seed)


def test_splits_of_other_images_are_refused(run: Any, tmp_path: Path) -> None:
    other = run.fakes.noise_dataset("uint8", 1, 24)
    order = Order(classes=("ill",), n=2)
    shutil.copytree(run.store.folder, tmp_path / "run")
    store = RunStore(tmp_path / "run")
    ids = np.array([f"x{i}" for i in range(len(other))])
    stranger = ImageDataset(
        images=run.dataset.images,
        labels=other.labels,
        class_names=other.class_names,
        groups=other.groups,
        ids=ids,
    )
    with pytest.raises(DataError, match="splits"):
        generate(
            store, choose_generator(store, method="painter"), order, tmp_path / "out", real=stranger
        )
    assert not (tmp_path / "out").exists()
