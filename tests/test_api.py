import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import equipoise as eq
from equipoise.exceptions import SettingError
from equipoise.experiments.protocol import budget_of
from equipoise.runs.stage_seconds import read_stage_seconds
from equipoise.time_plan.plan import read_plan

IMPORTS = """
import sys
import equipoise as eq
names = {name for name in sys.modules if name.startswith("equipoise.")}
print(sorted(names), "numpy" in sys.modules, "torch" in sys.modules)
"""


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder of two classes, two images of each patient."""
    rng = np.random.default_rng(0)
    for label, n_patients, brightness in (("mass", 6, 150), ("clear", 12, 90)):
        folder = tmp_path / "films" / label
        folder.mkdir(parents=True)
        for patient in range(n_patients):
            for view in "ab":
                pixels = rng.normal(brightness, 30, (20, 20)).clip(0, 255).astype(np.uint8)
                number = patient + 100 * (label == "mass")
                Image.fromarray(pixels).save(folder / f"p{number}-{view}.png")
    return tmp_path / "films"


def test_the_import_is_of_nothing_else() -> None:
    process = subprocess.run(
        [sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True
    )
    assert process.stdout.strip() == "[] False False"


@pytest.mark.parametrize(
    "family",
    ["", "audit", "curation", "data", "estimators", "features", "losses", "methods", "metrics",
     "networks", "patches", "resampling"],
)  # fmt: skip
def test_every_name_of_the_door_can_be_used(family: str) -> None:
    package = getattr(eq, family) if family else eq
    assert package.__all__
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) <= set(dir(package))


def test_a_path_is_planned_with_the_options_of_its_reader(films: Path) -> None:
    study = eq.plan(films, methods=["none"], n_splits=1, size=16, groups=r"p\d+", n_steps=2)
    assert study.name == "films"
    assert study.images.images.shape[2:] == (16, 16)
    assert len(set(study.images.groups.tolist())) == 18


def test_wrong_arguments_are_named(films: Path) -> None:
    with pytest.raises(SettingError, match=r"'n_split'.*n_splits"):
        eq.plan(films, n_split=3)
    with pytest.raises(SettingError, match=r"'szie'.*size"):
        eq.read(films, szie=32)
    with pytest.raises(SettingError, match=r"size.*eq\.read"):
        eq.plan(eq.read(films, size=16), size=32)
    with pytest.raises(SettingError, match="task"):
        eq.read(films, task="detection")  # type: ignore[call-overload]


def test_a_pretrained_regime_has_a_network_and_weights() -> None:
    assert budget_of(regime="frozen").pretrained == "official"
    assert budget_of(regime="frozen", network="resnet18").network == "resnet18"
    assert budget_of(pretrained="official").network == "mobilenet_v2"
    assert budget_of(regime="scratch", pretrained="w.safetensors").network == "small_cnn"
    assert budget_of(n_steps=None, regime=None) == eq.Budget()


def test_a_study_is_planned_for_a_time_and_continued(
    films: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(films.parent)
    images = eq.read(films, size=16, groups=r"p\d+")
    choices: dict[str, Any] = {
        "methods": ("none", "oversampling"),
        "regime": "frozen",
        "network": "small_cnn",
        "pretrained": "random",
        "n_splits": 4,
        "n_seeds": 1,
    }
    study = eq.plan(images, name="films", time="5m", executor=eq.InProcess(), **choices)
    folder = Path("runs/films")
    stored = read_plan(folder)
    assert stored is not None
    assert stored.fixed.size == 16
    assert len(study.splits) == 4
    assert read_stage_seconds(folder)
    assert "Positive class: mass" in capsys.readouterr().out
    again = eq.plan(images, name="films", time="5m", executor=eq.InProcess(), **choices)
    assert json.loads(json.dumps(again.facts["plan"])) == json.loads(
        json.dumps(study.facts["plan"])
    )
    assert "is continued" in capsys.readouterr().out
    with pytest.raises(SettingError, match="5m"):
        eq.plan(images, name="films", time="1h", executor=eq.InProcess(), **choices)


def test_what_would_be_ignored_or_is_no_study_is_refused(films: Path) -> None:
    images = eq.read(films, size=16)
    with pytest.raises(SettingError, match=r"no out .*eq\.run"):
        eq.plan(images, out="runs/films")
    with pytest.raises(SettingError, match="executor"):
        eq.plan(films, executor=eq.InProcess())
    with pytest.raises(SettingError, match=r"task='segmentation'"):
        eq.plan(films, task="segmentation")
    with pytest.raises(SettingError, match="got 120"):
        eq.plan(images, time=120)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="got list"):
        eq.plan([1])  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="got str"):
        eq.run("films")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="'64'"):
        eq.read(films, size="64")
    with pytest.raises(SettingError, match="'600'"):
        eq.plan(images, n_steps="600")
    with pytest.raises(SettingError, match="n_workers of 0"):
        eq.Processes(n_workers=0)


def test_methods_are_one_text_or_several(films: Path) -> None:
    images = eq.read(films, size=16)
    study = eq.plan(images.dataset, methods="none, oversampling", n_splits=1, n_steps=2)
    assert list(study.methods) == ["none", "oversampling"]


def test_what_a_notebook_shows_is_short(films: Path) -> None:
    assert len(repr(eq.read(films, size=16))) < 200
    assert "mass 12" in repr(eq.read(films, size=16))
