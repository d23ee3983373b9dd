"""Golden values of the regularizers, and the images at which each is evaluated."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from equipoise.exceptions import SettingError
from equipoise.networks.design import Design
from equipoise.networks.layouts import build_pair
from equipoise.training.objectives import OBJECTIVES
from equipoise.training.regularizers import (
    INTERPOLATIONS,
    R1,
    REGULARIZERS,
    CriticBatch,
    Dragan,
    GeneratorBatch,
    GeneratorRegularizer,
    GradientPenalty,
    MismatchedLabels,
    OrthogonalFilters,
    Regularizer,
    as_mapping,
    regularizer,
)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


class Scored(nn.Module):
    """A critic that is a function of images and labels."""

    def __init__(self, score: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.score = score

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.score(images, labels)


def linear(*a: float) -> Scored:
    return Scored(lambda images, _labels: images.flatten(1) @ torch.tensor(a))


def half_square() -> Scored:
    """Its slope at an image is the image's length."""
    return Scored(lambda images, _labels: 0.5 * images.flatten(1).square().sum(dim=1))


def batch(n: int = 6, *, n_classes: int = 2, shape: tuple[int, ...] = (1, 1, 2)) -> CriticBatch:
    labels = torch.arange(n) % n_classes
    return CriticBatch(
        real=torch.randn(n, *shape),
        labels=labels,
        fake=torch.randn(n, *shape),
        fake_labels=labels.flip(0),
        n_classes=n_classes,
    )


@pytest.mark.parametrize(
    "regularizer",
    [GradientPenalty(weight=1, interpolation=name) for name in INTERPOLATIONS],
)
def test_the_gradient_penalty_of_a_linear_critic_is_its_slopes_distance_from_1(
    regularizer: Regularizer,
) -> None:
    assert regularizer(linear(3.0, 4.0), batch()).item() == pytest.approx(16.0, rel=1e-5)
    assert regularizer(linear(0.6, 0.8), batch()).item() == pytest.approx(0.0, abs=1e-8)


def test_dragan_asks_for_the_same_slope() -> None:
    assert Dragan(weight=1)(linear(3.0, 4.0), batch()).item() == pytest.approx(16.0, rel=1e-5)
    assert Dragan()(linear(3.0, 4.0), batch()).item() == pytest.approx(160.0, rel=1e-5)


def test_the_gradient_penalty_of_a_square_is_0_where_the_norm_is_1() -> None:
    point = functional.normalize(torch.randn(6, 2)).reshape(6, 1, 1, 2)
    there = replace(batch(), real=point, fake=point)
    assert GradientPenalty()(half_square(), there).item() == pytest.approx(0.0, abs=1e-8)


def test_the_gradient_penalty_looks_all_along_the_way_between_the_images() -> None:
    """Lengths 1 and 4 in one direction: 1 + 3 u in between, and the mean of (3 u)^2 is 3."""
    n = 20_000
    real = torch.tensor([1.0, 0.0]).expand(n, 1, 1, 2)
    ends = replace(batch(n), real=real, fake=4 * real)
    # 4 sd of the mean: the variance of 9 u^2 is 81 (1/5 - 1/9) = 7.2
    assert GradientPenalty(weight=1)(half_square(), ends).item() == pytest.approx(
        3.0, abs=4 * (7.2 / n) ** 0.5
    )


def test_r1_of_a_linear_critic() -> None:
    assert R1(gamma=10)(linear(3.0, 4.0), batch()).item() == pytest.approx(125.0, rel=1e-5)


@pytest.mark.parametrize(("side", "n", "gamma"), [(64, 64, 0.0128), (128, 32, 0.1024)])
def test_the_weight_of_r1_follows_from_side_and_batch(side: int, n: int, gamma: float) -> None:
    slope_1 = Scored(lambda images, _labels: images[:, 0, 0, 0])
    value = R1()(slope_1, batch(n, shape=(1, side, side))).item()
    assert value == pytest.approx(gamma / 2, rel=1e-5)


@pytest.mark.parametrize(
    "regularizer",
    [GradientPenalty(), Dragan(), R1(gamma=1)],
    ids=lambda regularizer: regularizer.name,
)
def test_labels_have_no_part_in_the_slope(regularizer: Regularizer) -> None:
    """A slope of 100 in the planes of the label, which are computed from it, changes nothing."""

    def planes(images: Tensor, labels: Tensor) -> Tensor:
        planes = (
            functional.one_hot(labels, 2)
            .float()[:, :, None, None]
            .expand(-1, -1, *images.shape[2:])
        )
        joined = torch.cat([images, planes], dim=1)
        return joined.flatten(1) @ torch.tensor([3.0, 4.0, *[100.0] * 4])

    assert regularizer(Scored(planes), batch()).item() == pytest.approx(
        regularizer(linear(3.0, 4.0), batch()).item(), rel=1e-5
    )


