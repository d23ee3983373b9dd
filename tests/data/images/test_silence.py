"""Nothing reaches the terminal while images are decoded, and everything does again afterwards."""

import os
import warnings

import pytest

from equipoise.data.images.loading import quiet


def test_standard_error_is_muted_and_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(2, b"a library complains\n")
    os.write(2, b"a program speaks\n")
    assert capfd.readouterr().err == "a program speaks\n"


def test_standard_error_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), quiet():
        raise KeyError
    os.write(2, b"a program speaks\n")
    assert capfd.readouterr().err == "a program speaks\n"


def test_warnings_of_others_are_not_silenced() -> None:
    with quiet(), pytest.warns(UserWarning, match="not Pillow's"):
        warnings.warn("not Pillow's", stacklevel=1)


def test_a_program_without_standard_error_can_be_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.__stderr__", None)
    with quiet():
        inside = True
    assert inside
