"""Official weights with a published SHA-256 for networks of timm, whose names differ from theirs.

timm itself is imported when a network is built, so that `equipoise weights list` shows them where
it is not installed.
"""

import re
from collections.abc import Mapping
from functools import partial

from torch import nn

from equipoise.networks.timm_networks import build_timm
from equipoise.networks.weights import (
    IMAGENET,
    TORCHVISION,
    TORCHVISION_LICENSE,
    InputStatistics,
    State,
    Weights,
)

TIMM_RELEASE = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights"
Rules = tuple[tuple[str, str], ...]  # a pattern of names in the file -> the name in the network

# torchvision.models.convnext: layer_scale, block.0 .. block.5; stages are features.1, 3, 5, 7
CONVNEXT_RULES: Rules = (
    (r"features\.0\.(\d)\.", r"stem.\1."),
    (r"features\.([1357])\.(\d+)\.layer_scale", r"stages.\1.blocks.\2.gamma"),
    (r"features\.([1357])\.(\d+)\.block\.0\.", r"stages.\1.blocks.\2.conv_dw."),
    (r"features\.([1357])\.(\d+)\.block\.2\.", r"stages.\1.blocks.\2.norm."),
    (r"features\.([1357])\.(\d+)\.block\.3\.", r"stages.\1.blocks.\2.mlp.fc1."),
    (r"features\.([1357])\.(\d+)\.block\.5\.", r"stages.\1.blocks.\2.mlp.fc2."),
    (r"features\.([246])\.(\d)\.", r"stages.\1.downsample.\2."),
    (r"classifier\.0\.", "head.norm."),
    (r"classifier\.2\.", "head.fc."),
)
# torchvision.models.efficientnet: the first stage has no expansion, so its blocks are one shorter
EFFICIENTNET_RULES: Rules = (
    (r"features\.0\.0\.", "conv_stem."),
    (r"features\.0\.1\.", "bn1."),
    (r"features\.8\.0\.", "conv_head."),
    (r"features\.8\.1\.", "bn2."),
    (r"features\.1\.(\d)\.block\.0\.0\.", r"blocks.0.\1.conv_dw."),
    (r"features\.1\.(\d)\.block\.0\.1\.", r"blocks.0.\1.bn1."),
    (r"features\.1\.(\d)\.block\.1\.fc1\.", r"blocks.0.\1.se.conv_reduce."),
    (r"features\.1\.(\d)\.block\.1\.fc2\.", r"blocks.0.\1.se.conv_expand."),
    (r"features\.1\.(\d)\.block\.2\.0\.", r"blocks.0.\1.conv_pw."),
    (r"features\.1\.(\d)\.block\.2\.1\.", r"blocks.0.\1.bn2."),
    (r"features\.([2-7])\.(\d)\.block\.0\.0\.", r"blocks.\1.\2.conv_pw."),
    (r"features\.([2-7])\.(\d)\.block\.0\.1\.", r"blocks.\1.\2.bn1."),
    (r"features\.([2-7])\.(\d)\.block\.1\.0\.", r"blocks.\1.\2.conv_dw."),
    (r"features\.([2-7])\.(\d)\.block\.1\.1\.", r"blocks.\1.\2.bn2."),
    (r"features\.([2-7])\.(\d)\.block\.2\.fc1\.", r"blocks.\1.\2.se.conv_reduce."),
    (r"features\.([2-7])\.(\d)\.block\.2\.fc2\.", r"blocks.\1.\2.se.conv_expand."),
    (r"features\.([2-7])\.(\d)\.block\.3\.0\.", r"blocks.\1.\2.conv_pwl."),
    (r"features\.([2-7])\.(\d)\.block\.3\.1\.", r"blocks.\1.\2.bn3."),
    (r"classifier\.1\.", "classifier."),
)


def rename_by(rules: Rules, name: str) -> str:
    """Return a name in the words of timm; the name itself where no rule applies.

    Example:
        >>> rename_by(CONVNEXT_RULES, "features.0.1.bias")
        'stem.1.bias'
    """
    for pattern, replacement in rules:
        if re.match(pattern, name):
            return re.sub(f"^{pattern}", replacement, name)
    return name


def from_torchvision_convnext(name: str) -> str:
    """Translate a parameter name of torchvision's ConvNeXt to timm's.

    Example:
        >>> from_torchvision_convnext("features.5.2.block.3.weight")
        'stages.2.blocks.2.mlp.fc1.weight'
        >>> from_torchvision_convnext("features.2.0.bias")
        'stages.1.downsample.0.bias'
    """
    renamed = rename_by(CONVNEXT_RULES, name)
    return re.sub(r"^stages\.(\d)", lambda match: f"stages.{int(match[1]) // 2}", renamed)


def from_torchvision_efficientnet(name: str) -> str:
    """Translate a parameter name of torchvision's EfficientNet to timm's.

    Example:
        >>> from_torchvision_efficientnet("features.2.0.block.1.0.weight")
        'blocks.1.0.conv_dw.weight'
    """
    renamed = rename_by(EFFICIENTNET_RULES, name)
    if not re.match(r"features\.[2-7]", name):
        return renamed
    return re.sub(r"^blocks\.(\d)", lambda match: f"blocks.{int(match[1]) - 1}", renamed)


def flat_layer_scales(stored: State, _network: nn.Module) -> State:
    """Flatten the layer scales of ConvNeXt, (c, 1, 1) in torchvision, to (c,)."""
    return {
        name: tensor.flatten() if name.endswith("layer_scale") else tensor
        for name, tensor in stored.items()
    }


def without_mask_token(stored: State, _network: nn.Module) -> State:
    """Leave out the token of DINOv2's training, which its features do not use."""
    return {name: tensor for name, tensor in stored.items() if name != "mask_token"}


TIMM_WEIGHTS: Mapping[str, Mapping[str, Weights]] = {
    "convnext_tiny": {
        "imagenet": Weights(
            url=f"{TORCHVISION}/convnext_tiny-983f1562.pth",
            sha256="983f1562536e84ff750a1576fb08e54de751dbf2e17c0d8a4a13704341fdcd3d",
            license=TORCHVISION_LICENSE,
            statistics=IMAGENET,
            build=partial(build_timm, "convnext_tiny"),
            head="head.fc.",
            rename=from_torchvision_convnext,
            adapt=flat_layer_scales,
        )
    },
    "efficientnet_b0": {
        "imagenet": Weights(
            url=f"{TORCHVISION}/efficientnet_b0_rwightman-7f5810bc.pth",
            sha256="7f5810bc96def8f7552d5b7e68d53c4786f81167d28291b21c0d90e1fca14934",
            license=TORCHVISION_LICENSE,
            statistics=IMAGENET,
            build=partial(build_timm, "efficientnet_b0"),
            head="classifier.",
            rename=from_torchvision_efficientnet,
        )
    },
    "tf_efficientnet_lite0": {
        "imagenet": Weights(
            url=f"{TIMM_RELEASE}/tf_efficientnet_lite0-0aa007d2.pth",
            sha256="0aa007d2",
            license="Apache-2.0; trained on ImageNet, for non-commercial research",
            statistics=InputStatistics((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), side=224),
            build=partial(build_timm, "tf_efficientnet_lite0"),
            head="classifier.",
        )
    },
    "vit_small_patch14_dinov2": {
        "dinov2": Weights(
            url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
            sha256="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
            license="Apache-2.0",
            statistics=InputStatistics(IMAGENET.mean, IMAGENET.deviation, side=518),
            build=partial(build_timm, "vit_small_patch14_dinov2"),
            head="head.",
            adapt=without_mask_token,
        )
    },
}