@pytest.mark.parametrize(
    "regularizer",
    [GradientPenalty(), Dragan(), R1(gamma=1)],
    ids=lambda regularizer: regularizer.name,
)
def test_every_weight_of_the_images_way_gets_a_gradient_of_the_slope(
    regularizer: Regularizer,
) -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1, bias=False))
    torch.autograd.backward(
        regularizer(Scored(lambda images, _labels: critic(images)[:, 0]), batch())
    )
    assert all(
        bool(parameter.grad.abs().sum() > 0)
        for parameter in critic.parameters()
        if parameter.grad is not None
    )
    assert all(parameter.grad is not None for parameter in critic.parameters())


def test_a_critic_of_no_slope_has_a_gradient_of_its_slope() -> None:
    weight = torch.zeros(2, requires_grad=True)
    value = GradientPenalty(weight=1)(
        Scored(lambda images, _labels: images.flatten(1) @ weight), batch()
    )
    torch.autograd.backward(value)
    assert value.item() == pytest.approx(1.0, rel=1e-5)
    assert weight.grad is not None
    assert torch.isfinite(weight.grad).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_uniform_interpolation_stays_between_the_images(seed: int) -> None:
    torch.manual_seed(seed)
    pair = batch(3, shape=(2, 3, 3))
    between = GradientPenalty().between(pair)
    slack = 1e-5
    assert (between >= torch.minimum(pair.real, pair.fake) - slack).all()
    assert (between <= torch.maximum(pair.real, pair.fake) + slack).all()
    share = (between - pair.fake) / (pair.real - pair.fake)
    assert (
        share.flatten(1).amax(1) - share.flatten(1).amin(1) < 1e-2
    ).all()  # one share for each image


@pytest.mark.parametrize(("name", "center"), [("normal", 0.0), ("normal_at_real", 1.0)])
def test_normal_interpolations_leave_the_segment_around_either_end(
    name: str, center: float
) -> None:
    n = 20_000
    ends = replace(batch(n), real=torch.ones(n, 1, 1, 2), fake=torch.zeros(n, 1, 1, 2))
    between = GradientPenalty(interpolation=name).between(ends)[:, 0, 0, 0]
    assert between.min() < 0
    assert between.max() > 1
    assert between.mean().item() == pytest.approx(center, abs=4 / n**0.5)  # 4 sd
    assert between.std().item() == pytest.approx(1.0, abs=4 / (2 * n) ** 0.5)


def test_the_penalty_of_bagan_gp_by_hand() -> None:
    """Its code: real + v (fake - real). Of one pair (1, 0) and (3, 4), whose difference is (2, 4).

    The slope of half the square is the length of x' = (1 + 2 v, 4 v).
    """
    pair = replace(
        batch(1),
        real=torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2),
        fake=torch.tensor([3.0, 4.0]).reshape(1, 1, 1, 2),
    )
    state = torch.get_rng_state()
    v = torch.randn(1, 1, 1, 1).item()
    torch.set_rng_state(state)
    term = GradientPenalty(weight=10, interpolation="normal_at_real")
    point = term.between(pair).flatten().tolist()
    assert point == pytest.approx([1 + 2 * v, 4 * v], rel=1e-5)
    torch.set_rng_state(state)
    length = ((1 + 2 * v) ** 2 + (4 * v) ** 2) ** 0.5
    expected = 10 * (length - 1) ** 2
    assert term(half_square(), pair).item() == pytest.approx(expected, rel=1e-4)


def test_dragan_adds_up_to_half_a_standard_deviation() -> None:
    real = torch.randn(50, 2, 8, 8) * 3
    noise = Dragan().around(real) - real
    assert noise.shape == real.shape
    assert noise.min() >= -1e-5
    assert 0.9 < (noise.max() / (0.5 * real.std())).item() <= 1.0 + 1e-5


def test_wrong_labels_are_never_the_true_ones() -> None:
    labels = torch.arange(3000) % 3
    wrong = MismatchedLabels().wrong(labels, 3)
    assert not (wrong == labels).any()
    assert abs(int((wrong == (labels + 1) % 3).sum()) - 1500) < 4 * (3000 * 0.25) ** 0.5
    assert torch.equal(MismatchedLabels().wrong(labels % 2, 2), 1 - labels % 2)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_uniform_wrong_labels_are_the_true_ones_once_in_k_times(n_classes: int) -> None:
    labels = torch.arange(10_000) % n_classes
    hits = int((MismatchedLabels(wrong_label="uniform").wrong(labels, n_classes) == labels).sum())
    share = 1 / n_classes
    assert abs(hits - 10_000 * share) < 4 * (10_000 * share * (1 - share)) ** 0.5


