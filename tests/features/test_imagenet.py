from pathlib import Path

import numpy as np
import pytest

from equipoise.exceptions import WeightsError
from equipoise.features.imagenet import imagenet


@pytest.fixture
def official(shared: Path) -> Path:
    file = shared / "weights" / "mobilenet_v2-b0353104.safetensors"
    if not file.is_file():
        pytest.skip("the ImageNet weights of MobileNetV2 are not on this machine")
    return file


def test_official_weights_distinguish_textures(official: Path) -> None:
    # Stripes are nearer to shifted stripes than to stripes in the other direction.
    place = np.arange(64)
    stripes = [((place + shift) // 8 % 2 * 255).astype(np.uint8) for shift in (0, 4)]
    across = [np.broadcast_to(s, (64, 64)) for s in stripes]
    images = np.stack([across[0], across[1], across[0].T])[:, None]
    features = imagenet(official, device="cpu")(images).astype(np.float64)
    near = np.linalg.norm(features[0] - features[1])
    far = np.linalg.norm(features[0] - features[2])
    assert near < 0.5 * far


def test_without_connection_the_message_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(url: str, *_: object, **__: object) -> None:
        raise OSError(f"no connection to {url}")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(WeightsError, match=r"mobilenet_v2-b0353104\.pth"):
        imagenet(device="cpu")
