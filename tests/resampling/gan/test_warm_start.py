"""The two stages of BAGAN-GP (Huang and Jafari, 2021), and what passes between them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from equipoise.arrays import Images, Labels
from equipoise.networks.bagan_gp import LabelProduct, encoder
from equipoise.networks.design import Critic, Design, Generator
from equipoise.networks.layouts import build_pair
from equipoise.resampling.autoencoder import Autoencoder, AutoencoderPlan, train_autoencoder
from equipoise.resampling.gan.oversampler import GANOversampler
from equipoise.resampling.gan.presets import from_preset
from equipoise.resampling.gan.warm_start import NORMALIZED, TO_CRITIC
from equipoise.resampling.generator_fit import FitImages
from equipoise.testing.oversamplers import toy_images
from equipoise.training.batches import BATCH_SAMPLERS
from equipoise.training.chance import isolated_chance
from equipoise.training.objectives import OBJECTIVES
from equipoise.training.persistence import load_fitted
from equipoise.training.regularizers import CriticBatch, MismatchedLabels

CPU = torch.device("cpu")
PLAN = AutoencoderPlan(
    name="toy",
    layout="bagan_gp",
    design=Design(
        size=8, channels=1, n_classes=3, conditioning="product", latent_size=6, base_channels=4
    ),
    error="absolute",
    batch_size=8,
    n_steps=3,
    learning_rate=2e-3,
    betas=(0.5, 0.9),
    data_range="symmetric",
    precision="32-true",
    value_range=(0.0, 255.0),
    seed=0,
)


def tiny(**changes: Any) -> GANOversampler:
    settings: dict[str, Any] = {
        "warm_start_steps": 2,
        "n_steps": 3,
        "batch_size": 6,
        "base_channels": 4,
        "latent_size": 20,
        "learning_rate": 0.03,
        "critic_steps": 2,
        "initialization": "dcgan",
        "device": "cpu",
    }
    return from_preset("bagan_gp", **settings | changes)


def data(images: Images, labels: Labels) -> FitImages:
    return FitImages(
        images=images, labels=labels, validation=None, value_range=(0.0, 255.0), device=CPU
    )


def toy_model(plan: AutoencoderPlan) -> Autoencoder:
    with isolated_chance("first weights"):
        return Autoencoder(encoder(plan.design), build_pair("bagan_gp", plan.design)[0], plan.error)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Generator, Critic]]:
    """Collect the networks passed to adversarial training, and stop before its first step."""
    pairs: list[tuple[Generator, Critic]] = []

    def watched(**parts: Any) -> None:
        pairs.append((parts["generator"], parts["critic"]))
        raise StopIteration

    monkeypatch.setattr("equipoise.resampling.gan.fit.AdversarialStep", watched)
    return pairs


def trained(workspace: Path) -> dict[str, Tensor]:
    """Read the finished autoencoder."""
    (folder,) = workspace.glob("autoencoder-*")
    return load_fitted(folder, "autoencoder")[0]


def test_the_generator_starts_as_decoder_of_latent_times_embedding(
    started: list[tuple[Generator, Critic]], tmp_path: Path
) -> None:
    with pytest.raises(StopIteration):
        tiny().fit(*toy_images(), workspace=tmp_path)
    generator, stored = started[0][0].eval(), trained(tmp_path)
    fresh = build_pair("bagan_gp", replace(PLAN.design, latent_size=20))[0].eval()
    decoder = nn.ModuleDict({"stem": fresh.stem, "body": fresh.body})
    decoder.load_state_dict({name: stored[f"generator.{name}"] for name in decoder.state_dict()})
    latent, labels = torch.randn(5, 20), torch.tensor([0, 1, 2, 1, 0])
    embedding = stored["generator.into_latent.embedding.weight"]
    expected = decoder["body"](decoder["stem"](latent * embedding[labels]))
    assert torch.equal(generator(latent, labels), expected)


@pytest.mark.parametrize(("warm_start", "copied"), [(TO_CRITIC, True), ("autoencoder", False)])
def test_the_critic_may_start_from_the_encoders_convolutions(
    warm_start: str, copied: bool, started: list[tuple[Generator, Critic]], tmp_path: Path
) -> None:
    images, labels = np.zeros((30, 1, 64, 64), np.uint8), np.repeat([0, 1], [20, 10])
    with pytest.raises(StopIteration):
        tiny(warm_start=warm_start, warm_start_steps=1, base_channels=1).fit(
            images, labels, workspace=tmp_path
        )
    critic = started[0][1].get_submodule("into_image.trunk").state_dict()
    convolutions = {name: trained(tmp_path)[f"encoder.0.{name}"] for name in critic}
    assert len(convolutions) == 8
    assert all(torch.equal(critic[name], tensor) for name, tensor in convolutions.items()) == copied


@pytest.mark.parametrize("initialization", [None, "keras", "dcgan"])
def test_the_autoencoders_loss_halves_on_16_images(initialization: str | None) -> None:
    images, labels = learnable(16)
    plan = replace(PLAN, design=replace(PLAN.design, initialization=initialization), n_steps=200)
    history = train_autoencoder(plan, toy_model(plan), data(images, labels), workspace=None)
    losses = [loss for _, loss in history.column("loss")]
    assert losses[-1] < 0.5 * losses[0]


def learnable(n: int) -> tuple[Images, Labels]:
    """Draw bars: each image has its own position, each class its gray level."""
    labels = np.arange(n) % 3
    images = np.full((n, 1, 8, 8), 30, np.uint8)
    for i, label in enumerate(labels):
        images[i, 0, :, i % 7 : i % 7 + 2] = 110 + 70 * label
    return images, labels.astype(np.int64)


def test_both_networks_and_the_embedding_are_trained_in_place() -> None:
    images, labels = learnable(16)
    model = toy_model(PLAN)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    train_autoencoder(PLAN, model, data(images, labels), workspace=None)
    assert all(
        not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)
    )


def test_golden_errors() -> None:
    """With a generator of zeros: mean |x| and mean x^2 of each image."""
    model = Autoencoder(nn.Identity(), Zeros(), "absolute")
    images = torch.tensor([[-0.5, 0.5], [1.0, 0.0]]).reshape(2, 1, 1, 2)
    assert model(images, torch.tensor([0, 0])).tolist() == [0.5, 0.5]
    assert Autoencoder(nn.Identity(), Zeros(), "squared")(
        images, torch.tensor([0, 0])
    ).tolist() == [0.25, 0.5]


class Zeros(nn.Module):
    """Returns 0 for every latent and label."""

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        return torch.zeros_like(latent)


@pytest.mark.parametrize(("counts", "sampler"), [((40, 20), "natural"), ((40, 19), "square_root")])
def test_a_tiny_class_comes_by_the_root_of_its_size(
    counts: tuple[int, int], sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler_names: list[str] = []
    makers = {name: _noting(name, sampler_names, make) for name, make in BATCH_SAMPLERS.items()}
    monkeypatch.setattr("equipoise.resampling.generator_fit.BATCH_SAMPLERS", makers)
    images, labels = toy_images(counts)
    train_autoencoder(PLAN, toy_model(PLAN), data(images, labels), workspace=None)
    assert sampler_names == [sampler]


def _noting(name: str, sampler_names: list[str], make: Callable[..., Any]) -> Callable[..., Any]:
    def noted(pool: Any) -> Any:
        sampler_names.append(name)
        return make(pool)

    return noted


def test_normalized_encodings_are_another_fit(
    started: list[tuple[Generator, Critic]], tmp_path: Path
) -> None:
    for warm_start in ("autoencoder", NORMALIZED):
        with pytest.raises(StopIteration):
            tiny(warm_start=warm_start).fit(*toy_images(), workspace=tmp_path)
    stored = [load_fitted(folder, "autoencoder")[0] for folder in tmp_path.glob("autoencoder-*")]
    assert sorted("encoder.3.running_mean" in tensors for tensors in stored) == [False, True]


@pytest.mark.slow
def test_normalized_encodings_let_the_game_start_with_images_that_differ(
    started: list[tuple[Generator, Critic]],
) -> None:
    images, labels = learnable(30)
    for warm_start in ("autoencoder", NORMALIZED):
        gan = tiny(warm_start=warm_start, warm_start_steps=150, learning_rate=2e-3, batch_size=16)
        with pytest.raises(StopIteration):
            gan.fit(images[2:], labels[2:])
    latent, ones = torch.randn(64, 20), torch.ones(64, dtype=torch.long)
    plain, normalized = (pair[0](latent, ones).std(dim=0).mean() for pair in started)
    assert normalized > plain


def test_the_embedding_learns_in_the_game() -> None:
    generator, critic = build_pair("bagan_gp", PLAN.design)
    labels = torch.tensor([0, 2, 2])
    loss = OBJECTIVES["non_saturating"].generator_loss(
        critic(generator(torch.randn(3, 6), labels), labels)
    )
    torch.autograd.backward(loss)
    assert isinstance(generator.into_latent, LabelProduct)
    gradient = generator.into_latent.embedding.weight.grad
    assert gradient is not None
    assert gradient.abs().sum(dim=1).gt(0).tolist() == [True, False, True]


def test_golden_losses_with_the_mismatched_term() -> None:
    """Scores r = (2, 0), f = (-1, 1), wrong labels (1, -1), no penalty: 2.036561 and 0.813262."""
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])
    labels, game = torch.tensor([0, 1]), OBJECTIVES["non_saturating"]

    class Answers(nn.Module):
        def forward(self, images: Tensor, asked: Tensor) -> Tensor:
            assert asked.tolist() == [1, 0]  # both wrong
            return torch.tensor([1.0, -1.0])

    image = torch.zeros(2, 1, 1, 1)
    batch = CriticBatch(real=image, labels=labels, fake=image, fake_labels=labels, n_classes=2)
    loss = game.critic_loss(real, fake) + MismatchedLabels()(Answers(), batch)
    assert loss.item() == pytest.approx(2.036561, abs=1e-5)
    assert game.generator_loss(fake).item() == pytest.approx(0.813262, abs=1e-5)


def test_the_record_names_both_stages() -> None:
    images, labels = toy_images()
    held = images[:3], labels[:3]
    history = tiny(n_steps=10, warm_start_steps=10).fit(images, labels, validation=held).history_
    assert list(history) == ["all classes: autoencoder", "all classes"]
    first, game = (one.rows[-1] for one in history.values())
    assert {
        "loss",
        "training_error_class_0",
        "training_error_class_2",
        "validation_error_class_0",
    } <= set(first)
    assert {"gradient_penalty", "mismatched_labels"} <= set(game)


def test_the_autoencoder_is_shared_by_games_that_differ(tmp_path: Path) -> None:
    for steps in (1, 2):
        tiny(critic_steps=steps).fit(*toy_images(), workspace=tmp_path)
    names = sorted(path.name.split("-")[0] for path in tmp_path.iterdir())
    assert names == ["autoencoder", "gan", "gan"]


@pytest.mark.slow
@pytest.mark.parametrize("initialization", ["keras", "dcgan", "xavier"])
def test_it_learns_the_gray_level_of_each_class(initialization: str) -> None:
    """Embeddings start at U(-0.05, 0.05) or at N(0, 1), where products differ in sign by class."""
    images, labels = toy_images((80, 30, 50), seed=1, spacing=0.1)
    settings = {"n_steps": 400, "warm_start_steps": 200, "batch_size": 32, "base_channels": 8}
    fitted = tiny(initialization=initialization, learning_rate=2e-3, **settings).fit(images, labels)
    for label in (1, 2):
        made = fitted.generate(np.full(64, label))
        assert made.mean() == pytest.approx(images[labels == label].mean(), abs=13)
        assert 0.3 < fitted.diversity_[label] < 2.0