def test_the_critic_loss_of_bagan_gp_without_penalty() -> None:
    """r = (2, 0), f = (-1, 1), wrong = (1, -1): 2.036561."""
    by_label = Scored(lambda _images, labels: torch.tensor([1.0, -1.0])[labels])
    pair = replace(batch(2), labels=torch.tensor([1, 0]))  # so the wrong labels are 0, 1
    objective = OBJECTIVES["non_saturating"].critic_loss(
        torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])
    )
    assert (objective + MismatchedLabels()(by_label, pair)).item() == pytest.approx(
        2.036561, rel=1e-5
    )


def test_one_class_has_no_wrong_label() -> None:
    assert MismatchedLabels()(linear(1.0, 1.0), batch(n_classes=1)).item() == 0.0


def latents() -> GeneratorBatch:
    return GeneratorBatch(latent=torch.zeros(2, 100), labels=torch.zeros(2, dtype=torch.long))


def test_orthogonal_filters_cost_nothing_whatever_their_lengths() -> None:
    layer = nn.Linear(3, 2)
    layer.weight.data = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    assert OrthogonalFilters(weight=1)(layer, latents()).item() == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(3, 5, 2), nn.ConvTranspose2d(3, 5, 2), nn.Linear(2, 5), nn.Linear(5, 2)]
)
def test_filters_are_compared_by_their_products(layer: nn.Module) -> None:
    """Brock et al. (2019), Eq. 3, entry by entry."""
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(0))
    weight = layer.weight.detach()
    n_out = 2 if layer.weight.shape == (2, 5) else 5
    axis = weight.shape.index(n_out)
    expected = 0.0
    for i in range(n_out):
        for j in range(n_out):
            if i != j:
                product = (weight.select(axis, i) * weight.select(axis, j)).sum().item()
                expected += product**2
    value = OrthogonalFilters(weight=0.1)(layer, latents())
    assert value.item() == pytest.approx(0.1 * expected, rel=1e-4)


def test_similar_filters_are_driven_apart() -> None:
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.tensor([[1.0, 0.1], [1.0, -0.1]])
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        torch.autograd.backward(OrthogonalFilters(weight=1)(layer, latents()))
        optimizer.step()
    assert abs((layer.weight[0] @ layer.weight[1]).item()) < 0.05


def test_embeddings_of_labels_have_no_filters() -> None:
    assert OrthogonalFilters()(nn.Embedding(4, 3), latents()).item() == 0.0


@pytest.mark.parametrize("name", REGULARIZERS)
def test_values_are_float32_whatever_the_precision_of_the_fit(name: str) -> None:
    generator, critic = build_pair(
        "dcgan", Design(size=8, channels=1, n_classes=2, base_channels=4, critic_norm="layer")
    )
    of_generator = issubclass(REGULARIZERS[name], GeneratorRegularizer)
    network = generator if of_generator else critic
    pair, values = latents() if of_generator else batch(shape=(1, 8, 8)), []
    for enabled in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            values.append(regularizer(name)(network, pair))
    assert values[1].dtype == torch.float32
    assert torch.equal(values[0], values[1])


@pytest.mark.parametrize("name", REGULARIZERS)
def test_written_down_and_made_again(name: str) -> None:
    made = regularizer(name)
    assert made.name == name
    assert regularizer(as_mapping(name)) == made == regularizer(made)


def test_settings_by_mapping() -> None:
    assert regularizer({"name": "gradient_penalty", "weight": 5.0}) == GradientPenalty(weight=5.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("r2", "regularizer named 'r2'.* 'r1'"),
        ({"weight": 5}, "regularizer named 'None'"),
        ({"name": "r1", "weight": 5}, "Regularizer 'r1' does not take {'weight': 5}"),
        ({"name": "gradient_penalty", "interpolation": "cubic"}, "interpolation named 'cubic'"),
        ({"name": "r1", "every": 0}, "every of at least 1 in 'r1', got 0"),
        (
            {"name": "mismatched_labels", "wrong_label": "any"},
            "No way to draw wrong labels named 'any'",
        ),
    ],
)
def test_what_is_no_regularizer_is_refused(given: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        regularizer(given)
