"""What is packaged is the tree: wheel and sdist, and both kinds of run from the wheel alone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.data.phantoms.brains import write_brains

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("benchmarks", "docs", "examples", "simulations", "src", "studies", "tests", "tools")
FILES = (
    "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile",
    "README.md", "constraints.txt", "mkdocs.yml", "pyproject.toml",
)  # fmt: skip
NOT_SOURCE = ("__pycache__", ".hypothesis", "equipoise.egg-info")  # folders
BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]  # builds change sys.argv
build_meta.build_wheel(folder)
build_meta.build_sdist(folder)
"""


def source_files() -> set[str]:
    """Return the files of the tree that are packaged, relative to its root."""
    files = set(FILES)
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and not set(NOT_SOURCE) & set(path.parts):
                files.add(name)
    return files


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a wheel and an sdist of a copy of the tree."""
    tree, built = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("built")
    for name in source_files():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    command = [sys.executable, "-c", BUILD, str(built)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    yield built
    shutil.rmtree(tree)
    shutil.rmtree(built)


@pytest.fixture(scope="module")
def wheel(packages: Path) -> Path:
    return next(packages.glob("*.whl"))


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packaged = {name for name in archive.namelist() if ".dist-info/" not in name}
    source = {name.removeprefix("src/") for name in source_files() if name.startswith("src/")}
    assert packaged == source
    suffixes = {Path(name).suffix for name in source}
    assert {".py", ".pyi", ".html", ".css"} <= suffixes
    assert "equipoise/py.typed" in packaged


def test_the_sdist_has_every_file_of_the_tree(packages: Path) -> None:
    with tarfile.open(next(packages.glob("*.tar.gz"))) as archive:
        files = [member.name for member in archive.getmembers() if member.isfile()]
    packaged = {name.partition("/")[2] for name in files}
    generated = {name for name in packaged if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert packaged - generated == source_files()


def test_the_metadata_say_who_for_what_and_what_it_needs(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    about = metadata(wheel)
    assert about["Author"] == project["authors"][0]["name"]
    assert set(about.get_all("Classifier") or ()) == set(project["classifiers"])
    assert set(about.get_all("Provides-Extra") or ()) == set(project["optional-dependencies"])
    needed = [line for line in about.get_all("Requires-Dist") or () if "extra ==" not in line]
    assert {line.lower() for line in needed} == {line.lower() for line in project["dependencies"]}
    assert not any("opencv" in line.lower() or "simpleitk" in line.lower() for line in needed)


def write_images(folder: Path) -> Path:
    """Write 24 and 12 images of two classes, three for each patient."""
    rng = np.random.default_rng(0)
    for name, count, level in (("healthy", 24, 80), ("ill", 12, 150)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.normal(level, 30, (32, 32)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}{i // 3}-{i % 3}.png")
    return folder


def run(python: Path, folder: Path, *words: str) -> str:
    """Run a program of the environment of `python` in a folder, as a user without a checkout."""
    surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    process = subprocess.run(
        [python.parent / words[0], *words[1:]],
        cwd=folder,
        env=surroundings,
        check=False,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-2000:] + process.stdout[-2000:]
    return process.stdout


@pytest.mark.slow
def test_the_wheel_alone_makes_both_kinds_of_report(wheel: Path, tmp_path: Path) -> None:
    """In another folder; the packages that it needs are those of this environment."""
    environment, folder = tmp_path / "environment", tmp_path / "elsewhere"
    venv.create(environment, with_pip=False)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages_of_environment = run(python, tmp_path, "python", "-c", code).strip()
    # A .pth file names a folder; the .pth files there, such as this checkout's, are not read.
    dependencies = Path(packages_of_environment, "dependencies.pth")
    dependencies.write_text(sysconfig.get_path("purelib"))
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    run(python, tmp_path, "python", *pip, str(wheel))
    folder.mkdir()
    where = run(python, folder, "python", "-c", "import equipoise; print(equipoise.__file__)")
    assert where.startswith(str(environment))

    write_images(folder / "images")
    words = ["images", "--size", "32", "--splits", "2", "--seeds", "1", "--steps", "4"]
    words += ["--methods", "none,class_weights", "--network", "small_cnn", "--regime", "scratch"]
    words += ["--groups", r"([a-z]+\d+)-", "--out", "run"]
    run(python, folder, "equipoise", "run", *words)
    write_brains(folder / "brains", 6, side=48, depth=12)
    words = ["brains", "--task", "segmentation", "--labels", "brats2013", "--steps", "4"]
    words += ["--folds", "3", "--seeds", "1", "--methods", "random,balanced"]
    run(python, folder, "equipoise", "run", *words, "--out", "volumes")
    for name in ("run", "volumes"):
        assert "</html>" in (folder / name / "report.html").read_text(encoding="utf-8")
