"""Learning to undo noise, and drawing images by undoing it step by step: EDM, rectified flow, DDPM (methods 9.5).

A process mixes an image with noise to a level, and tells the network what to predict from the mixture. Images are
in [-1, 1] here; results of a sampler may leave that range a little. `u` is a place in (0, 1) in the order of the
levels that a process trains on: uniform chance in training, an even grid where errors are to be compared.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from equipoise.discovery import Family

Predict = Callable[
    [Tensor, Tensor], Tensor
]  # network inputs (b, c, s, s), times (b,) -> outputs (b, c, s, s)
Slope = Callable[[Tensor, float], Tensor]  # state, time -> its derivative

SIGMA_DATA = 0.5
SIGMA_MEAN, SIGMA_SPREAD = -1.2, 1.2  # of ln sigma in training
SIGMA_MAX, SIGMA_MIN, RHO = 80.0, 0.002, 7.0
T = 1000  # levels of DDPM


@dataclass(frozen=True)
class Task:
    """What the network is given, and what it shall answer.

    Attributes:
        inputs: (b, c, s, s) the mixture, scaled.
        time: (b,) the level, as the network is told.
        target: (b, c, s, s).
    """

    inputs: Tensor
    time: Tensor
    target: Tensor


@dataclass(frozen=True)
class Process:
    """A row of `PROCESSES`.

    Attributes:
        levels: Places u (b,) in (0, 1) -> levels (b,).
        task: Images (b, c, s, s), noise of the same shape, levels (b,) -> the task.
        sample: Prediction of the network, noise (b, c, s, s), number of steps -> images (b, c, s, s).
        sampling_steps: The number its source advises.
    """

    levels: Callable[[Tensor], Tensor]
    task: Callable[[Tensor, Tensor, Tensor], Task]
    sample: Callable[[Predict, Tensor, int], Tensor]
    sampling_steps: int


def errors(network: nn.Module, task: Task, labels: Tensor) -> Tensor:
    """Mean squared error of each answer, (b,)."""
    answer: Tensor = network(task.inputs, task.time, labels)
    return (answer.float() - task.target).square().flatten(1).mean(dim=1)


@dataclass(frozen=True, kw_only=True)
class DenoisingLoss:
    """The loss of one batch; draws levels, noise and dropped labels from torch's chance.

    Attributes:
        network: (inputs, times, labels in 0..n_classes) -> outputs.
        n_classes: Number k of labels; label k stands for "any class".
        label_drop: How often it takes the place of an image's label, for guidance.
    """

    process: Process
    network: nn.Module
    n_classes: int
    label_drop: float

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Images (b, c, s, s) in [0, 1] and labels (b,) -> scalar."""
        u = torch.rand(len(images), device=images.device)
        noise = torch.randn_like(images)
        labels = drop_labels(labels, self.n_classes, self.label_drop)
        task = self.process.task(images * 2 - 1, noise, self.process.levels(u))
        return errors(self.network, task, labels).mean()


def drop_labels(labels: Tensor, null: int, rate: float) -> Tensor:
    """Put `null` in the place of labels (b,), each with probability `rate`."""
    return torch.where(torch.rand(len(labels), device=labels.device) < rate, null, labels)


def guided(network: nn.Module, labels: Tensor, *, null: int, guidance: float) -> Predict:
    """Predict `u + g (c - u)`: 1 as the labels say, 0 for any class, above 1 more typical and less diverse.

    Source: Ho & Salimans 2022, whose w is g - 1.
    """
    nulls = torch.full_like(labels, null)

    def predict(inputs: Tensor, time: Tensor) -> Tensor:
        if guidance in (0.0, 1.0):
            alone: Tensor = network(inputs, time, labels if guidance else nulls).float()
            return alone
        both = network(
            inputs.repeat(2, 1, 1, 1), time.repeat(2), torch.cat([labels, nulls])
        ).float()
        conditional, unconditional = both.chunk(2)
        result: Tensor = unconditional + guidance * (conditional - unconditional)
        return result

    return predict


def heun(slope: Slope, state: Tensor, times: Sequence[float]) -> Tensor:
    """Integrate from the first to the last time, second order; the last step is Euler's.

    Both EDM and rectified flow divide by zero at their last time.
    """
    for now, after in pairwise(times):
        start = slope(state, now)
        ahead = state + (after - now) * start
        if after != times[-1]:
            ahead = state + (after - now) * (start + slope(ahead, after)) / 2
        state = ahead
    return state


# EDM: Karras et al. 2022


def sigmas(u: Tensor) -> Tensor:
    """Draw ln sigma from N(-1.2, 1.2^2), by its quantiles."""
    return (SIGMA_MEAN + SIGMA_SPREAD * _normal_quantile(u)).exp()


