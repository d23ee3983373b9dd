"""The lowest versions are those of pyproject.toml, and they fit those that are tested."""

from pathlib import Path

import pytest
from packaging.version import Version
from tools.floors import ROOT, floors


def test_each_dependency_has_a_floor_below_the_tested_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower(): line.partition("==")[2] for line in lines}
    lowest = dict(line.split("==") for line in floors())
    assert len(lowest) > 10
    for name, version in lowest.items():
        assert Version(version) <= Version(pinned[name.lower()])
    assert lowest["torch"] == pinned["torch"]


def test_a_dependency_without_a_floor_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("")
    project = '[project]\ndependencies = ["numpy"]\n[project.optional-dependencies]\nvolumes = []\n'
    (tmp_path / "pyproject.toml").write_text(project)
    with pytest.raises(ValueError, match="'numpy'"):
        floors(tmp_path)
