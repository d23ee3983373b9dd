"""Settings of `ImageClassifier` that the papers used, and a strong one of today (methods 5 and appendix B).

Epochs become steps by the number of real training images, so that all arms of a comparison take as many. None of
the papers' schedules is known: the rate stays constant. Where a paper does not say which weights it keeps, those of
the best balanced accuracy on the validation images are kept; all look at them once an epoch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from equipoise.discovery import Family


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A classifier as it was, or should be, trained.

    Attributes:
        summary: One line for lists.
        epochs: Passes over the real training images.
        settings: Parameters of `ImageClassifier`.
        source: Where they come from, and what was not stated there.
    """

    summary: str
    epochs: int
    settings: Mapping[str, Any]
    source: str
    batch_size: int = 32

    def settings_for(self, n_images: int) -> dict[str, Any]:
        """Give all parameters for a number of real training images: `epochs` passes, one look after each."""
        steps = math.ceil(n_images / self.batch_size)
        lengths = {
            "n_steps": self.epochs * steps,
            "evaluate_every": steps,
            "batch_size": self.batch_size,
        }
        return {**self.settings, **lengths}


def _adam(learning_rate: float, **settings: Any) -> Mapping[str, Any]:
    fixed = {
        "optimizer": "adam",
        "learning_rate": learning_rate,
        "weight_decay": 0.0,
        "schedule": "constant",
    }
    return MappingProxyType({**fixed, **settings})


PRESETS: Mapping[str, Preset] = {
    "s0_densenet": Preset(
        summary="Paper S0: DenseNet-121 with a hidden layer, a very low rate.",
        epochs=20,
        settings=_adam(1e-5, network="densenet121_s0", augmentation="none"),
        source="Paper S0; depth, batch and augmentation are not stated.",
    ),
    "s1_densenet": Preset(
        summary="Paper S1: DenseNet-121, binary cross-entropies, early stop on their validation loss.",
        epochs=30,
        settings=_adam(
            1e-3, network="densenet121", loss="two_sigmoid", keep_best="loss", patience=10
        ),
        source="Code of paper S1. Ours: no flips, of which the vertical ones show no possible film.",
    ),
    "s2_resnet18": Preset(
        summary="Paper S2: ResNet-18 from ImageNet, a high rate for five epochs.",
        epochs=5,
        settings=_adam(
            4e-3,
            network="resnet18",
            pretrained="imagenet",
            loss="two_sigmoid",
            keep_best="accuracy",
        ),
        source="Paper S2; magnitudes of its augmentation are not stated. Ours: no flip.",
    ),
    "s2_resnet18_clean": Preset(
        summary="ResNet-18 of paper S2 from scratch, at a rate and for a time that suit it.",
        epochs=30,
        settings=_adam(3e-4, network="resnet18"),
        source="Methods, appendix B, `clean`.",
    ),
    "s4_cnn": Preset(
        summary="Paper S4: the small CNN, early stop.",
        epochs=50,
        settings=_adam(
            1e-3, network="small_cnn", augmentation="none", keep_best="loss", patience=10
        ),
        source="Paper S4 for the network; optimizer, length and stop are choices of methods 5.",
    ),
    "strong": Preset(
        summary="ResNet-18 by SGD with a cosine, long enough to be a hard baseline.",
        epochs=60,
        settings=MappingProxyType(
            {
                "network": "resnet18",
                "optimizer": "sgd",
                "learning_rate": 0.05,
                "weight_decay": 5e-4,
                "schedule": "cosine",
            }
        ),
        source="Methods, appendix B; its momentum is Nesterov's here.",
    ),
}
FAMILY = Family(
    name="classifier_presets",
    summary="Published settings of a classifier.",
    members=PRESETS,
)
