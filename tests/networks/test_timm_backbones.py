from dataclasses import replace
from types import ModuleType

import pytest
import torch
from tests.fixtures.timm_networks import CONFIGS
from torch import Tensor, nn

from equipoise.exceptions import SettingError
from equipoise.networks.backbones import find_backbone
from equipoise.networks.timm_backbones import adapt, official_address

TINY = CONFIGS["tiny"]


@pytest.mark.parametrize(
    ("config", "address"),
    [
        (TINY, ("https://example.org/tiny-0123abcd.pth", "0123abcd")),
        (replace(TINY, hf_hub_id="timm/x"), ("https://example.org/tiny-0123abcd.pth", "0123abcd")),
        (
            replace(TINY, url="https://example.org/tiny.pth", hf_hub_id="timm/x"),
            ("hf://timm/x@main/model.safetensors", ""),
        ),
        (
            replace(TINY, custom_load=True, hf_hub_id="timm/x"),
            ("hf://timm/x@main/model.safetensors", ""),
        ),
        (replace(TINY, url="", hf_hub_id="timm/x", hf_hub_filename="a.bin"), ("", "")),
        (replace(TINY, url=""), ("", "")),
    ],
)
def test_an_address_with_a_checksum_is_preferred_and_pickles_of_the_hub_are_not_read(
    config: object, address: tuple[str, str]
) -> None:
    assert official_address(config) == address


def test_weights_come_with_input_and_license(fake_timm: ModuleType) -> None:
    record = find_backbone("timm:tiny").weights["in1k"]
    assert record.statistics.deviation == (0.25, 0.25, 0.25)
    assert record.statistics.side == 32
    assert (record.license, record.head) == ("mit", "head.fc.")
    with pytest.raises(SettingError, match="'timm:backwards' has no pretrained"):
        find_backbone("timm:backwards").check_weights("official")


def test_files_are_converted_as_the_module_of_the_network_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = {"a": torch.ones(1)}
    assert adapt(stored, nn.Linear(1, 1)) is stored

    def convert(state: dict[str, Tensor], _network: nn.Module) -> dict[str, Tensor]:
        return {f"new.{name}": state.pop(name) for name in list(state)}

    monkeypatch.setattr("torch.nn.modules.linear.checkpoint_filter_fn", convert, raising=False)
    assert list(adapt(stored, nn.Linear(1, 1))) == ["new.a"]
    assert list(stored) == ["a"]
