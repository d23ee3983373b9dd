"""`equipoise audit` on folders: verdict in sentences, JSON file, page and exit code."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from equipoise.audit.in_domain import train_in_domain
from equipoise.cli.app import app
from equipoise.data.dataset import ImageDataset
from equipoise.data.phantoms.datasets import cells
from equipoise.exceptions import DataError, SettingError

REAL = cells((36, 24), size=32)
OTHERS = cells((36, 24), size=32, seed=1)
MADE = cells((12, 12), size=32, seed=2)
QUICK = ("--size", "32", "--extractor", "pixels", "--device", "cpu")


def write(root: Path, dataset: ImageDataset, *, classes: bool = True) -> Path:
    for i, (image, label) in enumerate(zip(dataset.images, dataset.labels, strict=True)):
        folder = root / dataset.class_names[label] if classes else root
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"image<{i:02d}>.png")
    return root


def call(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["audit", *(str(one) for one in arguments)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.output


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {
        name: write(tmp_path / name, of)
        for name, of in {"real": REAL, "held": OTHERS, "made": MADE}.items()
    }


def test_images_of_another_source_pass(folders: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said = call(
        folders["made"],
        "--real",
        folders["real"],
        "--held-out",
        folders["held"],
        *QUICK,
        "--out",
        out,
    )
    assert code == 0
    assert "may be released" in said
    assert "Nor do they reveal" in said
    facts = json.loads((out / "audit.json").read_text())
    assert facts["released"] is True
    assert [one["name"] for one in facts["audit"]["classes"]] == ["abnormal", "normal"]
    assert facts["audit"]["overall"]["n_train"] == 60
    assert all(one["kid"] and one["floor"] and one["prdc"] for one in facts["quality"])
    page = (out / "audit.html").read_text()
    assert re.search(r"24 synthetic images .* 60 real images", page)
    assert "image&lt;" in page
    assert page.count("data:image/png") == len(facts["audit"]["pairs"])
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


def test_copies_are_refused_named_and_released_only_with_a_reason(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    Image.fromarray(REAL.images[5].transpose(1, 2, 0)[:, ::-1]).save(
        folders["made"] / "normal" / "copied.png"
    )
    out = tmp_path / "out"
    asked = (folders["made"], "--real", folders["real"], *QUICK, "--out", out)
    code, said = call(*asked)
    assert code == 1
    assert "should not be released" in said
    assert "1 of 25 synthetic images is a near copy" in said
    assert "no held-out real images" in said
    facts = json.loads((out / "audit.json").read_text())
    (copy,) = [pair for pair in facts["audit"]["pairs"] if pair["copy"]]
    assert facts["files"][copy["synthetic"]] == "normal/copied.png"
    assert copy["mirrored"]
    assert "normal/copied.png: likeness 1.00" in (out / "audit.html").read_text()

    code, said = call(*asked, "--override-reason", "Consent was given, 3 May.")
    assert code == 0
    assert "released nevertheless: Consent was given, 3 May." in said
    assert (
        json.loads((out / "audit.json").read_text())["release"]["override"]
        == "Consent was given, 3 May."
    )
    with pytest.raises(SettingError, match="at least 10 characters"):
        call(*asked, "--override-reason", "ok")


def test_folders_without_classes_are_one_class(tmp_path: Path) -> None:
    real, made = (
        write(tmp_path / "real", REAL, classes=False),
        write(tmp_path / "made", MADE, classes=False),
    )
    code, _ = call(
        made, "--real", real, "--size", "32", "--device", "cpu", "--out", tmp_path / "out"
    )
    facts = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert code == 0
    assert facts["audit"]["extractor"] == "random"  # one class trains no classifier
    assert len(facts["audit"]["classes"]) == 1


def test_two_classes_are_looked_at_by_a_classifier_of_the_real_images(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "equipoise.audit.in_domain.train_in_domain", partial(train_in_domain, n_steps=2)
    )
    call(
        folders["made"],
        "--real",
        folders["real"],
        "--size",
        "32",
        "--device",
        "cpu",
        "--out",
        tmp_path / "out",
    )
    assert (
        json.loads((tmp_path / "out" / "audit.json").read_text())["audit"]["extractor"]
        == "classifier"
    )


def test_an_own_split_gives_the_held_out_images(tmp_path: Path, folders: dict[str, Path]) -> None:
    write(tmp_path / "films" / "train", REAL)
    write(tmp_path / "films" / "test", OTHERS)
    call(folders["made"], "--real", tmp_path / "films", *QUICK, "--out", tmp_path / "out")
    overall = json.loads((tmp_path / "out" / "audit.json").read_text())["audit"]["overall"]
    assert (overall["n_train"], overall["n_held_out"]) == (60, 60)


def test_synthetic_classes_may_be_some_of_the_real_ones_and_no_others(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    for file in (folders["made"] / "normal").iterdir():
        file.unlink()
    asked = ("--real", folders["real"], *QUICK, "--out", tmp_path / "out")
    call(folders["made"], *asked)
    facts = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert [one["name"] for one in facts["audit"]["classes"]] == ["abnormal"]
    (folders["made"] / "abnormal").rename(folders["made"] / "carcinoma")
    with pytest.raises(DataError, match="got also carcinoma"):
        call(folders["made"], *asked)


def test_images_beside_class_folders_are_refused(folders: dict[str, Path]) -> None:
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(folders["made"] / "stray.png")
    with pytest.raises(DataError, match="either class folders"):
        call(folders["made"], "--real", folders["real"], *QUICK)
