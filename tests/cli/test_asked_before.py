"""The stored command of a run says how its images were read; they are read so again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from equipoise.cli.asked_before import options_of, parameters_of, read_again
from equipoise.data.duplicates import find_duplicates, merge_groups
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.exceptions import DataError, SettingError

READ = "equipoise run {} --size 24 --fit crop --channels rgb --groups 'patient(\\d+)'"


def silent(_done: int, _total: int) -> None:
    """Draw no bar."""


def asked(command: str | None, name: str = "films") -> dict[str, Any]:
    return {"name": name, "facts": {} if command is None else {"command": command}}


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Oblong noise of two classes; the first image of "ill" lies there twice, of two patients."""
    monkeypatch.setenv("EQUIPOISE_CACHE", "off")
    rng = np.random.default_rng(0)
    for name in ("ill", "well"):
        (tmp_path / "films" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 255, size=(30, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "films" / name / f"patient{i // 2}_{i}.png")
    (tmp_path / "films" / "ill" / "patient9_9.png").write_bytes(
        (tmp_path / "films" / "ill" / "patient0_0.png").read_bytes()
    )
    return tmp_path / "films"


def test_images_are_read_as_the_command_read_them(films: Path) -> None:
    found = read_again(str(films), asked(READ.format("somewhere/else")), silent)
    options = ReadOptions(size=24, fit="crop", channels="rgb", groups=r"patient(\d+)")
    assert found is not None
    assert found.fingerprint == read(films, options).dataset.fingerprint
    assert found.images.shape == (13, 3, 24, 24)


def test_copies_are_merged_again_where_the_run_merged_them(films: Path) -> None:
    found = read_again(str(films), asked(f"{READ.format('x')} --duplicates merge"), silent)
    plain = read_again(str(films), asked(READ.format("x")), silent)
    assert found is not None
    assert plain is not None
    assert (
        found.fingerprint
        == merge_groups(plain, find_duplicates(plain)).fingerprint
        != plain.fingerprint
    )


def test_what_the_command_left_out_is_the_default() -> None:
    parameters = parameters_of(asked("equipoise run 'my films' --seeds 5 --note 'Two scanners.'"))
    assert (parameters["images"], parameters["seeds"], list(parameters["note"])) == (
        "my films",
        5,
        ["Two scanners."],
    )
    assert options_of(parameters, None) == ReadOptions(size=64)


def test_a_place_that_only_the_run_names_is_not_read(films: Path) -> None:
    assert read_again(None, asked(READ.format(films)), silent) is None


def test_the_demo_is_drawn_again() -> None:
    from equipoise.experiments.demo import demo_study

    found = read_again(None, asked("equipoise demo --out runs/demo"), silent)
    assert found is not None
    assert found.fingerprint == demo_study().dataset.fingerprint


STUDY = """
from equipoise.data.phantoms.datasets import cells
from equipoise.data.splits import hold_out
from equipoise.experiments.protocol import Budget
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.study import Study

def make(n):
    dataset = cells((n, 20), size=28)
    methods = build_methods(["none"], Budget(n_steps=2))
    return Study(name=str(n), dataset=dataset, splits=hold_out(dataset, n_splits=1), seeds=(0,), methods=methods)

PROTOCOLS = {"clean": lambda: make(24), "literal": lambda: make(28)}
"""


@pytest.mark.parametrize(
    ("command", "n"),
    [
        ("equipoise run x.py --protocol literal", 48),
        ("equipoise run x.py", 44),
        (None, 44),
    ],
)
def test_a_study_file_reads_its_images(command: str | None, n: int, tmp_path: Path) -> None:
    (tmp_path / "study.py").write_text(STUDY)
    found = read_again(str(tmp_path / "study.py"), asked(command), silent)
    assert found is not None
    assert len(found) == n


@pytest.mark.parametrize(
    "command",
    [
        None,
        "",
        "equipoise",
        "python train.py",
        "equipoise run",
        "equipoise run x --no-such-option 3",
        "equipoise run '",
    ],
)
def test_a_command_that_cannot_be_understood_is_shown(command: str | None, films: Path) -> None:
    with pytest.raises(DataError, match=r"how the images of run 'films' were read.*study file"):
        read_again(str(films), asked(command), silent)


def test_options_are_checked_again(films: Path) -> None:
    with pytest.raises(SettingError, match="size"):
        read_again(str(films), asked(f"equipoise run {films} --size 3"), silent)


def test_nothing_is_read_of_an_absent_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        read_again(str(tmp_path / "nowhere"), asked(READ.format("x")), silent)
