"""Networks, by name."""

from .backbone import Backbone
from .backbones import BACKBONES, find_backbone
from .design import Design, Networks
from .layouts import LAYOUTS
from .patch_networks import PATCH_NETWORKS
from .vae import VAE, build_vae
from .weights import InputStatistics, Weights

__all__ = [
    "BACKBONES",
    "LAYOUTS",
    "PATCH_NETWORKS",
    "VAE",
    "Backbone",
    "Design",
    "InputStatistics",
    "Networks",
    "Weights",
    "build_vae",
    "find_backbone",
]
