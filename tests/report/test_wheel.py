"""The built package contains every template of the source tree."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = "from setuptools import setup; setup()"


def templates_in(root: Path) -> list[str]:
    folder = root / "equipoise" / "report" / "templates"
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in files)


def test_every_template_is_packaged(tmp_path: Path) -> None:
    """`build_py` copies what a wheel contains; nothing is downloaded or written to the source."""
    library, info = tmp_path / "library", tmp_path / "info"
    info.mkdir()
    commands = ["egg_info", "--egg-base", info, "build_py", "--build-lib", library]
    arguments = [sys.executable, "-c", BUILD, "-q", *map(str, commands)]
    subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True)
    assert templates_in(library) == templates_in(ROOT / "src")
    assert "segmentation/results.html" in templates_in(library)
