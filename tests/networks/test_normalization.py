"""Norms of the critic; spectral norm of Miyato et al. (2018)."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from equipoise.networks.normalization import NORMS, constrain_spectra


def constrained(layer: nn.Module) -> nn.Sequential:
    network = nn.Sequential(layer)
    constrain_spectra(network)
    return network


def matrix(layer: nn.Module) -> Tensor:
    """Return the effective weight with one row per output channel."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)


def linear(weight: Tensor) -> nn.Sequential:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight
    return constrained(layer)


def raw_weight(network: nn.Sequential) -> nn.Parameter:
    return network.get_parameter("0.parametrizations.weight.original")


def vectors(network: nn.Sequential) -> list[Tensor]:
    return [
        buffer.clone() for name, buffer in network.named_buffers() if name.endswith(("_u", "_v"))
    ]


LAYERS = [
    (nn.Conv2d(3, 16, 4, 2, 1), torch.randn(2, 3, 8, 8)),
    (nn.ConvTranspose2d(16, 3, 4, 2, 1), torch.randn(2, 16, 8, 8)),
    (nn.Linear(30, 20), torch.randn(2, 30)),
    (nn.Embedding(7, 20), torch.tensor([3, 0])),
    (nn.Embedding(1, 20), torch.tensor([0, 0])),
]


@pytest.mark.parametrize(("layer", "x"), LAYERS)
def test_the_largest_singular_value_becomes_1(layer: nn.Module, x: Tensor) -> None:
    network = constrained(deepcopy(layer))
    raw_weight(network).data = torch.randn_like(
        raw_weight(network)
    )  # far from what the vectors were found for
    with torch.no_grad():
        for _ in range(50):
            network(x)
    network.eval()
    assert 0.95 <= torch.linalg.matrix_norm(matrix(network[0]), 2).item() <= 1.05


def test_golden_diagonal() -> None:
    network = linear(torch.diag(torch.tensor([3.0, 1.0])))
    network(torch.randn(1, 2))
    torch.testing.assert_close(matrix(network.eval()[0]), torch.diag(torch.tensor([1.0, 1 / 3])))


@pytest.mark.parametrize(("layer", "x"), LAYERS)
def test_a_weight_ten_times_as_large_changes_nothing(layer: nn.Module, x: Tensor) -> None:
    network = constrained(deepcopy(layer)).eval()
    before = network(x)
    raw_weight(network).data *= 10
    torch.testing.assert_close(network(x), before)


def test_a_forward_pass_in_training_mode_takes_one_step_of_the_power_method() -> None:
    weight = torch.randn(20, 30)
    network = linear(weight)
    raw_weight(network).data = weight = torch.randn(20, 30)
    v = vectors(network)[1]
    network(torch.randn(2, 30))
    u = nn.functional.normalize(weight @ v, dim=0)
    torch.testing.assert_close(vectors(network), [u, nn.functional.normalize(weight.T @ u, dim=0)])


def test_eval_mode_leaves_the_vectors() -> None:
    network = linear(torch.randn(20, 30))
    before = vectors(network)
    network.eval()(torch.randn(2, 30))
    assert all(map(torch.equal, vectors(network), before))


def test_the_singular_value_is_differentiated() -> None:
    network = linear(torch.randn(5, 6)).double()
    network(torch.randn(2, 6, dtype=torch.float64)).square().sum().backward()
    weight = raw_weight(network)
    assert weight.grad is not None
    # the output does not change along the weight itself, so neither does the loss
    assert (weight.grad * weight).sum().item() == pytest.approx(0.0, abs=1e-10)
    assert weight.grad.abs().max() > 1e-3


def test_two_passes_and_then_one_gradient() -> None:
    network = linear(torch.randn(4, 4))
    torch.autograd.backward((network(torch.randn(2, 4)) - network(torch.randn(2, 4))).sum())
    assert raw_weight(network).grad is not None


@pytest.mark.parametrize("copy", ["deepcopy", "state_dict"])
def test_a_copy_goes_on_as_the_original(copy: str) -> None:
    network, x = constrained(nn.Conv2d(3, 8, 3)), torch.randn(2, 3, 8, 8)
    network(x)
    other = deepcopy(network) if copy == "deepcopy" else constrained(nn.Conv2d(3, 8, 3))
    other.load_state_dict(network.state_dict())
    for _ in range(3):
        assert torch.equal(network(x), other(x))
    assert all(map(torch.equal, vectors(network), vectors(other)))


@pytest.mark.parametrize("name", ["none", "spectral"])
def test_norms_without_a_layer(name: str) -> None:
    assert NORMS[name](4) == []


@pytest.mark.parametrize(
    ("name", "dims"), [("batch", (0, 2, 3)), ("layer", (1, 2, 3)), ("instance", (2, 3))]
)
def test_what_is_brought_to_mean_0_and_deviation_1(name: str, dims: tuple[int, ...]) -> None:
    (norm,) = NORMS[name](4)
    x = norm(3 + 2 * torch.randn(6, 4, 5, 5))
    torch.testing.assert_close(x.mean(dims), torch.zeros_like(x.mean(dims)), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        x.var(dims, correction=0), torch.ones_like(x.mean(dims)), atol=1e-3, rtol=0
    )
    assert [tuple(p.shape) for p in norm.parameters()] == [(4,), (4,)]


def test_layer_norm_keeps_the_differences_between_the_channels_of_an_image() -> None:
    """Constant channels 0, 1, 2, 3: instance norm would turn all of them into 0."""
    x = torch.arange(4.0)[None, :, None, None].expand(2, 4, 5, 5)
    expected = (x - 1.5) / 1.25**0.5
    torch.testing.assert_close(NORMS["layer"](4)[0](x), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(NORMS["instance"](4)[0](x), torch.zeros_like(x), atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["layer", "instance"])
def test_images_do_not_mix_where_a_gradient_penalty_needs_it(name: str) -> None:
    (norm,) = NORMS[name](4)
    x = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(norm(x)[:1], norm(x[:1]))
