"""Files and names that the documents mention exist."""

import ast
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.main import get_command

import equipoise
from equipoise.cli.app import app
from equipoise.data.phantoms.datasets import chest_films

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "equipoise"
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "docs" / "architecture.md",
    ROOT / "docs" / "concepts.md",
    ROOT / "docs" / "zoo.md",
)
MODULES = {
    *("audit", "curation", "data", "estimators", "exceptions", "features", "losses", "methods"),
    *("metrics", "networks", "patches", "resampling"),
}
FILE = re.compile(r"`(?:src/equipoise/)?((?:[a-z_0-9]+/)+[a-z_0-9]+\.py)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_on_a_page_exist(page: Path) -> None:
    missing = []
    for name in FILE.findall(page.read_text(encoding="utf-8")):
        if not ((PACKAGE / name).is_file() or (ROOT / name).is_file()):
            missing.append(name)
    assert missing == []


def test_the_map_of_the_code_names_many_files() -> None:
    page = ROOT / "docs" / "architecture.md"
    assert len(FILE.findall(page.read_text(encoding="utf-8"))) > 30


def test_the_map_of_the_code_has_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for folder in PACKAGE.iterdir():
        if (folder / "__init__.py").is_file():
            assert f"`{folder.name}`" in page, folder.name


def test_names_of_the_door_that_pages_use_exist() -> None:
    n_names = 0
    for page in (*PAGES, ROOT / "docs" / "scale.md", ROOT / "docs" / "backbones.md"):
        text = page.read_text(encoding="utf-8")
        assert "from equipoise." not in text, page.name
        for name in re.findall(r"\beq\.([a-zA-Z_]+(?:\.[a-zA-Z_]+)*)", text):
            n_names += 1
            value: object = equipoise
            for part in name.split("."):
                value = getattr(value, part)
    assert n_names > 10


def test_the_readme_s_python_example_runs(
    tmp_path: Path,
) -> None:
    """With fewer methods, seeds and steps, in a process of its own, on drawn films."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    for stated, tiny in (
        ('"none", "oversampling", "dcgan"', '"none", "oversampling"'),
        ("n_seeds=3", "n_seeds=1, n_splits=1"),
        ("n_steps=600", "n_steps=2"),
        ("size=64", "size=32"),
    ):
        assert stated in example
        example = example.replace(stated, tiny)
    films = chest_films((36, 24), size=40)
    for i, (image, label) in enumerate(zip(films.images, films.labels, strict=True)):
        folder = tmp_path / "films" / films.class_names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(folder / f"patient{i // 2:02d}_{i % 2}.png")
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "none" in done.stdout


PYTHON = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
SITE = sorted((ROOT / "docs").rglob("*.md"))
WITH_PYTHON = [
    page
    for page in SITE
    if "tutorials" not in page.parts and PYTHON.search(page.read_text(encoding="utf-8"))
]


def python_of(page: Path) -> str:
    """Return the python blocks of a page as one program, without the scripts that it includes."""
    blocks = PYTHON.findall(page.read_text(encoding="utf-8"))
    return "\n".join(block for block in blocks if "--8<--" not in block)


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.stem)
def test_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """Blocks of a page share a namespace; scripts are run by `test_example_scripts.py`."""
    (tmp_path / "page.py").write_text(python_of(page), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_pages_with_python_are_seen() -> None:
    assert {page.stem for page in WITH_PYTHON} >= {"index", "own_parts", "part_alone"}


def test_scripts_that_pages_include_exist() -> None:
    n_scripts = 0
    for page in SITE:
        for name in re.findall(r'--8<-- "([^"]+)"', page.read_text(encoding="utf-8")):
            n_scripts += 1
            assert (ROOT / name).is_file(), f"{page.name}: {name}"
    assert n_scripts >= 6


def command_lines() -> list[tuple[str, str]]:
    """Return every `equipoise ...` line of the console blocks, with its page."""
    lines = []
    for page in (ROOT / "README.md", *SITE):
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL):
            for line in re.findall(r"^\$ (?:\S*/)?equipoise (.*)$", block, flags=re.MULTILINE):
                lines.append((page.name, line))
    return lines


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_commands_of_pages_have_these_options(page: str, line: str) -> None:
    """The parser accepts the line; nothing is run."""
    command: Any = get_command(app)
    words = shlex.split(line, comments=True)
    context = command.make_context("equipoise", list(words), resilient_parsing=False)
    name, command, rest = command.resolve_command(context, words)
    while hasattr(command, "resolve_command") and rest:
        _, command, rest = command.resolve_command(context, rest)
    command.make_context(name, rest, parent=context)


def test_every_public_name_is_in_the_reference() -> None:
    pages = (ROOT / "docs" / "reference").glob("*.md")
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    documented = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", text, flags=re.M)}
    missing: list[str] = []
    for stub in PACKAGE.rglob("__init__.pyi"):
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign):
                missing += set(ast.literal_eval(node.value)) - documented - MODULES
    assert missing == []


def test_parts_named_in_the_zoo_exist() -> None:
    text = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")
    rooms = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file()}
    missing = []
    n_parts = 0
    for name in re.findall(r"`([a-z_]+(?:\.[a-z_0-9]+)+)`", text):
        if name.split(".")[0] not in rooms:
            continue
        n_parts += 1
        path = PACKAGE.joinpath(*name.split("."))
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            continue
        parent, _, attribute = name.rpartition(".")
        if not (PACKAGE / (parent.replace(".", "/") + ".py")).is_file() or not hasattr(
            importlib.import_module(f"equipoise.{parent}"), attribute
        ):
            missing.append(name)
    assert n_parts > 10
    assert missing == []


def test_earlier_studies_are_judged_by_the_command_that_their_page_names() -> None:
    from studies import reconsider

    assert reconsider.PAGE.read_text(encoding="utf-8") == "\n".join(reconsider.page()) + "\n"
