"""A network of someone else's module is never imported because a file of a run names it."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import toy_dataset

from equipoise.atomic import read_json, write_json
from equipoise.cli.own_network import import_network
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.frozen import classifier as frozen
from equipoise.estimators.loading import load_classifier
from equipoise.exceptions import SettingError
from equipoise.networks.backbones import check_stored_network
from equipoise.resampling.loading import load_oversampler
from equipoise.training.persistence import save_fitted

RECORD = """
from dataclasses import replace
from pathlib import Path
from equipoise.networks.backbones import find_backbone
Path(__file__).with_suffix(".executed").touch()
OWN = replace(find_backbone("small_cnn"), name="own")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that leaves a mark when it is executed, with a record `OWN`."""
    path = tmp_path / "clinic_networks.py"
    path.write_text(RECORD)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return path


@pytest.mark.parametrize(
    "kind", ["classifier", frozen.KIND], ids=["classifier", "frozen classifier"]
)
def test_a_stored_classifier_imports_nothing(module: Path, tmp_path: Path, kind: str) -> None:
    name = f"small_cnn+{module.stem}:OWN"
    save_fitted(tmp_path / "fit", kind, {}, {"settings": {"network": name}})
    with pytest.raises(SettingError, match=f"--network {module.stem}:OWN"):
        load_classifier(tmp_path / "fit")
    assert not module.with_suffix(".executed").exists()


def test_a_stored_generator_imports_nothing(module: Path, tmp_path: Path) -> None:
    params: dict[str, Any] = {"sampling_strategy": "auto", "trunk": f"{module.stem}:OWN"}
    save_fitted(tmp_path / "fit", "VAEOversampler", {}, {"params": params})
    with pytest.raises(SettingError, match="import clinic_networks first"):
        load_oversampler(tmp_path / "fit")
    assert not module.with_suffix(".executed").exists()


def test_what_the_user_names_is_imported(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = toy_dataset()
    ImageClassifier(n_steps=1, batch_size=8, device="cpu").fit(toy.images, toy.labels).save(
        tmp_path / "fit"
    )
    stored = read_json(tmp_path / "fit/model.json")
    stored["facts"]["settings"]["network"] = name = f"{module.stem}:OWN"
    (tmp_path / "fit/checksums.json").unlink()
    write_json(tmp_path / "fit/model.json", stored)
    with pytest.raises(SettingError):
        load_classifier(tmp_path / "fit")
    import_network(name)
    assert "is a program" in capsys.readouterr().out
    assert load_classifier(tmp_path / "fit").network == name
    assert module.with_suffix(".executed").exists()


@pytest.mark.parametrize("name", ["small_cnn", "monai:resnet10", "timm:x", "no:such-name", ""])
def test_names_that_import_nothing_pass(name: str) -> None:
    check_stored_network(name, "model.json")
