"""Diffusion and flow processes: EDM, rectified flow and DDPM, with their tasks and samplers.

A process mixes an image with noise to a level, and defines what the network has to predict from the
mixture. Images are in [-1, 1] here; results of a sampler may leave that range a little. `u` is a
place in (0, 1) in the order of the levels that a process trains on: uniform random numbers in
training, an even grid where errors are to be compared.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor, nn

from equipoise.discovery import Family

Predict = Callable[[Tensor, Tensor], Tensor]  # inputs (b, c, s, s), times (b,) -> (b, c, s, s)
Slope = Callable[[Tensor, float], Tensor]  # state, time -> its derivative

SIGMA_DATA = 0.5
SIGMA_MEAN, SIGMA_SPREAD = -1.2, 1.2  # of ln sigma in training
SIGMA_MAX, SIGMA_MIN, RHO = 80.0, 0.002, 7.0
T = 1000  # levels of DDPM


@dataclass(frozen=True)
class Task:
    """Inputs of the network, and what it has to predict from them.

    Attributes:
        inputs: (b, c, s, s) the mixture, scaled.
        time: (b,) the level, in the scale of the network's time embedding.
        target: (b, c, s, s).
    """

    inputs: Tensor
    time: Tensor
    target: Tensor


@dataclass(frozen=True)
class Process:
    """A row of `PROCESSES`.

    Attributes:
        summary: One line for users.
        levels: Places u (b,) in (0, 1) -> levels (b,).
        task: Images (b, c, s, s), noise of the same shape, levels (b,) -> the task.
        sample: Prediction of the network, noise (b, c, s, s), number of steps -> images (b, c, s,
            s).
        sampling_steps: The number that its source uses.
    """

    summary: str
    levels: Callable[[Tensor], Tensor]
    task: Callable[[Tensor, Tensor, Tensor], Task]
    sample: Callable[[Predict, Tensor, int], Tensor]
    sampling_steps: int


def errors(network: nn.Module, task: Task, labels: Tensor) -> Tensor:
    """Return the mean squared error of each prediction, (b,)."""
    prediction: Tensor = network(task.inputs, task.time, labels)
    return (prediction.float() - task.target).square().flatten(1).mean(dim=1)


@dataclass(frozen=True, kw_only=True)
class DenoisingLoss:
    """Compute the loss of one batch; random numbers come from torch's global generator.

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
    """Replace labels (b,) by `null`, each with probability `rate`."""
    return torch.where(torch.rand(len(labels), device=labels.device) < rate, null, labels)


def guided(network: nn.Module, labels: Tensor, *, null: int, guidance: float) -> Predict:
    """Return what predicts u + g (c - u), c with the labels and u without.

    Args:
        network: (inputs, times, labels) -> outputs.
        labels: (b,).
        null: The label that stands for "any class".
        guidance: g: 1 follows the labels, 0 ignores them, above 1 images are more typical and less
            diverse.

    Source: Ho & Salimans (2022), arXiv 2207.12598, Eq. 6, whose w is g - 1.
    """
    nulls = torch.full_like(labels, null)

    def predict(inputs: Tensor, time: Tensor) -> Tensor:
        if guidance in (0.0, 1.0):
            single: Tensor = network(inputs, time, labels if guidance else nulls).float()
            return single
        both = network(
            inputs.repeat(2, 1, 1, 1), time.repeat(2), torch.cat([labels, nulls])
        ).float()
        conditional, unconditional = both.chunk(2)
        result: Tensor = unconditional + guidance * (conditional - unconditional)
        return result

    return predict


def heun(slope: Slope, state: Tensor, times: Sequence[float]) -> Tensor:
    """Integrate from the first to the last time by Heun's method; the last step is Euler's.

    Both EDM and rectified flow divide by zero at their last time.

    Source: Karras et al. (2022), arXiv 2206.00364, Algorithm 1.

    Example:
        >>> float(heun(lambda state, time: state, torch.tensor(1.0), [0.0, 0.5, 1.0]))
        2.4375
    """
    for now, after in pairwise(times):
        start = slope(state, now)
        ahead = state + (after - now) * start
        if after != times[-1]:
            ahead = state + (after - now) * (start + slope(ahead, after)) / 2
        state = ahead
    return state


# EDM: Karras et al. (2022), arXiv 2206.00364, Table 1


def sigmas(u: Tensor) -> Tensor:
    """Return levels sigma (b,), ln sigma from N(-1.2, 1.2^2) by its quantiles u (b,)."""
    return (SIGMA_MEAN + SIGMA_SPREAD * _normal_quantile(u)).exp()


