"""One training yields the weights of both checkpoint policies, and neither changes the other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from tests.fixtures.pretrained import TINY
from torch import Tensor, nn

from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.networks.backbones import find_backbone
from equipoise.training.averaging import ExponentialAverage
from equipoise.training.loop import History

Weights = dict[str, Tensor]


def fluctuating(**settings: Any) -> ImageClassifier:
    """Return a classifier whose validation scores go up and down."""
    defaults: dict[str, Any] = {
        "n_steps": 12,
        "batch_size": 8,
        "evaluate_every": 2,
        "device": "cpu",
        "learning_rate": 0.02,
        "schedule": "constant",
    }
    return ImageClassifier(**defaults | settings)


def fit(toy: ImageDataset, **settings: Any) -> ImageClassifier:
    rows = np.r_[0:8, 44:52]
    validation = toy.images[rows], toy.labels[rows]
    return fluctuating(**settings).fit(toy.images, toy.labels, validation=validation)


def weights(network: nn.Module | None) -> Weights:
    assert network is not None
    return network.state_dict()


def same(first: nn.Module | None, second: nn.Module | None) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_each_policy_stands_beside_the_other(toy: ImageDataset) -> None:
    best, averaged, last = (
        fit(toy, keep_best=name) for name in ("balanced_accuracy", "averaged", "last")
    )
    assert same(best.other_network_, averaged.network_)
    assert same(averaged.other_network_, best.network_)
    assert same(last.other_network_, best.network_)
    assert not same(best.network_, averaged.network_)
    assert not same(last.network_, averaged.network_)
    assert best.history_.rows == averaged.history_.rows == last.history_.rows
    for one, other in ((best, averaged), (averaged, best)):
        scores = one.predict_proba_other(toy.images)
        assert scores is not None
        np.testing.assert_array_equal(scores, other.predict_proba(toy.images))


def test_averaging_changes_no_step(toy: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fit(toy, keep_best="last")

    def idle(self: ExponentialAverage, done: int, history: History) -> None:
        """Leave the average as it was before the first step."""

    monkeypatch.setattr(ExponentialAverage, "__call__", idle)
    assert same(fit(toy, keep_best="last").network_, expected.network_)


def test_golden_average_of_the_weights_after_every_step(toy: ImageDataset) -> None:
    """At a constant rate the first t steps of a fit are the fit of t steps."""
    settings = {"network": TINY, "n_steps": 6}  # has batch norm
    averaged = weights(fit(toy, keep_best="averaged", **settings).network_)
    expected: dict[str, Tensor] = {}
    for step in range(1, 7):
        after = weights(fit(toy, keep_best="last", **settings | {"n_steps": step}).network_)
        share = 1.0 - 0.5 ** (1.0 / (0.05 * step))
        for name, tensor in after.items():
            if step == 1 or not tensor.is_floating_point():
                expected[name] = tensor.clone()
            else:
                expected[name] += share * (tensor - expected[name])
    assert any("running_var" in name for name in expected)
    for name, tensor in averaged.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)


def test_without_validation_the_last_weights_take_the_place_of_the_best(
    toy: ImageDataset,
) -> None:
    last = fluctuating(keep_best="last").fit(toy.images, toy.labels)
    best = fluctuating().fit(toy.images, toy.labels)
    averaged = fluctuating(keep_best="averaged").fit(toy.images, toy.labels)
    assert same(best.network_, last.network_)
    assert same(averaged.other_network_, last.network_)
    assert same(best.other_network_, averaged.network_)


def test_a_second_stage_that_trains_nothing_has_both(toy: ImageDataset) -> None:
    best = fit(toy, second_stage="tau_norm")
    averaged = fit(toy, second_stage="tau_norm", keep_best="averaged")
    assert same(best.other_network_, averaged.network_)
    assert not best.head_.bias.any()
    rescaled, plain = (c.predict_proba_other(toy.images) for c in (best, fit(toy)))
    assert rescaled is not None
    assert plain is not None
    assert not np.array_equal(rescaled, plain)


@pytest.mark.parametrize("stage", ["crt", "smote_features"])
def test_a_second_stage_that_trains_has_one(toy: ImageDataset, stage: str) -> None:
    settings = {"second_stage": stage, "second_stage_steps": 4}
    best, averaged = fit(toy, **settings), fit(toy, **settings, keep_best="averaged")
    assert best.predict_proba_other(toy.images) is None
    assert averaged.predict_proba_other(toy.images) is None
    assert same(find_trunk(averaged), find_trunk(fit(toy, keep_best="averaged"))), (
        "it starts from the weights of its policy"
    )


def find_trunk(fitted: ImageClassifier) -> nn.Module:
    return find_backbone(fitted.network).trunk(fitted.network_)


def test_a_loaded_classifier_has_the_weights_of_its_policy_alone(
    toy: ImageDataset, tmp_path: Path
) -> None:
    fitted = fit(toy, keep_best="averaged")
    fitted.save(tmp_path / "model")
    loaded = ImageClassifier.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(
        loaded.predict_proba(toy.images), fitted.predict_proba(toy.images)
    )
    with pytest.raises(NotFittedError):
        loaded.predict_proba_other(toy.images)


def test_the_average_needs_no_gradient(toy: ImageDataset) -> None:
    for name in ("balanced_accuracy", "averaged"):
        other = fit(toy, keep_best=name).other_network_
        assert other is not None
        assert not other.training
        assert not any(parameter.requires_grad for parameter in other.parameters())
