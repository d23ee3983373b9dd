"""Images of a run's generator: the gate, the files, and that equal requests give equal bytes."""

import csv
import hashlib
import importlib
import json
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
from equipoise.deployment.generate import (
    GeneratedFolder,
    GenerationRequest,
    generate,
    make_images,
)
from equipoise.exceptions import DataError, ReleaseError, SettingError
from equipoise.runs.run import Run, open_run
from equipoise.training.progress import listening

REASON = "Shown to nobody but the two authors, to test the gate."

FAKES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Train a run that no test changes; return it with its images and the module of fakes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FAKES))
        fakes = importlib.import_module("generator_fakes")
        store = fakes.finished_run(
            tmp_path_factory.mktemp("generation") / "run", facts={"command": "equipoise run x"}
        )
        yield SimpleNamespace(
            opened=open_run(store.folder), dataset=fakes.noise_dataset(), fakes=fakes
        )


def generated(
    run: Any,
    out: Path,
    *classes: str,
    n: int = 3,
    seed: int = 0,
    override: str | None = None,
    method: str = "painter",
    real: bool = True,
) -> GeneratedFolder:
    request = GenerationRequest(classes=classes or ("ill",), n=n, seed=seed, override=override)
    choice = choose_generator(run.opened, method=method)
    return generate(run.opened, choice, request, out, real=run.dataset if real else None)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def painter_run(run: Any, folder: Path, dataset: ImageDataset) -> Run:
    """Train the painter alone on other images."""
    steps = [("balance", run.fakes.Painter()), ("classify", run.fakes.NearestMean())]
    store = run.fakes.finished_run(
        folder, dataset, methods={"painter": Pipeline(steps)}, seeds=(0,)
    )
    return open_run(store.folder)


def test_images_come_with_a_manifest_and_a_table(run: Any, tmp_path: Path) -> None:
    manifest = generated(run, tmp_path / "out", "ill", "well", n=4).manifest
    stems = [f"synthetic-painter-0_00000{i}.png" for i in (1, 2, 3, 4)]
    files = [*(f"ill/{stem}" for stem in stems), *(f"well/{stem}" for stem in stems)]
    assert set(contents(tmp_path / "out")) == {*files, "manifest.json", "manifest.csv"}
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    cell = manifest["generator"]
    assert (cell["method"], cell["split"], cell["seed"]) == ("painter", "split-0", 0)
    assert cell["class"] == "Painter"
    weights = run.opened.folder / "cells/painter/split-0/seed-0/generator/model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert cell["weights_sha256"] == {"model.safetensors": digest}
    assert manifest["request"] == {
        "classes": ["ill", "well"],
        "n_per_class": 4,
        "seed": 0,
        "override": None,
    }
    assert manifest["source"]["fingerprint"] == run.dataset.fingerprint
    assert "command" not in manifest["source"]  # it names folders
    split = run.opened.description.splits[0]
    assert manifest["source"]["split_fingerprint"] == split.fingerprint
    assert manifest["images"] == {"type": "uint8", "shape": [1, 16, 16]}
    release = manifest["release"]
    assert (release["green"], release["override"]) == (False, None)
    assert release["privacy"]["status"] == "not tested"  # fewer than 10 patients
    assert release["quality"]["status"] == "not measured"  # fewer than 20 images
    assert manifest["audit"]["overall"]["n_synthetic"] == 8
    assert [row["n"] for row in manifest["quality"]["classes"]] == [4, 4]
    assert "synthetic" in manifest["note"]
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


def test_no_file_names_a_patient(run: Any, tmp_path: Path) -> None:
    """Ids of the real images contain patients; none of them may be in a name or a file."""
    generated(run, tmp_path / "out", "all")
    generated(run, tmp_path / "copies", "all", method="copier", override=REASON)
    for folder in (tmp_path / "out", tmp_path / "copies"):
        for name, content in contents(folder).items():
            assert "patient0" not in name
            assert b"patient0" not in content


def test_each_file_is_marked_as_synthetic(run: Any, tmp_path: Path) -> None:
    generated(run, tmp_path / "out", seed=5)
    with Image.open(tmp_path / "out" / "ill" / "synthetic-painter-5_000002.png") as image:
        assert image.info["synthetic"].endswith(", painter, seed 5, index 2")
        assert image.info["synthetic"].startswith("equipoise ")


