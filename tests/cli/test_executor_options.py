import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from equipoise.cli.app import app
from equipoise.cli.executor_options import check_executor, ray_address
from equipoise.exceptions import SettingError
from equipoise.experiments.running.executors import default_executor


def test_an_address_implies_ray() -> None:
    assert ray_address("processes", None) is None
    assert ray_address("ray", None) == "local"
    assert ray_address("ray", "10.0.0.7:6379") == "10.0.0.7:6379"
    assert ray_address("processes", "auto") == "auto"


def test_an_executor_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingError, match=r"'rya'.*'ray'"):
        check_executor("rya", None)


def test_without_ray_the_install_command_is_named_before_images_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingError, match=r"pip install 'equipoise\[ray\]'"):
        default_executor("cpu", ray="local")
    result = CliRunner().invoke(app, ["run", str(tmp_path), "--executor", "ray"])
    assert result.exit_code != 0
    assert isinstance(result.exception, SettingError)
    assert "equipoise[ray]" in str(result.exception)
