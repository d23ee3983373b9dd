"""One BAGAN step (Mariani et al., 2018): number of fakes, targets, updated network."""

from math import log

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from equipoise.networks.bagan import bagan_networks
from equipoise.networks.design import Design
from equipoise.training.balancing import BalancingStep


def make_step(n_classes: int = 3) -> BalancingStep:
    torch.manual_seed(0)
    design = Design(size=8, channels=1, n_classes=n_classes, latent_size=6, base_channels=2)
    generator, critic, _ = bagan_networks(design)
    return BalancingStep(
        generator=generator,
        critic=critic,
        generator_optimizer=SGD(generator.parameters(), lr=0.1),
        critic_optimizer=SGD(critic.parameters(), lr=0.1),
        n_classes=n_classes,
        latent_size=6,
    )


def batch(n: int, n_classes: int = 3) -> tuple[Tensor, Tensor]:
    return torch.rand(n, 1, 8, 8), torch.arange(n) % n_classes


def weights(network: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("n", "n_classes", "fakes"), [(128, 3, 43), (12, 2, 6), (5, 20, 1)])
def test_number_of_fakes(n: int, n_classes: int, fakes: int) -> None:
    step, n_fakes = make_step(n_classes), []
    step.generator.register_forward_hook(
        lambda _module, _inputs, images: n_fakes.append(len(images))
    )
    step(*batch(n, n_classes))
    assert n_fakes == [fakes, fakes + n]  # 43 and 171 in the source's setting


def test_a_critic_that_knows_nothing_loses_log_of_k_plus_1() -> None:
    step = make_step()
    assert isinstance(step.critic, nn.Module)
    for parameter in step.critic.parameters():
        parameter.data.zero_()
    step.critic_optimizer.param_groups[0]["lr"] = 0.0
    scalars = step(*batch(12))
    assert scalars["critic_loss"].item() == pytest.approx(log(4), abs=1e-6)
    assert scalars["generator_loss"].item() == pytest.approx(log(4), abs=1e-6)
    assert scalars["real_score"].item() == pytest.approx(log(3), abs=1e-6)
    assert scalars["fake_score"].item() == pytest.approx(log(3), abs=1e-6)


def test_targets_are_the_class_generated_and_the_requested_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step, targets, generator_labels = make_step(), [], []

    def watched(logits: Tensor, target: Tensor) -> Tensor:
        targets.append(target)
        return cross_entropy(logits, target)

    monkeypatch.setattr("equipoise.training.balancing.cross_entropy", watched)
    step.generator.register_forward_pre_hook(
        lambda _module, inputs: generator_labels.append(inputs[1])
    )
    images, labels = batch(6)
    step(images, labels)
    assert torch.equal(targets[0], torch.cat([labels, torch.full((2,), 3)]))
    assert torch.equal(targets[1], generator_labels[1])


def test_each_update_leaves_the_other_network_alone() -> None:
    step = make_step()
    assert isinstance(step.critic, nn.Module)
    generator, critic = weights(step.generator), weights(step.critic)
    step._update_critic(*batch(6), 2)
    assert same(generator, weights(step.generator))
    assert all(parameter.grad is None for parameter in step.generator.parameters())
    assert not same(critic, weights(step.critic))
    critic = weights(step.critic)
    step.critic_optimizer.zero_grad()
    step._update_generator(8)
    assert same(critic, weights(step.critic))
    assert all(
        parameter.grad is None and parameter.requires_grad for parameter in step.critic.parameters()
    )
    assert not same(generator, weights(step.generator))


def test_real_images_are_brought_to_the_range_of_the_fakes() -> None:
    step, augmented = make_step(), []

    def watched(images: Tensor) -> Tensor:
        augmented.append(images)
        return images

    step.augment = watched
    images, labels = batch(6)
    step(images, labels)
    assert torch.equal(augmented[0][:6], images * 2 - 1)
    assert len(augmented) == 2  # all that the critic sees is augmented


def test_labels_of_fakes_are_uniform() -> None:
    counts = torch.bincount(make_step().draw(9000)[1])
    assert (counts - 3000).abs().max() < 4 * (9000 * 2 / 9) ** 0.5
