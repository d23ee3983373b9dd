"""Settings of `ImageClassifier` that the papers used, and a strong baseline of today.

Epochs become steps by the number of real training images, so that all arms of a comparison take
equally many. None of the papers states a schedule: the learning rate stays constant. Where a paper
does not say which weights it keeps, those with the best balanced accuracy on the validation images
are kept; all are evaluated once per epoch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from equipoise.discovery import Family

SettingValue = str | int | float


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A classifier as a paper trained it, or a baseline of ours.

    Attributes:
        summary: One line for lists.
        epochs: Passes over the real training images.
        settings: Parameters of `ImageClassifier`.
        source: Paper, and what it does not state.
        batch_size: Images per step.
    """

    summary: str
    epochs: int
    settings: Mapping[str, SettingValue]
    source: str
    batch_size: int = 32

    def settings_for(self, n_images: int) -> dict[str, SettingValue]:
        """Return all parameters for a number of real training images, one evaluation per epoch.

        Example:
            >>> settings = PRESETS["s2_resnet18"].settings_for(100)
            >>> settings["n_steps"], settings["evaluate_every"]
            (20, 4)
        """
        steps = math.ceil(n_images / self.batch_size)
        lengths = {"n_steps": self.epochs * steps, "evaluate_every": steps}
        return {**self.settings, **lengths, "batch_size": self.batch_size}


def _adam(learning_rate: float, **settings: SettingValue) -> Mapping[str, SettingValue]:
    return MappingProxyType(
        {
            "optimizer": "adam",
            "learning_rate": learning_rate,
            "weight_decay": 0.0,
            "schedule": "constant",
            **settings,
        }
    )


PRESETS: Mapping[str, Preset] = {
    "s0_densenet": Preset(
        summary="Paper S0: DenseNet-121 with a hidden layer, a very low learning rate.",
        epochs=20,
        settings=_adam(1e-5, network="densenet121_s0", augmentation="none"),
        source="Kupas and Harangi; depth, batch and augmentation are not stated.",
    ),
    "s1_densenet": Preset(
        summary="Paper S1: DenseNet-121, binary cross-entropies, early stop on validation loss.",
        epochs=30,
        settings=_adam(
            1e-3, network="densenet121", loss="two_sigmoid", keep_best="loss", patience=10
        ),
        source="Code of Sharma et al. Ours: no flips; vertical ones show no possible film.",
    ),
    "s2_resnet18": Preset(
        summary="Paper S2: ResNet-18 from ImageNet, a high learning rate for five epochs.",
        epochs=5,
        settings=_adam(
            4e-3,
            network="resnet18",
            pretrained="imagenet",
            loss="two_sigmoid",
            keep_best="accuracy",
        ),
        source="Sun and Li; magnitudes of their augmentation are not stated. Ours: no flip.",
    ),
    "s2_resnet18_clean": Preset(
        summary="ResNet-18 of paper S2 from scratch, at a suitable learning rate and length.",
        epochs=30,
        settings=_adam(3e-4, network="resnet18"),
        source="equipoise, after Sun and Li.",
    ),
    "s4_cnn": Preset(
        summary="Paper S4: the small CNN, early stop.",
        epochs=50,
        settings=_adam(
            1e-3, network="small_cnn", augmentation="none", keep_best="loss", patience=10
        ),
        source="Network of Mukhedkar and Kim; optimizer, length and stop are ours.",
    ),
    "strong": Preset(
        summary="ResNet-18 by SGD with a cosine schedule, long enough to be a hard baseline.",
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
        source="equipoise, with Nesterov's momentum.",
    ),
}
FAMILY = Family(
    name="classifier_presets",
    summary="Published settings of a classifier.",
    members=PRESETS,
)
