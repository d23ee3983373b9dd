"""Saved oversamplers of every class are loaded; the contract tests list every class."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from equipoise.exceptions import DataError, SettingError
from equipoise.resampling.base import Oversampler
from equipoise.resampling.loading import load_oversampler
from equipoise.resampling.smote import SMOTEOversampler
from equipoise.testing.oversamplers import RARE, toy_images

CONTRACTS = Path(__file__).parents[1] / "contracts" / "test_oversamplers.py"


def instances() -> dict[str, Oversampler]:
    """Return the list of the contract tests, so that a new class is loaded here too."""
    spec = importlib.util.spec_from_file_location("contracts_of_oversamplers", CONTRACTS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Oversampler] = module.OVERSAMPLERS
    return found


INSTANCES = instances()


@pytest.mark.parametrize("name", INSTANCES)
def test_a_loaded_oversampler_makes_the_same_images(name: str, tmp_path: Path) -> None:
    fitted = clone(INSTANCES[name]).fit(*toy_images())
    fitted.save(tmp_path / "generator")
    loaded = load_oversampler(tmp_path / "generator")
    assert type(loaded) is type(fitted)
    asked = np.array([RARE, 2, RARE])
    np.testing.assert_array_equal(
        loaded.generate(asked, random_state=4), fitted.generate(asked, random_state=4)
    )
    assert loaded.sampling_strategy_ == fitted.sampling_strategy_


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return the folder of a fitted SMOTE, the fastest to fit."""
    SMOTEOversampler().fit(*toy_images()).save(tmp_path / "generator")
    return tmp_path / "generator"


def rewrite(folder: Path, **changes: Any) -> Path:
    stored = json.loads((folder / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(stored))
    (folder / "checksums.json").unlink()
    return folder


@pytest.mark.parametrize(
    "kind", ["SMOTEOversampel", "classifier", "Oversampler", "os.system", "../SMOTEOversampler"]
)
def test_other_kinds_are_refused_by_name(kind: str, saved: Path) -> None:
    """`Oversampler` itself is abstract and cannot be loaded."""
    with pytest.raises(SettingError, match=f"No oversampler named '{kind}'.* SMOTEOversampler"):
        load_oversampler(rewrite(saved, kind=kind))


def test_an_absent_or_damaged_folder_is_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.*no model\.json"):
        load_oversampler(tmp_path / "nowhere")
    for text in ("{", "[]", "{}", "3"):
        (saved / "model.json").write_text(text)
        with pytest.raises(DataError, match=r"model\.json .*Delete"):
            load_oversampler(saved)


class Ours(SMOTEOversampler):
    """A class outside the package."""


def test_a_class_of_an_imported_module_is_known(tmp_path: Path) -> None:
    Ours().fit(*toy_images()).save(tmp_path / "generator")
    assert type(load_oversampler(tmp_path / "generator")) is Ours


def test_a_class_of_the_package_wins_over_one_of_the_same_name(saved: Path) -> None:
    hooks = dict.fromkeys(("_fit", "_generate", "_state", "_set_state"), lambda *_: None)
    namesake = type("SMOTEOversampler", (Oversampler,), hooks)
    assert Oversampler.__subclasses__()[-1] is namesake
    assert type(load_oversampler(saved)) is SMOTEOversampler
