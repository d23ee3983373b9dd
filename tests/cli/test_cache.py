"""`equipoise cache` shows and clears what was cached, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]


def test_the_cache_is_shown_and_cleared(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path))
    monkeypatch.setenv("EQUIPOISE_CACHE_GB", "1.5")
    for file in ("images/a/images.npy", "volumes/b/1.npy", "medmnist/c.npz", "mine/letter"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_bytes(bytes(10_000_000))
    code, out, _ = call("cache")
    assert code == 0
    assert str(tmp_path) in out
    assert "decoded images: 1, 0.01 GB" in out
    assert "1.5 GB" in out
    code, out, _ = call("cache", "clear")
    assert code == 0
    assert out.startswith("0.03 GB removed")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert call("cache", "clear")[0] == 0


def test_a_cache_that_is_off_is_said(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", "off")
    for command in (("cache",), ("cache", "clear")):
        code, out, _ = call(*command)
        assert code == 0
        assert "off" in out
