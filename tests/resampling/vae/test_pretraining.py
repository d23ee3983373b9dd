"""The transfer of a VAE's encoder to a classifier (Kupas and Harangi)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from equipoise.arrays import Images, Labels
from equipoise.estimators.classifier import ImageClassifier
from equipoise.exceptions import SettingError
from equipoise.networks.backbones import build, find_backbone
from equipoise.resampling.vae import fit as vae_fit
from equipoise.resampling.vae.fit import fit_vae, restore_vae
from equipoise.resampling.vae.oversampler import VAEOversampler
from equipoise.resampling.vae.plan import plan_vae
from equipoise.resampling.vae.pretraining import VAEPretraining

TINY: dict[str, Any] = {
    "latent_channels": 4,
    "base_channels": 2,
    "n_steps": 2,
    "batch_size": 4,
    "learning_rate": 0.01,
    "device": "cpu",
}


@pytest.fixture
def films() -> tuple[Images, Labels]:
    images = np.random.default_rng(0).integers(0, 256, size=(6, 1, 32, 32)).astype(np.uint8)
    return images, np.array([0, 0, 0, 0, 1, 1])


@pytest.fixture
def fresh() -> Callable[[str], nn.Module]:
    def make(network: str) -> nn.Module:
        return build(network, channels=1, n_classes=2, side=32)

    return make


def test_the_classifier_sees_what_the_encoder_sees(
    films: tuple[Images, Labels], fresh: Callable[[str], nn.Module], tmp_path: Path
) -> None:
    tensors = VAEPretraining(**TINY).trunk(*films, network="mobilenet_v2", workspace=tmp_path)
    classifier = fresh("mobilenet_v2")
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    trunk = find_backbone("mobilenet_v2").trunk(classifier)
    assert set(tensors) == set(trunk.state_dict())
    trunk.load_state_dict(dict(tensors))

    pretraining = VAEPretraining(**TINY)
    pretraining._set_seed()
    plan = plan_vae(pretraining, "mobilenet_v2", films[0])
    tensors_of_all, _ = fit_vae(
        plan, films[0], None, device=torch.device("cpu"), workspace=tmp_path
    )
    vae = restore_vae(plan.design, tensors_of_all, torch.device("cpu"))
    images = torch.rand(3, 1, 32, 32)
    classifier.eval()
    assert torch.equal(trunk(images), vae.trunk(images))
    encoder = vae.trunk.state_dict()
    assert all(torch.equal(tensor, encoder[name]) for name, tensor in trunk.state_dict().items())
    unchanged = {
        name
        for name, tensor in classifier.state_dict().items()
        if torch.equal(tensor, before[name])
    }
    assert {"classifier.1.weight", "classifier.1.bias"} <= unchanged
    statistics = {name for name in before if name.endswith(("running_mean", "running_var"))}
    assert len(statistics) == 104
    assert not statistics & unchanged


def test_training_the_classifier_does_not_change_the_vae(
    films: tuple[Images, Labels], fresh: Callable[[str], nn.Module]
) -> None:
    pretraining = VAEPretraining(**TINY)
    tensors = pretraining.trunk(*films, network="small_cnn")
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    trunk = find_backbone("small_cnn").trunk(fresh("small_cnn"))
    trunk.load_state_dict(dict(tensors))
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors.items())


def test_one_vae_serves_images_and_transfer(
    films: tuple[Images, Labels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    VAEOversampler(trunk="small_cnn", **TINY).fit(*films, workspace=tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(vae_fit, "train", refuse)
    VAEPretraining(**TINY).trunk(*films, network="small_cnn", validation=films, workspace=tmp_path)
    with pytest.raises(AssertionError, match="trained again"):
        VAEPretraining(**TINY, random_state=1).trunk(
            *films, network="small_cnn", workspace=tmp_path
        )


def test_a_classifier_starts_from_the_trunk(films: tuple[Images, Labels]) -> None:
    classifier = ImageClassifier(
        network="small_cnn", pretraining=VAEPretraining(**TINY), n_steps=1, device="cpu"
    )
    classifier.set_params(learning_rate=1e-9, weight_decay=0.0, keep_best="last").fit(*films)
    learned = VAEPretraining(**TINY)
    trunk = find_backbone("small_cnn").trunk(classifier.network_)
    for name, tensor in learned.trunk(*films, network="small_cnn").items():
        torch.testing.assert_close(trunk.state_dict()[name], tensor, atol=1e-6, rtol=0.0)
    assert classifier.histories_["pretraining"].rows == learned.history_.rows


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(SettingError, match=r"'small_cnn'.* cannot.* 100 px"):
        VAEPretraining().check_settings("small_cnn", 100)
    with pytest.raises(SettingError, match="No reconstruction named 'l2'"):
        VAEPretraining(reconstruction="l2").check_settings("small_cnn", 32)


def test_it_takes_the_settings_of_training_that_the_oversampler_has() -> None:
    own = {"sampling_strategy", "mode", "temperature", "trunk"}
    oversampler, pretraining = VAEOversampler().get_params(), VAEPretraining().get_params()
    assert {name: value for name, value in oversampler.items() if name not in own} == pretraining
