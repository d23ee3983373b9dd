"""Fixtures of commands: calling them, and a folder small enough for seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from equipoise.cli.app import main
from equipoise.data.phantoms.datasets import chest_films

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs a command: exit code, standard output, standard error."""

    def run_command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["equipoise", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capsys.readouterr()

    return run_command


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two class folders with 36 and 24 films, two of each patient."""
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "cache"))
    dataset = chest_films((36, 24), size=40)
    for i, (image, label) in enumerate(zip(dataset.images, dataset.labels, strict=True)):
        folder = tmp_path / "films" / dataset.class_names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(folder / f"patient{i // 2:02d}_{i % 2}.png")
    return tmp_path / "films"
