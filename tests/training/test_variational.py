"""The VAE's loss and its update (Kingma and Welling, 2014)."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from equipoise.training.variational import (
    RECONSTRUCTIONS,
    ROUNDING,
    VariationalStep,
    active_cells,
    bce,
    draw,
    kl_divergence,
    mse,
    root_mean_square,
    sigma_vae,
)


@pytest.mark.parametrize(
    ("mean", "log_variance", "expected"),
    [(0.0, 0.0, 0.0), (1.0, 0.0, 0.5), (0.0, math.log(4), 0.806853), (2.0, -1.0, 2.183940)],
)
def test_divergence_golden_values(mean: float, log_variance: float, expected: float) -> None:
    value = kl_divergence(torch.tensor(mean), torch.tensor(log_variance))
    assert float(value) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("mean", "log_variance"), [(0.0, 0.0), (1.0, 0.0), (0.0, math.log(4)), (2.0, -1.0)]
)
def test_divergence_is_the_mean_log_ratio_of_the_densities(
    mean: float, log_variance: float
) -> None:
    """Agree within 4 standard errors of the mean of 100,000 draws.

    The standard error of the mean is 0, 0.6 %, 0.8 % and 0.2 % of the divergence: one seed in nine
    would miss a fixed 1 % at (1, 0), and one in four at (0, ln 4).
    """
    torch.manual_seed(0)
    mu, spread = (
        torch.full((100_000,), mean).double(),
        torch.full((100_000,), log_variance).double(),
    )
    z = draw(mu, spread)
    log_ratio = -0.5 * (spread + (z - mu) ** 2 / spread.exp()) + 0.5 * z**2
    error = float(log_ratio.std()) / math.sqrt(100_000)
    assert float(log_ratio.mean()) == pytest.approx(
        float(kl_divergence(mu[0], spread[0])), abs=4 * error + 1e-12
    )


@given(st.floats(-5, 5), st.floats(-10, 10))
def test_divergence_is_never_negative(mean: float, log_variance: float) -> None:
    assert kl_divergence(torch.tensor(mean).double(), torch.tensor(log_variance).double()) >= -1e-12


@pytest.mark.parametrize("log_variance", [-4.0, 0.0, 2.0])
def test_draws_have_mean_and_spread_and_pass_the_gradient(log_variance: float) -> None:
    torch.manual_seed(0)
    mean = torch.full((100_000,), 3.0, requires_grad=True)
    spread = torch.full((100_000,), log_variance, requires_grad=True)
    z = draw(mean, spread)
    assert float(z.detach().std()) / math.exp(log_variance / 2) == pytest.approx(1.0, abs=0.02)
    torch.autograd.backward(z.sum())
    assert mean.grad is not None
    assert torch.equal(mean.grad, torch.ones(100_000))
    assert spread.grad is not None
    assert spread.grad.abs().sum() > 0


def pair() -> tuple[Tensor, Tensor]:
    """Logits of gray 0.5, one of two images (2, 3, 2, 2) of gray 0.7: mean squared error 0.02."""
    images = torch.full((2, 3, 2, 2), 0.5)
    images[1] = 0.7
    return torch.zeros(2, 3, 2, 2), images


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sigma_vae", 6 * math.log(0.02 + ROUNDING)),  # D = 12
        ("mse", 12.0),  # 12 x 0.02 / (2 x 0.01)
        ("bce", 8.317766),  # 12 ln 2, whatever the image
    ],
)
def test_reconstruction_golden_values(name: str, expected: float) -> None:
    assert float(RECONSTRUCTIONS[name](*pair())) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("reconstruction", [sigma_vae, mse, bce])
def test_reconstruction_does_not_depend_on_the_number_of_images(reconstruction: Any) -> None:
    logits, images = (torch.rand(2, 1, 4, 4) for _ in range(2))
    twice = reconstruction(logits.repeat(2, 1, 1, 1), images.repeat(2, 1, 1, 1))
    assert float(twice) == pytest.approx(float(reconstruction(logits, images)), rel=1e-5)


def test_the_sigma_vae_has_the_gradient_of_the_best_fixed_variance() -> None:
    torch.manual_seed(0)
    logits, images = torch.randn(4, 1, 5, 5, requires_grad=True), torch.rand(4, 1, 5, 5)
    (free,) = torch.autograd.grad(sigma_vae(logits, images), logits)
    (fixed,) = torch.autograd.grad(mse(logits, images), logits)
    best = root_mean_square(logits.detach(), images) ** 2 + ROUNDING
    torch.testing.assert_close(free, fixed * 0.01 / best)


def test_a_perfect_reconstruction_has_a_finite_loss() -> None:
    images = torch.zeros(2, 1, 4, 4)
    assert math.isfinite(float(sigma_vae(torch.full_like(images, -100.0), images)))


def test_active_cells_are_those_whose_mean_varies() -> None:
    means = torch.zeros(50, 4, 1, 1)
    means[::2, 0] = 1.0
    means[::2, 1] = 0.1  # variance 0.0026
    means[:, 2] = 7.0
    assert active_cells(means) == 0.25


class Toy(nn.Module):
    """Each gray level has its own latent cell N(2 gray, 1), half of which is the gray level."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, 0.5]))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images * self.weight[0], torch.zeros_like(images)

    def decode(self, latents: Tensor) -> Tensor:
        return latents * self.weight[1]


def make_step(**settings: Any) -> VariationalStep:
    network = Toy()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    return VariationalStep(network=network, optimizer=optimizer, reconstruction=mse, **settings)


def test_beta_grows_over_the_warmup_and_a_resumed_step_goes_on() -> None:
    step, images = make_step(beta=4.0, warmup=2), torch.ones(3, 1, 1, 1)
    weights = [_weight(step, images) for _ in range(4)]
    assert weights == pytest.approx([0.0, 2.0, 4.0, 4.0], abs=1e-5)
    resumed = make_step(beta=4.0, warmup=8)
    resumed.load_state_dict(step.state_dict())
    assert _weight(resumed, images) == pytest.approx(2.0, abs=1e-5)


def _weight(step: VariationalStep, images: Tensor) -> float:
    scalars = step(images, torch.zeros(3))
    return float((scalars["loss"] - scalars["reconstruction"]) / scalars["kl_per_cell"])


def test_without_warmup_beta_has_its_value_at_once() -> None:
    assert _weight(make_step(beta=0.5), torch.ones(3, 1, 1, 1)) == pytest.approx(0.5, abs=1e-5)


def test_the_divergence_is_summed_over_an_image() -> None:
    found = make_step(beta=0.5)(torch.ones(5, 3, 2, 2), torch.zeros(5))
    divergence = float(found["loss"] - found["reconstruction"])
    assert divergence == pytest.approx(0.5 * 12 * 2.0, rel=1e-4)  # 12 cells N(2, 1), 2^2 / 2 each
