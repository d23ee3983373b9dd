"""`equipoise audit` on folders: verdict in sentences, JSON file, page and exit code."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

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


def test_images_of_another_source_and_few_of_them_are_not_cleared(
    folders: dict[str, Path], tmp_path: Path
) -> None:
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
    assert code == 1
    assert "Not cleared for release: privacy passed; quality could not be measured." in said
    assert "Quality by class: abnormal not measured, normal not measured." in said
    assert "enlarged" not in said
    assert re.search(r"Of 100 pairs .* in \d+ \[\d+, \d+\] \(all classes\)", said)
    facts = json.loads((out / "audit.json").read_text())
    assert facts["released"] is False
    assert facts["decisions"]["privacy"]["status"] == "passed"
    assert facts["decisions"]["quality"]["status"] == "not measured"
    assert [one["name"] for one in facts["audit"]["classes"]] == ["abnormal", "normal"]
    assert facts["audit"]["overall"]["n_train"] == 60
    assert {row["extractor"] for row in facts["quality"]["classes"][0]["findings"]} == {
        "",
        "random",
        "spectrum",
        "pixels",
    }
    page = (out / "audit.html").read_text()
    assert re.search(r"24 synthetic images .* 60 real images", page)
    assert "image&lt;" in page
    assert page.count("data:image/png") == len(facts["audit"]["pairs"])
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Enough images of one class for a verdict on quality."""
    root = tmp_path_factory.mktemp("many")
    parts = {}
    for seed, name in enumerate(("real", "held", "made")):
        drawn = cells((160, 1), size=32, seed=20 + seed)
        parts[name] = write(root / name, drawn.subset(drawn.labels == 0), classes=False)
    return parts


def test_green_needs_privacy_and_quality(many: dict[str, Path], tmp_path: Path) -> None:
    asked = (many["made"], "--real", many["real"], *QUICK, "--out", tmp_path / "out")
    code, said = call(*asked, "--held-out", many["held"])
    assert (code, "May be released: privacy passed; quality passed." in said) == (0, True)
    facts = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert facts["released"] is facts["release"]["green"] is True

    code, said = call(*asked)
    assert code == 1
    assert "no near copy was found, but membership was not tested; quality passed" in said
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "membership was not tested" in page.split('class="verdict"')[1].split("<span>")[0]


def test_a_checkerboard_is_refused_by_the_spectrum(many: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    board = 8 * (np.indices((32, 32)).sum(axis=0) % 2)
    for file in many["made"].iterdir():
        with Image.open(file) as image:
            values = np.clip(np.asarray(image, dtype=np.int64) + board[..., None], 0, 255)
        Image.fromarray(values.astype(np.uint8)).save(bad / file.name)
    out = tmp_path / "out"
    code, said = call(bad, "--real", many["real"], "--held-out", many["held"], *QUICK, "--out", out)
    assert code == 1
    assert "Do not release: privacy passed; quality refused." in said
    assert re.search(r"by the radial power spectrum: AUROC [01]\.\d+ \[", said)
    assert "by pixels at 16 px" not in said
    assert json.loads((out / "audit.json").read_text())["release"] is None


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
    assert "Do not release: privacy refused" in said
    assert "1 of 25 synthetic images is a near copy" in said
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
    assert code == 1  # without held-out images, membership is not tested
    assert facts["audit"]["extractor"] == "random"
    assert len(facts["audit"]["classes"]) == 1


def test_a_classifier_of_the_real_images_can_be_requested(
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
        "--extractor",
        "classifier",
        "--out",
        tmp_path / "out",
    )
    assert (
        json.loads((tmp_path / "out" / "audit.json").read_text())["audit"]["extractor"]
        == "classifier"
    )


def test_a_classifier_that_learned_nothing_is_replaced_and_named(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Constant:
        name, digest, dimension = "classifier", "0" * 64, 4

        def __call__(self, images: Any) -> Any:
            return np.ones((len(images), 4), dtype=np.float32)

    monkeypatch.setattr(
        "equipoise.audit.in_domain.train_in_domain", lambda *_args, **_settings: Constant()
    )
    size = ("--size", "32", "--device", "cpu", "--out", tmp_path / "out")
    wanted = ("--extractor", "classifier")
    _, said = call(folders["made"], "--real", folders["real"], *wanted, *size)
    assert "classifier of the real images is not used" in said
    facts = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert facts["audit"]["extractor"] == "random"


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


def test_images_of_another_depth_are_refused_with_both_depths(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    deep = tmp_path / "deep" / "normal"
    deep.mkdir(parents=True)
    Image.fromarray(np.full((32, 32), 999, dtype=np.uint16)).save(deep / "0.png")
    for option, synthetic in (("--held-out", folders["made"]), (None, deep.parent)):
        more = (option, deep.parent) if option else ()
        with pytest.raises(DataError, match=r"depth .*8 bits .uint8.* 16 bits"):
            call(synthetic, "--real", folders["real"], *more, *QUICK, "--out", tmp_path / "out")


def test_images_in_no_class_folder_need_real_images_of_one_class(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    flat = write(tmp_path / "flat", MADE, classes=False)
    with pytest.raises(DataError, match=r"\(abnormal, normal\), got 24 images in no class folder"):
        call(flat, "--real", folders["real"], *QUICK, "--out", tmp_path / "out")


def test_what_is_left_out_is_said_or_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    (folders["held"] / "normal" / "@eaDir").mkdir()
    Image.new("RGB", (9, 9)).save(folders["held"] / "normal" / "@eaDir" / "0.png")
    Image.new("RGB", (9, 9)).save(folders["made"] / "normal" / "image<00>_mask.png")
    command = (folders["made"], "--real", folders["real"], "--held-out", folders["held"], *QUICK)
    with pytest.raises(DataError, match=r"--ignore '\*_mask"):
        call(*command, "--out", tmp_path / "out")
    _, said = call(*command, "--out", tmp_path / "out", "--ignore", "*_MASK.*")
    assert re.search(r"Held-out images: Left out, hidden.*\(1\).*eaDir", said)
    assert re.search(r"Synthetic images: Left out, ignored \(1\)", said)


def test_the_columns_of_a_table_of_real_images_can_be_named(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    lines = ["path,what,anon_code"]
    for i, file in enumerate(sorted(folders["real"].rglob("*.png"))):
        lines.append(f"{file.relative_to(folders['real'])},{file.parent.name},{i // 2}")
    table = tmp_path / "t.csv"
    table.write_text("\n".join(lines))
    arguments = (folders["made"], "--real", folders["real"], "--table", table, *QUICK)
    with pytest.raises(DataError, match="--label-column"):
        call(*arguments)
    with pytest.raises(DataError, match="--group-column anon_code"):
        call(*arguments, "--label-column", "what")
    with pytest.raises(SettingError, match="--group-column"):
        call(*arguments[:3], *QUICK, "--group-column", "anon_code")
    named = ("--label-column", "what", "--group-column", "anon_code")
    with pytest.raises(DataError, match="nowhere"):  # the real images were read
        call(*arguments, *named, "--held-out", tmp_path / "nowhere")
