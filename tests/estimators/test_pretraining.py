from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from equipoise.arrays import Images, Labels
from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.pretraining import load_trunk
from equipoise.exceptions import DataError, SettingError, WeightsError
from equipoise.networks.backbones import build, find_backbone
from equipoise.training.loop import History

State = dict[str, Tensor]
BACKBONE = find_backbone("small_cnn")


class Scrambled(BaseEstimator):
    """Returns a trunk of random tensors and records its arguments."""

    calls: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, *, side: int = 16, random_state: int = 0) -> None:
        self.side = side
        self.random_state = random_state

    def check_settings(self, network: str, side: int) -> None:
        if side > 64:
            raise SettingError(f"Expected at most 64 px for {network}, got {side}.")

    def trunk(
        self, X: Images, y: Labels, *, network: str, validation: Any, workspace: Path | None
    ) -> Mapping[str, Tensor]:
        self.calls.append(
            {"X": X, "y": y, "network": network, "validation": validation, "workspace": workspace}
        )
        self.history_ = History(rows=[{"step": 5, "loss": 1.0}])
        return scrambled(network, self.side, self.random_state)


def trunk_of(name: str, network: nn.Module) -> nn.Module:
    return find_backbone(name).trunk(network)


def scrambled(network: str, side: int = 16, seed: int = 0) -> State:
    """A trunk whose every tensor differs from those of a fresh network, running statistics too."""
    torch.manual_seed(seed)
    state = trunk_of(network, build(network, channels=1, n_classes=2, side=side)).state_dict()
    for name, value in state.items():
        state[name] = (value + torch.rand(value.shape) + 1).to(value.dtype)
    return state


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "densenet121"])
def test_every_tensor_of_the_trunk_is_copied_and_the_head_stays(name: str) -> None:
    network, other = (build(name, channels=1, n_classes=2, side=16).eval() for _ in range(2))
    tensors = scrambled(name)
    fresh = {key: value.clone() for key, value in network.state_dict().items()}
    load_trunk(find_backbone(name), network, tensors)
    loaded = trunk_of(name, network).state_dict()
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[key], tensors[key]) for key in tensors)
    changed = [key for key, t in network.state_dict().items() if not torch.equal(t, fresh[key])]
    assert len(changed) == len(tensors), "the head changed"
    trunk_of(name, other).load_state_dict(tensors)
    with torch.no_grad():
        images = torch.rand(2, 1, 16, 16)
        assert torch.equal(trunk_of(name, network)(images), trunk_of(name, other)(images))


def test_nothing_is_shared_with_the_pretrained_trunk() -> None:
    network = build("small_cnn", channels=1, n_classes=2, side=16)
    tensors = scrambled("small_cnn")
    before = {key: value.clone() for key, value in tensors.items()}
    load_trunk(BACKBONE, network, tensors)
    with torch.no_grad():
        for value in network.state_dict().values():
            value.zero_()
    assert all(torch.equal(tensors[key], before[key]) for key in tensors)


def test_a_trunk_that_does_not_fit_is_named() -> None:
    network = build("small_cnn", channels=1, n_classes=2, side=16)
    tensors = scrambled("small_cnn")
    wrong = {**tensors, "0.weight": torch.zeros(32, 3, 3, 3), "99.weight": torch.zeros(1)}
    del wrong["4.bias"]
    with pytest.raises(WeightsError, match=r"missing: 4\.bias \(1\);.* 99.*: 0\.weight \(1\)"):
        load_trunk(BACKBONE, network, wrong)


# --- in a classifier ---


@pytest.fixture(autouse=True)
def _forget() -> None:
    Scrambled.calls.clear()


def quick(**settings: Any) -> ImageClassifier:
    return ImageClassifier(
        **{"n_steps": 1, "batch_size": 8, "device": "cpu", "pretraining": Scrambled(), **settings}
    )


def test_the_classifier_starts_from_the_trunk(toy: ImageDataset) -> None:
    fitted = quick(learning_rate=1e-12, weight_decay=0.0).fit(toy.images, toy.labels)
    trunk = trunk_of("small_cnn", fitted.network_).state_dict()
    for key, value in scrambled("small_cnn").items():
        torch.testing.assert_close(trunk[key], value, atol=1e-10, rtol=0)
    assert fitted.histories_["pretraining"].rows == [{"step": 5, "loss": 1.0}]
    assert fitted.histories_[""] is fitted.history_
    assert not hasattr(fitted.pretraining, "history_")  # a clone learned


def test_the_trunk_is_learned_from_real_images_only(toy: ImageDataset, tmp_path: Path) -> None:
    synthetic = np.arange(52) % 4 == 3
    validation = (toy.images[:20], toy.labels[:20] + 5)
    quick().fit(
        toy.images, toy.labels + 5, synthetic=synthetic, validation=validation, workspace=tmp_path
    )
    (call,) = Scrambled.calls
    np.testing.assert_array_equal(call["X"], toy.images[~synthetic])
    np.testing.assert_array_equal(call["y"], toy.labels[~synthetic] + 5)
    assert (call["network"], call["workspace"]) == ("small_cnn", tmp_path)
    assert call["validation"] is validation
    with pytest.raises(DataError, match="real training images"):
        quick().fit(toy.images, toy.labels, synthetic=np.ones(52, dtype=bool))


def test_other_objects_are_refused(toy: ImageDataset) -> None:
    with pytest.raises(SettingError, match=r"pretraining.*'vae'"):
        quick(pretraining="vae").fit(toy.images, toy.labels)
    with pytest.raises(SettingError, match="pretrained or pretraining"):
        quick(network="resnet18", pretrained="imagenet").fit(toy.images, toy.labels)
    assert not Scrambled.calls


def test_a_classifier_with_pretraining_is_saved_without_it(
    toy: ImageDataset, tmp_path: Path
) -> None:
    fitted = quick().fit(toy.images, toy.labels)
    fitted.save(tmp_path / "net")
    loaded = ImageClassifier.load(tmp_path / "net", device="cpu")
    assert loaded.pretraining is None
    np.testing.assert_array_equal(
        loaded.predict_proba(toy.images), fitted.predict_proba(toy.images)
    )


def test_the_pretraining_checks_the_side() -> None:
    with pytest.raises(SettingError, match=r"64 px.*80"):
        ImageClassifier(pretraining=Scrambled()).check_settings(80)
