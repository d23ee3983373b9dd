from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.fixtures.pretrained import TINY
from torch import Tensor, nn

from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.finetuning import HeadWarmup, freeze_batch_norm, rate_groups
from equipoise.estimators.scoring import evaluating
from equipoise.networks.backbones import build, find_backbone
from equipoise.training.loop import History, LossStep

State = Mapping[str, Tensor]


def fit(toy: ImageDataset, weights: str, **settings: Any) -> ImageClassifier:
    defaults: dict[str, Any] = {
        "network": TINY,
        "pretrained": weights,
        "n_steps": 4,
        "batch_size": 8,
        "evaluate_every": 1,
        "device": "cpu",
        "keep_best": "last",
        "learning_rate": 0.01,
    }
    rows = np.r_[0:8, 44:52]
    validation = toy.images[rows], toy.labels[rows]
    return ImageClassifier(**defaults | settings).fit(toy.images, toy.labels, validation=validation)


def change(fitted: ImageClassifier, name: str, weights: str) -> Tensor:
    """Return how far a parameter has moved from the pretrained one."""
    trained: Tensor = fitted.network_.state_dict()[f"1.{name}"]
    return trained - load_file(weights)[name]


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "mobilenet_v2", "monai:efficientnet-b0"])
def test_groups_are_all_parameters_once_from_the_head_to_the_stem(name: str) -> None:
    backbone = find_backbone(name)
    with torch.device("meta"):
        network = build(name, channels=3, n_classes=2, side=64)
    groups = rate_groups(network, backbone.head_of(network), 0.5)
    assert [group.factor for group in groups] == [1.0, 0.5, 0.25, 0.125, 0.0625]
    ids = []
    for group in groups:
        ids += [id(parameter) for parameter in group.parameters]
    assert sorted(ids) == sorted(id(parameter) for parameter in network.parameters())
    assert {*map(id, groups[0].parameters)} == {*map(id, backbone.head_of(network).parameters())}
    assert next(network.parameters()) in set(groups[-1].parameters)


def test_a_shared_parameter_is_in_one_group_and_few_layers_are_few_groups() -> None:
    first, head = nn.Linear(3, 3), nn.Linear(3, 2)
    network = nn.Sequential(first, first, head)
    groups = rate_groups(network, head, 0.1)
    assert [len(group.parameters) for group in groups] == [2, 2]
    assert [len(group.parameters) for group in rate_groups(head, head, 0.1)] == [2]


def test_lower_layers_move_less(toy: ImageDataset, tiny_weights: str) -> None:
    """SGD's first step is the rate times the gradient, which is the same."""
    settings = {"optimizer": "sgd", "n_steps": 1, "weight_decay": 0.0, "augmentation": "none"}
    whole = fit(toy, tiny_weights, **settings)
    slow = fit(toy, tiny_weights, **settings, layer_decay=0.5)
    for name, factor in {"4.weight": 0.5, "3.weight": 0.25, "0.weight": 0.0625}.items():
        moved, expected = (change(fitted, name, tiny_weights) for fitted in (slow, whole))
        torch.testing.assert_close(moved, factor * expected, rtol=2e-3, atol=1e-7)
    torch.testing.assert_close(slow.head_.weight, whole.head_.weight)


def test_the_head_alone_is_trained_first(
    toy: ImageDataset, tiny_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[set[str]] = []
    original = LossStep.backward

    def backward(step: LossStep, images: Tensor, labels: Tensor) -> Tensor:
        loss = original(step, images, labels)
        network = step.loss.network  # type: ignore[attr-defined]
        names = {name for name, p in network.named_parameters() if p.grad is not None}
        trained.append(names)
        return loss

    monkeypatch.setattr(LossStep, "backward", backward)
    fitted = fit(toy, tiny_weights, n_steps=5, head_warmup=0.4)
    head = {"1.8.weight", "1.8.bias"}
    everything = {name for name, _ in fitted.network_.named_parameters()}
    assert trained == [head, head, everything, everything, everything]
    assert all(parameter.requires_grad for parameter in fitted.network_.parameters())


def test_a_warm_up_continues_where_it_was() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    warmup = HeadWarmup(network, network[1], 3)
    assert not network[0].weight.requires_grad
    for done in (1, 2):
        warmup(done, History())
    state = warmup.state_dict()
    warmup(3, History())
    assert network[0].weight.requires_grad
    later = warmup.state_dict()
    warmup.load_state_dict(state)
    assert not network[0].weight.requires_grad
    warmup.load_state_dict(later)
    assert network[0].weight.requires_grad
    assert network[1].weight.requires_grad


def test_frozen_batch_norm_keeps_its_statistics(toy: ImageDataset, tiny_weights: str) -> None:
    live = fit(toy, tiny_weights)
    frozen = fit(toy, tiny_weights, batch_norm="frozen")
    for name in ("1.running_mean", "1.running_var", "4.running_mean", "4.running_var"):
        assert not change(frozen, name, tiny_weights).any()
        assert change(live, name, tiny_weights).abs().max() > 0.01
    for name in ("1.weight", "4.bias"):  # scale and shift are trained
        assert change(frozen, name, tiny_weights).any()


def test_pieces_and_frozen_batch_norm_train_as_whole_batches(
    toy: ImageDataset, tiny_weights: str
) -> None:
    settings = {"batch_norm": "frozen", "optimizer": "sgd"}
    whole = fit(toy, tiny_weights, **settings).network_.state_dict()
    pieces = fit(toy, tiny_weights, **settings, micro_batch_size=2).network_.state_dict()
    for name, tensor in pieces.items():
        torch.testing.assert_close(tensor, whole[name], rtol=1e-4, atol=1e-6)


def test_an_evaluation_leaves_every_layer_in_its_mode() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    freeze_batch_norm(network)
    modes = [layer.training for layer in network.modules()]
    assert modes == [True, True, False, True]
    with evaluating(network):
        assert not any(layer.training for layer in network.modules())
    assert [layer.training for layer in network.modules()] == modes