def test_equal_requests_give_equal_bytes_and_more_images_keep_the_first(
    run: Any, tmp_path: Path
) -> None:
    generated(run, tmp_path / "a", n=70)
    generated(run, tmp_path / "b", n=70)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    generated(run, tmp_path / "few", n=5)
    generated(run, tmp_path / "other", n=5, seed=1)
    few = contents(tmp_path / "few")
    images = {name: few[name] for name in few if name.endswith(".png")}
    assert len(images) == 5
    assert images.items() <= contents(tmp_path / "a").items()
    assert not set(images.values()) & set(contents(tmp_path / "other").values())
    assert len(set(contents(tmp_path / "a").values())) == 72, "two images are the same"


@pytest.mark.parametrize(
    ("dtype", "channels"),
    [("uint8", 1), ("uint8", 3), ("uint16", 1), ("uint16", 3), ("float32", 1)],
)
def test_both_readers_read_the_images_back(
    run: Any, dtype: str, channels: int, tmp_path: Path
) -> None:
    dataset: ImageDataset = run.fakes.noise_dataset(dtype, channels)
    opened = painter_run(run, tmp_path / "run", dataset)
    choice = choose_generator(opened)
    request = GenerationRequest(classes=("all",), n=3)
    generate(opened, choice, request, tmp_path / "out", real=dataset)
    generator = load_generator(opened, choice.cell)
    ill, well = (make_images(generator, label, 3, seed=0, name="") for label in (1, 0))
    options = ReadOptions(cache="off", channels="rgb" if channels == 3 else "gray")
    for source in (tmp_path / "out", tmp_path / "out" / "manifest.csv"):
        images = read(source, options).dataset
        assert images.class_names == ("ill", "well")
        assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert images.images.dtype == dataset.images.dtype
        np.testing.assert_array_equal(images.images, np.concatenate([ill, well]))


def test_color_floats_are_refused_before_any_work(run: Any, tmp_path: Path) -> None:
    dataset = run.fakes.noise_dataset("float32", 3)
    opened = painter_run(run, tmp_path / "run", dataset)
    request = GenerationRequest(classes=("ill",), n=3)
    with pytest.raises(DataError, match="float32"):
        generate(opened, choose_generator(opened), request, tmp_path / "out", real=dataset)
    assert not (tmp_path / "out").exists()


def test_copies_are_refused_and_only_the_audit_is_written(run: Any, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"3 of 3 .* near copies"):
        generated(run, tmp_path / "out", method="copier")
    assert sorted(contents(tmp_path / "out")) == ["REFUSED.txt", "audit.json", "checksums.json"]
    assert "near copies" in (tmp_path / "out" / "REFUSED.txt").read_text()
    refusal = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert refusal["audit"]["privacy"]["status"] == "refused"
    assert refusal["quality"]["decision"]["status"] == "not measured"
    assert refusal["plan"]["generator"]["method"] == "copier"
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "a half-written folder was left"


def test_an_override_is_written_with_its_reason(run: Any, tmp_path: Path) -> None:
    """It may follow a refusal in the same folder."""
    with pytest.raises(ReleaseError):
        generated(run, tmp_path / "out", method="copier")
    manifest = generated(run, tmp_path / "out", method="copier", override=REASON).manifest
    assert manifest["release"]["green"] is False
    assert manifest["release"]["override"] == REASON
    assert manifest["release"]["privacy"]["status"] == "refused"
    assert "near copies" in manifest["release"]["privacy"]["reasons"][0]
    assert "audit.json" not in contents(tmp_path / "out")
    assert len(manifest["files"]) == 3


def test_without_real_images_there_is_no_release(run: Any, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"--real.*--override-reason"):
        generated(run, tmp_path / "out", real=False)
    assert not (tmp_path / "out").exists()
    manifest = generated(run, tmp_path / "out", real=False, override=REASON).manifest
    assert manifest["audit"] is None
    assert manifest["quality"] is None
    assert manifest["release"]["override"] == REASON
    for side in ("privacy", "quality"):
        assert "No audit was made" in manifest["release"][side]["reasons"][0]