def preconditioning(sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return c_skip, c_out, c_in and c_noise, each of the shape of `sigma`.

    With D(x) = c_skip x + c_out F(c_in x, c_noise), inputs and targets of F have variance 1 at
    every sigma.
    """
    total = sigma**2 + SIGMA_DATA**2
    root = total.sqrt()
    return SIGMA_DATA**2 / total, sigma * SIGMA_DATA / root, 1 / root, sigma.log() / 4


def edm_task(images: Tensor, noise: Tensor, sigma: Tensor) -> Task:
    """Return the task whose target is F.

    The squared error of F is EDM's squared error of D with its weight (s^2 + d^2) / (s d)^2 = 1 /
    c_out^2.
    """
    c_skip, c_out, c_in, c_noise = preconditioning(_column(sigma))
    mixed = images + _column(sigma) * noise
    return Task(c_in * mixed, c_noise.flatten(), (images - c_skip * mixed) / c_out)


def edm_schedule(n_steps: int) -> list[float]:
    """Return the n_steps + 1 noise levels of the sampler, from 80 to 0.002 and 0 (Eq. 5, rho = 7).

    Example:
        >>> [round(sigma, 3) for sigma in edm_schedule(3)]
        [80.0, 2.515, 0.002, 0.0]
    """
    high = SIGMA_MAX ** (1 / RHO)
    low = SIGMA_MIN ** (1 / RHO)
    return [(high + i / (n_steps - 1) * (low - high)) ** RHO for i in range(n_steps)] + [0.0]


def edm_sample(predict: Predict, noise: Tensor, n_steps: int) -> Tensor:
    """Integrate dx/ds = (x - D(x; s)) / s (Eq. 1 and 3), two predictions per step."""

    def slope(state: Tensor, sigma: float) -> Tensor:
        c_skip, c_out, c_in, c_noise = preconditioning(state.new_full((len(state), 1, 1, 1), sigma))
        denoised = c_skip * state + c_out * predict(c_in * state, c_noise.flatten())
        return (state - denoised) / sigma

    times = edm_schedule(n_steps)
    return heun(slope, noise * times[0], times)


# Rectified flow: Liu et al. (2023), arXiv 2209.03003, Eq. 1


def flow_task(images: Tensor, noise: Tensor, time: Tensor) -> Task:
    """Return the task whose target is the velocity from noise (t = 0) to image (t = 1)."""
    t = _column(time)
    return Task((1 - t) * noise + t * images, time, images - noise)


def flow_sample(predict: Predict, noise: Tensor, n_steps: int) -> Tensor:
    """Integrate dx/dt = v(x, t), two predictions per step."""
    times = [i / n_steps for i in range(n_steps + 1)]
    return heun(
        lambda state, time: predict(state, state.new_full((len(state),), time)), noise, times
    )


# DDPM: Ho et al. (2020), arXiv 2006.11239, sampled as DDIM: Song et al. (2021), arXiv 2010.02502


@lru_cache
def alpha_bars(device: torch.device) -> Tensor:
    """Return alpha bar, the share of the image's variance that is left, at each of 1000 levels.

    Source: Ho et al. (2020), arXiv 2006.11239, Section 2: the product of 1 - beta, beta from 1e-4
    to 0.02 linearly.
    """
    beta = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    return (1 - beta).cumprod(0).float().to(device)


def whole_levels(u: Tensor) -> Tensor:
    """Return levels 0..999 (b,), each equally often."""
    return (u * T).floor().clamp(max=T - 1)


def ddpm_task(images: Tensor, noise: Tensor, level: Tensor) -> Task:
    """Return the task whose target is the noise (Eq. 14) at levels 0..999; time is level / 1000."""
    alpha_bar = _column(alpha_bars(images.device)[level.long()])
    mixed = alpha_bar.sqrt() * images + (1 - alpha_bar).sqrt() * noise
    return Task(mixed, level / T, noise)


def ddim_sample(predict: Predict, noise: Tensor, n_steps: int) -> Tensor:
    """Predict the image, then step to the next level with that prediction's noise (Eq. 12, eta 0).

    The prediction is clamped to [-1, 1]: at the first level, errors of the predicted noise are
    multiplied by 157.
    """
    levels = torch.linspace(T - 1, 0, n_steps).round().long()
    alpha_bar = [*alpha_bars(torch.device("cpu"))[levels].tolist(), 1.0]
    state = noise
    for level, (now, after) in zip(levels.tolist(), pairwise(alpha_bar), strict=True):
        epsilon = predict(state, state.new_full((len(state),), level / T))
        denoised = ((state - math.sqrt(1 - now) * epsilon) / math.sqrt(now)).clamp(-1, 1)
        epsilon = (state - math.sqrt(now) * denoised) / math.sqrt(1 - now)
        state = math.sqrt(after) * denoised + math.sqrt(1 - after) * epsilon
    return state


def _normal_quantile(u: Tensor) -> Tensor:
    quantile: Tensor = torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6))
    return quantile


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


_FLOW = Process(
    summary="Rectified flow, times uniform (Liu et al. 2023).",
    levels=lambda u: u,
    task=flow_task,
    sample=flow_sample,
    sampling_steps=25,
)
PROCESSES: Mapping[str, Process] = {
    "edm": Process(
        summary="Diffusion with preconditioned denoisers and Heun steps (Karras et al. 2022).",
        levels=sigmas,
        task=edm_task,
        sample=edm_sample,
        sampling_steps=18,
    ),
    "rectified_flow": _FLOW,
    "rectified_flow_logit_normal": replace(
        _FLOW,
        summary="Rectified flow, times logit-normal (Esser et al. 2024).",
        levels=lambda u: _normal_quantile(u).sigmoid(),
    ),
    "ddpm": Process(
        summary="Original diffusion (Ho et al. 2020), sampled by DDIM (Song et al. 2021).",
        levels=whole_levels,
        task=ddpm_task,
        sample=ddim_sample,
        sampling_steps=50,
    ),
}
FAMILY = Family(
    name="processes",
    summary="Diffusion processes.",
    members=PROCESSES,
)
