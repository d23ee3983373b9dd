"""One round of the game: who is updated, what is returned, which labels fakes have (methods 10.3, A.2)."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import SGD, Adam

from equipoise.networks.convolutional import Design, build_pair
from equipoise.training.adversarial import AdversarialStep
from equipoise.training.objectives import OBJECTIVES

LATENT = 6


def make_step(
    probabilities: tuple[float, ...] = (0.5, 0.5), objective: str = "non_saturating", rate: float = 1e-3
) -> AdversarialStep:
    torch.manual_seed(0)
    design = Design(
        size=8,
        channels=1,
        n_classes=len(probabilities),
        conditioning="embedding",
        latent_size=LATENT,
        base_channels=4,
    )
    generator, critic = build_pair("dcgan", design)
    return AdversarialStep(
        generator=generator,
        critic=critic,
        generator_optimizer=Adam(generator.parameters(), lr=rate),
        critic_optimizer=Adam(critic.parameters(), lr=rate),
        objective=OBJECTIVES[objective],
        latent_size=LATENT,
        label_probabilities=torch.tensor(probabilities),
    )


def batch(n: int = 8) -> tuple[Tensor, Tensor]:
    return torch.rand(n, 1, 8, 8), torch.arange(n) % 2


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_critics_update_leaves_the_generator_alone() -> None:
    step = make_step()
    generator, critic = weights(step.generator), weights(step.critic)
    step._update_critic(*batch())
    assert same(generator, weights(step.generator))
    assert all(parameter.grad is None for parameter in step.generator.parameters())
    assert not same(critic, weights(step.critic))


def test_the_generators_update_leaves_the_critic_alone() -> None:
    step = make_step()
    generator, critic = weights(step.generator), weights(step.critic)
    step._update_generator(8)
    assert same(critic, weights(step.critic))
    assert all(parameter.grad is None for parameter in step.critic.parameters())
    assert all(parameter.requires_grad for parameter in step.critic.parameters())
    assert not same(generator, weights(step.generator))


def test_real_and_fake_images_pass_the_critic_apart_and_in_one_range() -> None:
    step, seen = make_step(), []
    step.critic.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs))
    images, labels = batch()
    step(images, labels)
    assert [len(inputs[0]) for inputs in seen] == [8, 8, 8]
    assert torch.equal(seen[0][0], images * 2 - 1)
    assert torch.equal(seen[0][1], labels)  # real images keep their own labels


def test_scalars_are_losses_and_mean_raw_scores() -> None:
    step = make_step()
    images, labels = batch()
    twin = deepcopy(step.critic)
    real = twin(images * 2 - 1, labels)
    scalars = step(images, labels)
    assert set(scalars) == {"critic_loss", "generator_loss", "real_score", "fake_score"}
    assert all(value.shape == () and not value.requires_grad for value in scalars.values())
    assert scalars["real_score"].item() == pytest.approx(real.mean().item(), rel=1e-5)


def test_everything_the_critic_sees_is_augmented() -> None:
    step, calls = make_step(), []

    def watched(images: Tensor) -> Tensor:
        calls.append(images.requires_grad)
        return images

    step.augment = watched
    step(*batch())
    assert calls == [False, False, True]  # real, fake, and the fakes that the generator learns from


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_on_a_toy_without_collapse(objective: str) -> None:
    """16 images of one gray level each: finite losses, and fakes that differ and move to the data's mean."""
    step = make_step(objective=objective)
    images = torch.linspace(0.6, 0.9, 16).reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    for number in range(60):
        torch.manual_seed(number)
        scalars = step(images, torch.arange(16) % 2)
        assert all(torch.isfinite(value) for value in scalars.values())
    fakes = step.generator(torch.randn(64, LATENT), torch.arange(64) % 2).detach()
    assert fakes.std(dim=0).mean() > 0.01
    assert 0.1 < fakes.mean().item() < 0.9  # from 0 toward the 0.5 of the data


@pytest.mark.parametrize(("alpha", "expected", "spread"), [(0.25, 2500, 173), (0.5, 5000, 200), (0.75, 7500, 173)])
def test_fakes_have_label_0_with_probability_alpha(alpha: float, expected: int, spread: int) -> None:
    labels = make_step((alpha, 1 - alpha)).draw(10_000)[1]
    assert abs(int((labels == 0).sum()) - expected) < spread


def test_alpha_1_gives_only_label_0() -> None:
    assert not make_step((1.0, 0.0)).draw(10_000)[1].any()


def test_labels_of_many_classes_follow_their_probabilities() -> None:
    probabilities = np.array([0.05, 0.15, 0.3, 0.5])
    counts = np.bincount(make_step(tuple(probabilities)).draw(10_000)[1].numpy(), minlength=4)
    assert chisquare(counts, probabilities * 10_000).pvalue > 1e-4


def test_every_batch_has_its_share_of_each_label_in_random_order() -> None:
    step = make_step((0.25, 0.75))
    draws = torch.stack([step.draw(8)[1] for _ in range(400)])
    assert ((draws == 0).sum(dim=1) == 2).all()
    assert chisquare((draws == 0).sum(dim=0).numpy()).pvalue > 1e-4  # any place may be label 0


def test_a_batch_too_small_for_a_label_has_it_now_and_then() -> None:
    step = make_step((0.1, 0.9))
    labels = torch.cat([step.draw(3)[1] for _ in range(2000)])
    assert abs(int((labels == 0).sum()) - 600) < 4 * (6000 * 0.1 * 0.9) ** 0.5


def test_fakes_of_both_updates_draw_their_labels_from_the_same_probabilities() -> None:
    step, seen = make_step((1.0, 0.0)), []
    step.generator.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[1]))
    step(*batch())
    assert len(seen) == 2
    assert not torch.cat(seen).any()


def test_the_best_critic_of_a_perfect_generator_tells_only_the_label_priors() -> None:
    """x says nothing, real labels ~ p = (.75, .25), fake ones ~ q = (.5, .5): D -> p / (p + q) (methods 4.5)."""
    p, q = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])
    scores = torch.zeros(2, requires_grad=True)
    optimizer = SGD([scores], lr=2.0)
    for _ in range(500):
        loss = (p * softplus(-scores)).sum() + (q * softplus(scores)).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert torch.sigmoid(scores).tolist() == pytest.approx([0.6, 1 / 3], abs=1e-3)
