from types import SimpleNamespace

import pytest
import torch

from equipoise.exceptions import SettingError
from equipoise.training.devices import (
    autocast,
    available_devices,
    gpus_of,
    has_bfloat16,
    resolve_device,
)


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "best"), [(2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_auto_takes_the_best_there_is(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, best: str
) -> None:
    pretend(monkeypatch, cuda=cuda, mps=mps)
    assert resolve_device("auto") == torch.device(best)


def test_named_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=2, mps=False)
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(SettingError, match=r"'cuda:2' .*: cuda, cpu"):
        resolve_device("cuda:2")
    with pytest.raises(SettingError, match="'mps' is not available"):
        resolve_device("mps")
    with pytest.raises(SettingError, match=r"device named 'gpu'\. .*auto, cpu"):
        resolve_device("gpu")


def test_gpus_of_a_name_are_counted_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=2, mps=False)
    properties = SimpleNamespace(name="Fast GPU", total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _gpu: properties)
    assert gpus_of("auto") == gpus_of("cuda") == ("cuda:0", "cuda:1")
    assert gpus_of("cuda:1") == ("cuda:1",)
    assert gpus_of("cpu") == ()
    lines = available_devices()
    assert list(lines) == ["auto", "cuda:0", "cuda:1", "cpu"]
    assert lines["cuda:1"] == "Fast GPU, 80.0 GB."
    pretend(monkeypatch, cuda=0, mps=True)
    assert list(available_devices()) == ["auto", "mps", "cpu"]


def test_precision_is_that_of_the_forward_pass() -> None:
    layer, images = torch.nn.Linear(2, 2), torch.rand(1, 2)
    cpu = torch.device("cpu")
    with autocast("32-true", cpu)():
        assert layer(images).dtype == torch.float32
    mixed = autocast("bf16-mixed", cpu)
    for _ in range(2):  # a context for each step
        with mixed():
            assert layer(images).dtype == torch.bfloat16
    with pytest.raises(SettingError, match="No precision named '16-mixed'"):
        autocast("16-mixed", cpu)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("avx512_bf16", True), ("amx_bf16", True), ("bf16", True), ("avx512_f", False)],
)
def test_processors_have_units_for_bfloat16_or_not(
    monkeypatch: pytest.MonkeyPatch, unit: str, expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": False, unit: True})
    assert has_bfloat16(torch.device("cpu")) is expected


def test_emulated_bfloat16_of_a_gpu_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[bool] = []

    def is_supported(including_emulation: bool = True) -> bool:
        requests.append(including_emulation)
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert not has_bfloat16(torch.device("cuda"))
    assert requests == [False]
    assert not has_bfloat16(torch.device("mps"))


def test_a_torch_that_names_no_units_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bfloat16(torch.device("cpu"))
