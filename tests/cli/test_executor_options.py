import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from equipoise.cli.app import app
from equipoise.cli.executor_options import check_executor, parse_memory, ray_address
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


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("8G", 2**33), ("8 GB", 2**33), ("8gib", 2**33), ("1500M", 1500 * 2**20), (".5T", None)],
)
def test_sizes_of_memory(text: str, n_bytes: int | None) -> None:
    if n_bytes is None:
        with pytest.raises(SettingError, match=r"--max-memory, such as 8G or 1500M, got"):
            parse_memory(text)
    else:
        assert parse_memory(text) == n_bytes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("8", "Did you mean 8G?"),
        ("", "such as 8G"),
        ("-8G", "such as 8G"),
        ("8X", "such as 8G"),
        ("lots", "such as 8G"),
        ("900M", "at least 1G"),
        ("0G", "at least 1G"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_bad_sizes_are_refused_before_images_are_read(
    text: str, reason: str, command: str, tmp_path: Path
) -> None:
    missing = str(tmp_path / "none")
    result = CliRunner().invoke(app, [command, missing, f"--max-memory={text}"])
    assert isinstance(result.exception, SettingError)
    assert "--max-memory" in str(result.exception)
    assert reason in str(result.exception)
