"""Properties of every layout, conditioning and norm."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from equipoise.exceptions import SettingError
from equipoise.networks.attention import SelfAttention, attention_side
from equipoise.networks.conditioning import CONDITIONINGS, Projection
from equipoise.networks.design import Critic, Design, Generator
from equipoise.networks.initialization import INITIALIZATIONS
from equipoise.networks.layouts import build_pair
from equipoise.networks.normalization import NORMS

LAYOUTS = ("dcgan", "constant", "residual")
CONDITIONED = ("one_hot", "embedding", "embedding_map", "projection")
SIZES = (28, 32, 48, 64, 96, 128, 160, 224, 256, 320)
TINY: dict[str, Any] = {"latent_size": 5, "base_channels": 2, "max_channels": 4}
PAIRS = [pair for pair in product(LAYOUTS, CONDITIONED) if pair != ("constant", "projection")]


def tiny_pair(layout: str, **settings: Any) -> tuple[Generator, Critic]:
    return build_pair(layout, Design(**{"size": 16, "channels": 1} | TINY | settings))


def check_shapes(pair: tuple[Generator, Critic], design: Design) -> None:
    labels = torch.arange(2) % design.n_classes
    images = pair[0](torch.randn(2, design.latent_size), labels)
    assert images.shape == (2, design.channels, design.size, design.size)
    assert images.abs().max() <= 1
    scores = pair[1](images, labels)
    assert scores.shape == (2,)
    assert scores.isfinite().all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("channels", "n_classes", "conditioning"),
    [(1, 1, "none"), (3, 2, "embedding"), (3, 7, "one_hot")],
)
def test_the_size_table(
    layout: str, size: int, channels: int, n_classes: int, conditioning: str
) -> None:
    generator, critic = tiny_pair(
        layout,
        size=size,
        channels=channels,
        n_classes=n_classes,
        conditioning=conditioning,
        base_channels=1,
    )
    label = torch.tensor([n_classes - 1])
    with torch.no_grad():  # one image in eval mode: the largest sizes take long
        images = generator.eval()(torch.randn(1, 5), label)
        scores = critic.eval()(images, label)
    assert images.shape == (1, channels, size, size)
    assert images.abs().max() <= 1
    assert scores.shape == (1,)


@pytest.mark.parametrize(
    ("layout", "conditioning"),
    [*((name, "embedding") for name in LAYOUTS), ("bagan_gp", "product")],
)
@pytest.mark.parametrize("n_classes", [1, 2, 7])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_size_table_for_all_numbers_of_classes(
    layout: str, conditioning: str, channels: int, n_classes: int
) -> None:
    """Shapes alone, on the device "meta", which computes no values."""
    norm = None if layout == "bagan_gp" else "none"
    for size in SIZES:
        with torch.device("meta"):
            generator, critic = tiny_pair(
                layout,
                size=size,
                channels=channels,
                n_classes=n_classes,
                conditioning=conditioning,
                critic_norm=norm,
            )
            labels = torch.zeros(2, dtype=torch.long)
            images = generator(torch.randn(2, 5), labels)
            assert images.shape == (2, channels, size, size)
            assert critic(images, labels).shape == (2,)


@pytest.mark.parametrize(("layout", "conditioning"), PAIRS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", [8, 40])
def test_every_norm_and_conditioning_with_attention(
    layout: str, conditioning: str, norm: str, size: int
) -> None:
    design = Design(
        size=size,
        channels=1,
        n_classes=3,
        conditioning=conditioning,
        critic_norm=norm,
        critic_first_norm=False,
        attention=(layout, size) != ("constant", 8), **TINY,
    )  # fmt: skip
    check_shapes(build_pair(layout, design), design)


@pytest.mark.parametrize(("layout", "conditioning"), PAIRS)
def test_one_class_is_enough(layout: str, conditioning: str) -> None:
    design = Design(size=8, channels=1, n_classes=1, conditioning=conditioning, **TINY)
    check_shapes(build_pair(layout, design), design)


def test_the_layouts_own_norm_is_the_default() -> None:
    for layout, norm in {"dcgan": "batch", "constant": "none", "residual": "spectral"}.items():
        own, named = (tiny_pair(layout, critic_norm=critic_norm)[1] for critic_norm in (None, norm))
        assert list(own.state_dict()) == list(named.state_dict())


@pytest.mark.parametrize("layout", ["dcgan", "constant"])
def test_the_first_norm_can_be_left_out(layout: str) -> None:
    def norms(*, first: bool) -> int:
        critic = tiny_pair(layout, size=32, critic_norm="layer", critic_first_norm=first)[1]
        return sum(isinstance(module, nn.GroupNorm) for module in critic.modules())

    assert (norms(first=True), norms(first=False)) == (3, 2)


@pytest.mark.parametrize(
    ("norm", "biases"), [("batch", 0), ("none", 4), ("spectral", 4), ("layer", 4)]
)
def test_a_critic_without_batch_norm_has_biases(norm: str, biases: int) -> None:
    critic = tiny_pair("dcgan", size=32, critic_norm=norm)[1]
    found = sum(m.bias is not None for m in critic.modules() if isinstance(m, nn.Conv2d))
    assert found == biases


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [16, 28, 32, 64, 96, 160])
def test_attention_stands_in_one_map_of_each_network(layout: str, size: int) -> None:
    pair = tiny_pair(layout, size=size, attention=True)
    sides: list[int] = []
    for network in pair:
        (layer,) = (module for module in network.modules() if isinstance(module, SelfAttention))
        layer.register_forward_pre_hook(lambda _, inputs: sides.append(inputs[0].shape[2]))
    labels = torch.zeros(2, dtype=torch.long)
    pair[1](pair[0](torch.randn(2, 5), labels), labels)
    assert sides == [attention_side(size)] * 2


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("conditioning", ["none", "embedding"])
def test_spectral_norm_of_every_layer_on_the_images_way(layout: str, conditioning: str) -> None:
    critic = tiny_pair(
        layout, n_classes=2, conditioning=conditioning, critic_norm="spectral", attention=True
    )[1]
    weighted = [m for m in critic.body.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert all(hasattr(layer, "parametrizations") for layer in weighted)
    assert not any(hasattr(layer, "parametrizations") for layer in critic.into_image.modules())


@pytest.mark.parametrize("layout", ["dcgan", "residual"])
@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_the_score_is_linear_in_the_projected_label(layout: str, norm: str) -> None:
    critic = tiny_pair(layout, n_classes=3, conditioning="projection", critic_norm=norm)[1].eval()
    pooled_features: list[Tensor] = []
    (head,) = (module for module in critic.modules() if isinstance(module, Projection))
    head.register_forward_pre_hook(
        lambda _, inputs: pooled_features.append(inputs[0].sum(dim=(2, 3)))
    )
    images = torch.rand(4, 1, 16, 16) * 2 - 1
    zeros, ones = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    difference = critic(images, zeros) - critic(images, ones)
    v = head.embedding.weight
    torch.testing.assert_close(difference, pooled_features[0] @ (v[0] - v[1]), atol=1e-6, rtol=1e-4)
    assert torch.equal(pooled_features[0], pooled_features[1])
    assert difference.abs().max() > 0


def test_conditional_batch_norm_starts_at_1_and_0_for_every_initialization() -> None:
    for layout, initialization in product(("dcgan", "residual"), INITIALIZATIONS):
        generator, _ = tiny_pair(
            layout, n_classes=2, conditioning="projection", initialization=initialization
        )
        tables = {n: p for n, p in generator.named_parameters() if p.ndim == 2 and p.shape[0] == 2}
        assert tables
        assert all((p == n.endswith("weight")).all() for n, p in tables.items())


@pytest.mark.parametrize(("layout", "conditioning"), PAIRS)
def test_gradients_reach_every_weight(layout: str, conditioning: str) -> None:
    generator, critic = tiny_pair(layout, n_classes=2, conditioning=conditioning, attention=True)
    for network in (generator, critic):
        for module in network.modules():
            if isinstance(module, SelfAttention):
                module.gamma.data.fill_(1.0)  # 0 at the start, where only gamma itself learns
    labels = torch.tensor([0, 1, 1, 0])
    critic(generator(torch.randn(4, 5), labels), labels).square().sum().backward()
    missing = [
        n for net in (generator, critic) for n, p in net.named_parameters() if p.grad is None
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("layout", "conditioning"), [pair for pair in PAIRS if pair[1] != "one_hot"]
)
def test_labels_are_learned_in_both_networks(layout: str, conditioning: str) -> None:
    pair = tiny_pair(layout, n_classes=7, conditioning=conditioning, critic_norm="none")
    labels = torch.tensor([0, 1, 1, 6])
    pair[1](pair[0](torch.randn(4, 5), labels), labels).square().sum().backward()
    for network in pair:
        tables = [
            p for p in network.parameters() if p.ndim == 2 and p.shape[0] == 7
        ]  # one row per label
        learned = torch.stack([p.grad.any(dim=1) for p in tables if p.grad is not None]).any(dim=0)
        assert learned.tolist() == [True, True, False, False, False, False, True]


@pytest.mark.parametrize("layout", ["dcgan", "residual"])
def test_a_label_changes_the_image_once_norms_have_learned(layout: str) -> None:
    generator = tiny_pair(layout, n_classes=2, conditioning="projection")[0].eval()
    latent, zeros, ones = (
        torch.randn(3, 5),
        torch.zeros(3, dtype=torch.long),
        torch.ones(3, dtype=torch.long),
    )
    assert torch.equal(generator(latent, zeros), generator(latent, ones))
    for name, parameter in generator.named_parameters():
        if name.endswith("bias") and parameter.shape[:1] == (2,) and parameter.ndim == 2:
            parameter.data[1] = 1.0
    assert not torch.equal(generator(latent, zeros), generator(latent, ones))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_what_is_stored_makes_the_same_images_and_scores(layout: str, norm: str) -> None:
    settings = {"n_classes": 2, "conditioning": "embedding", "critic_norm": norm, "attention": True}
    first, second = tiny_pair(layout, **settings), tiny_pair(layout, **settings)
    latent, labels = torch.randn(3, 5), torch.tensor([0, 1, 1])
    first[1](first[0](latent, labels), labels)  # running statistics and singular vectors move
    for old, new in zip(first, second, strict=True):
        new.load_state_dict(old.eval().state_dict())
    images = [pair[0].eval()(latent, labels) for pair in (first, second)]
    scores = [pair[1].eval()(images[0], labels) for pair in (first, second)]
    assert torch.equal(*images)
    assert torch.equal(*scores)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_first_weights_follow_torchs_chance(layout: str) -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        pair = tiny_pair(layout, n_classes=2, conditioning="embedding", critic_norm="spectral")
        return [tensor for network in pair for tensor in network.state_dict().values()]

    assert all(map(torch.equal, weights(1), weights(1)))
    assert not all(map(torch.equal, weights(1), weights(2)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_channels_last_computes_the_same(layout: str) -> None:
    pair = tiny_pair(
        layout, n_classes=2, conditioning="embedding", critic_norm="spectral", attention=True
    )
    latent, labels = torch.randn(3, 5), torch.tensor([0, 1, 1])
    generator, critic = (network.eval() for network in pair)
    images = generator(latent, labels)
    scores = critic(images, labels)
    for network in pair:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from the stubs
    torch.testing.assert_close(generator(latent, labels), images)
    torch.testing.assert_close(critic(images, labels), scores, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layout", ["dcgan", "residual"])
def test_bfloat16(layout: str) -> None:
    settings = {
        "n_classes": 2,
        "conditioning": "projection",
        "critic_norm": "spectral",
        "attention": True,
    }
    generator, critic = tiny_pair(layout, **settings)
    labels = torch.tensor([0, 1, 1])
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(torch.randn(3, 5), labels)
        scores = critic(images, labels)
    scores.float().sum().backward()
    assert scores.isfinite().all()


def test_a_frozen_critic_passes_gradients_on_and_collects_none() -> None:
    critic = tiny_pair("residual", n_classes=2, conditioning="projection")[1].requires_grad_(False)
    images = torch.randn(2, 1, 16, 16, requires_grad=True)
    critic(images, torch.tensor([0, 1])).sum().backward()
    assert images.grad is not None
    assert images.grad.any()
    assert all(parameter.grad is None for parameter in critic.parameters())


@pytest.mark.parametrize(
    ("layout", "settings", "message"),
    [
        ("dcgan", {"size": 30}, "Resize to 32"),
        ("constant", {"size": 100}, "Resize to 96"),
        ("residual", {"size": 100}, "Resize to 96"),
        ("dcagn", {}, "Did you mean 'dcgan'"),
        ("dcgan", {"conditioning": "embeding"}, "Did you mean 'embedding'"),
        ("dcgan", {"critic_norm": "spektral"}, "Did you mean 'spectral'"),
        ("residual", {"initialization": "xaver"}, "Did you mean 'xavier'"),
        ("constant", {"conditioning": "projection"}, "needs batch norms in the generator"),
        ("constant", {"size": 8, "attention": True}, "images of 16 px or more"),
    ],
)
def test_what_cannot_be_built_is_refused(
    layout: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        tiny_pair(layout, **settings)


def test_every_conditioning_is_tested_here() -> None:
    assert set(CONDITIONINGS) - {"none", "product"} == set(CONDITIONED)
