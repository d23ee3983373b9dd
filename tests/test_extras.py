"""Where an extra is missing, the message is the command that installs it, and comes early."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.cli.app import run_command
from equipoise.data.phantoms.brains import write_brains
from equipoise.data.volumes.brain import correct_bias
from equipoise.data.volumes.file import check_placement, read_volume, write_label_map
from equipoise.exceptions import EquipoiseError
from equipoise.extras import import_extra
from equipoise.testing.volume_readers import plain_geometry, write_image

SHAPE = (4, 5, 6)
INSTALL = r"pip install 'equipoise\[volumes\]'"


def label_map(folder: Path) -> None:
    write_label_map(folder / "new.mha", np.zeros(SHAPE, np.uint8), plain_geometry(SHAPE))


def placement(folder: Path) -> None:
    check_placement(folder / "new.mha", folder / "flair.nii.gz")


def bias(folder: Path) -> None:
    del folder
    correct_bias(np.ones(SHAPE), np.ones(SHAPE, bool), plain_geometry(SHAPE))


def brains(folder: Path) -> None:
    write_brains(folder / "new", 1)


def image(folder: Path) -> None:
    read_volume(folder / "flair.nii.gz")


@pytest.mark.parametrize("use", [image, label_map, placement, bias, brains])
def test_without_simpleitk_the_command_that_installs_it_is_named(
    use: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "flair.nii.gz", np.zeros(SHAPE, np.int16))
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(EquipoiseError, match=f"SimpleITK, which is not installed. .*{INSTALL}$"):
        use(tmp_path)


def test_on_the_command_line_it_is_an_error_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    demo = ["equipoise", "demo", "--task", "segmentation", "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", demo)
    assert run_command() == 2
    assert "Error: " in (message := capsys.readouterr().err)
    assert "pip install 'equipoise[volumes]'" in message


def test_an_error_inside_a_package_that_is_installed_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("from math import no_such_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="no_such_name") as error:
        import_extra("broken_package", "volumes", "A test")
    assert not isinstance(error.value, EquipoiseError)
