"""Members are found by name, and a wrong name gets the nearest and all of them."""

import importlib
import sys
from pathlib import Path

import pytest

from equipoise.discovery import modules, pick, unknown
from equipoise.exceptions import SettingError

TABLE = {"focal": 1, "cross_entropy": 2}


def test_pick_returns_the_member() -> None:
    assert pick(TABLE, "focal", "loss") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("focl", "No loss named 'focl'. Did you mean 'focal'? Available: cross_entropy, focal."),
        ("xyz", "No loss named 'xyz'. Available: cross_entropy, focal."),
    ],
)
def test_pick_says_what_there_is(name: str, message: str) -> None:
    with pytest.raises(SettingError) as error:
        pick(TABLE, name, "loss")
    assert str(error.value) == message == unknown(name, TABLE, "loss")


def test_modules_of_a_package_are_found_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "family_of_files"
    package.mkdir()
    for name in ("__init__", "beta", "alpha", "_hidden"):
        (package / f"{name}.py").write_text(f"NAME = {name!r}\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = modules(importlib.import_module("family_of_files"))
    assert list(found) == ["alpha", "beta"]
    assert found["beta"].NAME == "beta"
    assert "family_of_files._hidden" not in sys.modules
