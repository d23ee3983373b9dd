"""Files and names that the documents mention exist."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import equipoise
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