def preconditioning(sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give c_skip, c_out, c_in and c_noise, each of the shape of `sigma`.

    With D(x) = c_skip x + c_out F(c_in x, c_noise), inputs and targets of F have variance 1 at every sigma.
    """
    total = sigma**2 + SIGMA_DATA**2
    root = total.sqrt()
    return SIGMA_DATA**2 / total, sigma * SIGMA_DATA / root, 1 / root, sigma.log() / 4


def edm_task(images: Tensor, noise: Tensor, sigma: Tensor) -> Task:
    """Ask for F. The plain error of F is EDM's error of D with its weight (s^2 + d^2) / (s d)^2 = 1 / c_out^2."""
    c_skip, c_out, c_in, c_noise = preconditioning(_column(sigma))
    mixed = images + _column(sigma) * noise
    return Task(c_in * mixed, c_noise.flatten(), (images - c_skip * mixed) / c_out)


def edm_schedule(n_steps: int) -> list[float]:
    """List the n_steps + 1 noise levels of the sampler, from 80 to 0.002 and 0."""
    high, low = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
    return [(high + i / (n_steps - 1) * (low - high)) ** RHO for i in range(n_steps)] + [0.0]


def edm_sample(predict: Predict, noise: Tensor, n_steps: int) -> Tensor:
    """Follow dx/ds = (x - D(x; s)) / s, deterministic, two predictions a step."""

    def slope(state: Tensor, sigma: float) -> Tensor:
        c_skip, c_out, c_in, c_noise = preconditioning(state.new_full((len(state), 1, 1, 1), sigma))
        denoised = c_skip * state + c_out * predict(c_in * state, c_noise.flatten())
        return (state - denoised) / sigma

    times = edm_schedule(n_steps)
    return heun(slope, noise * times[0], times)


# Rectified flow: Liu et al. 2023


def flow_task(images: Tensor, noise: Tensor, time: Tensor) -> Task:
    """Ask for the velocity from noise (time 0) to the image (time 1) on the straight line between them."""
    part = _column(time)
    return Task((1 - part) * noise + part * images, time, images - noise)


def flow_sample(predict: Predict, noise: Tensor, n_steps: int) -> Tensor:
    """Follow dx/dt = v(x, t), two predictions a step."""
    times = [i / n_steps for i in range(n_steps + 1)]
    return heun(
        lambda state, time: predict(state, state.new_full((len(state),), time)), noise, times
    )


# DDPM: Ho et al. 2020, sampled as DDIM: Song et al. 2021


def kept() -> Tensor:
    """Give the share of the image's variance that is left at each of 1000 levels (alpha bar), beta 1e-4 to 0.02."""
    beta = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    return (1 - beta).cumprod(0).float()


def whole_levels(u: Tensor) -> Tensor:
    """Choose among 0..999, each as often."""
    return (u * T).floor().clamp(max=T - 1)


def ddpm_task(images: Tensor, noise: Tensor, level: Tensor) -> Task:
    """Ask for the noise; levels are whole numbers 0..999, and the network is told a thousandth."""
    share = _column(kept().to(images.device)[level.long()])
    return Task(share.sqrt() * images + (1 - share).sqrt() * noise, level / T, noise)


def ddim_sample(predict: Predict, noise: Tensor, n_steps: int) -> Tensor:
    """Guess the image, go on to the next level with the noise that belongs to the guess (eta 0).

    The guess is clamped to [-1, 1]: at the first level, errors of the predicted noise are multiplied by 157.
    """
    levels = torch.linspace(T - 1, 0, n_steps).round().long()
    shares = [*kept()[levels].tolist(), 1.0]
    state = guess = noise
    for level, (now, after) in zip(levels.tolist(), pairwise(shares), strict=True):
        eps = predict(state, state.new_full((len(state),), level / T))
        guess = ((state - math.sqrt(1 - now) * eps) / math.sqrt(now)).clamp(-1, 1)
        eps = (state - math.sqrt(now) * guess) / math.sqrt(1 - now)
        state = math.sqrt(after) * guess + math.sqrt(1 - after) * eps
    return state


def _normal_quantile(u: Tensor) -> Tensor:
    quantile: Tensor = torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6))
    return quantile


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


_FLOW = Process(levels=lambda u: u, task=flow_task, sample=flow_sample, sampling_steps=25)
PROCESSES: Mapping[str, Process] = {
    "edm": Process(levels=sigmas, task=edm_task, sample=edm_sample, sampling_steps=18),
    "rectified_flow": _FLOW,
    "rectified_flow_logit_normal": replace(_FLOW, levels=lambda u: _normal_quantile(u).sigmoid()),
    "ddpm": Process(levels=whole_levels, task=ddpm_task, sample=ddim_sample, sampling_steps=50),
}
FAMILY = Family(
    name="processes",
    summary="Diffusion processes.",
    members=PROCESSES,
)