def test_constant_images_are_refused_for_their_quality(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def constant(self: Any, codes: Any, _seed: int) -> Any:
        return np.full((len(codes), *self.shape_), 120, dtype=self.dtype_)

    monkeypatch.setattr(run.fakes.Painter, "_generate", constant)
    with pytest.raises(ReleaseError, match=r"Quality: refused\. 100% of the 5 images of ill"):
        generated(run, tmp_path / "out", n=5)
    assert sorted(contents(tmp_path / "out")) == ["REFUSED.txt", "audit.json", "checksums.json"]
    release = generated(run, tmp_path / "out", n=5, override=REASON).manifest["release"]
    assert (release["quality"]["status"], release["override"]) == ("refused", REASON)


@pytest.mark.parametrize("reason", ["", "  ", "because"])
def test_too_short_a_reason_is_refused_before_any_work(
    run: Any, reason: str, tmp_path: Path
) -> None:
    steps: list[str] = []
    with (
        listening(lambda name, _step, _n: steps.append(name)),
        pytest.raises(SettingError, match="reason"),
    ):
        generated(run, tmp_path / "out", override=reason)
    assert not steps
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_kept_and_reused_for_an_equal_request(
    run: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert generated(run, out).new
    before = contents(out)
    times = [path.stat().st_mtime_ns for path in sorted(out.rglob("*"))]
    again = generated(run, out)
    assert not again.new
    assert again.manifest == json.loads((out / "manifest.json").read_text())
    assert [path.stat().st_mtime_ns for path in sorted(out.rglob("*"))] == times
    for other in ({"n": 4}, {"seed": 1}, {"method": "smote"}, {"override": REASON}):
        with pytest.raises(SettingError, match=r"out .*--out"):
            generated(run, out, **other)
    with pytest.raises(SettingError, match=r"out .*--out"):
        generated(run, out, "well")
    assert contents(out) == before


@pytest.mark.parametrize("change", ["altered", "removed", "added", "no table"])
def test_a_changed_output_is_named_and_left_alone(run: Any, change: str, tmp_path: Path) -> None:
    out, name = tmp_path / "out", "synthetic-painter-0_000001.png"
    generated(run, out)
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
    with pytest.raises(SettingError, match=rf": .*{name}.*--out"):
        generated(run, out)
    assert contents(out) == before


def test_other_files_are_never_touched(run: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years")
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    manifests = (None, "{", "[]", "{}", '{"files": 3}', '{"files": {"../mine/thesis.txt": "0"}}')
    for manifest in manifests:
        if manifest is not None:
            (tmp_path / "mine" / "manifest.json").write_text(manifest)
        with pytest.raises(SettingError, match=r"mine .*thesis\.txt.*--out"):
            generated(run, tmp_path / "mine")
    with pytest.raises(SettingError, match=r"file .*--out"):
        generated(run, tmp_path / "file")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "three years"
    assert generated(run, tmp_path / "empty").new


def test_a_stopped_command_leaves_nothing(run: Any, tmp_path: Path) -> None:
    def stop(name: str, step: int, _n_steps: int) -> None:
        if name.startswith("writing") and step == 2:
            raise KeyboardInterrupt

    with listening(stop), pytest.raises(KeyboardInterrupt):
        generated(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_progress_is_reported(run: Any, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    with listening(lambda name, step, n: steps.append((name, step, n))):
        generated(run, tmp_path / "out", n=130)
    of_ill = [(step, n) for name, step, n in steps if name == "images of ill"]
    assert of_ill == [(0, 130), (64, 130), (128, 130), (130, 130)]
    assert any(name.startswith("features") for name, _, _ in steps)
    assert ("writing ill", 130, 130) in steps


def test_a_class_that_was_not_learned_is_named(run: Any, tmp_path: Path) -> None:
    """SMOTE learns only classes that need more images."""
    with pytest.raises(DataError, match=r"'well'.*: ill"):
        generated(run, tmp_path / "out", "well", method="smote")
    generated(run, tmp_path / "out", "all", method="smote", override=REASON)
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {"ill"}


def test_unknown_classes_and_numbers_are_refused(run: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"'il'.*'ill'"):
        generated(run, tmp_path / "out", "il")
    for classes, n, seed, words in (
        (("ill",), 0, 0, "-n.*0"),
        (("ill",), 1, -1, "seed.*-1"),
        ((), 1, 0, "none"),
        (("ill", "ill"), 1, 0, "ill, ill"),
    ):
        with pytest.raises(SettingError, match=words):
            GenerationRequest(classes=classes, n=n, seed=seed)


def test_splits_of_other_images_are_refused(run: Any, tmp_path: Path) -> None:
    other = run.fakes.noise_dataset("uint8", 1, 24)
    request = GenerationRequest(classes=("ill",), n=2)
    ids = np.array([f"x{i}" for i in range(len(other))])
    stranger = ImageDataset(
        images=run.dataset.images,
        labels=other.labels,
        class_names=other.class_names,
        groups=other.groups,
        ids=ids,
    )
    choice = choose_generator(run.opened, method="painter")
    with pytest.raises(DataError, match="splits"):
        generate(run.opened, choice, request, tmp_path / "out", real=stranger)
    assert not (tmp_path / "out").exists()
