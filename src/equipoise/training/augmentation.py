"""Random changes of training images, by batch on its device; what is safe depends on the images."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from equipoise.discovery import Family, pick
from equipoise.training.color import ColorChange, FlipsAndTurns
from equipoise.training.loop import Batch, Batches

Augmentation = Callable[[Tensor], Tensor]  # images (b, c, h, w) in [0, 1] -> the same


def none() -> Augmentation:
    """Leave images as they are."""
    return nn.Identity()


def film() -> Augmentation:
    """Vary what varies between films of a patient: position, size and exposure, but no flips.

    Rotation up to 10 degrees, shift up to 5 %, scale 0.9 to 1.1 for 80 % of the images, in one
    warp; brightness and contrast up to 10 % for half of them.

    Source: Sun and Li (paper S2 in docs/methods.md), who state no magnitudes. Difference: no flip,
    because a horizontal one puts the heart on the right, which is a disease, and a vertical one
    shows an impossible film.
    """
    return _augmentation(degrees=10.0, p=0.8)


def cell() -> Augmentation:
    """Vary what is arbitrary under a microscope: rotation, mirror image, strength of the stain.

    Shift up to 5 %, scale 0.9 to 1.1, brightness and contrast up to 10 % for half of the images.
    Rotation by any angle and one flip include every flip and right angle.
    """
    import kornia.augmentation as kornia

    return nn.Sequential(kornia.RandomHorizontalFlip(p=0.5), _augmentation(degrees=180.0, p=1.0))


def skin() -> Augmentation:
    """Vary what is arbitrary in a picture of a lesion: side, camera, light.

    One of the eight flips and quarter turns (of images that are not square one of four), shift up
    to 5 %, scale 0.8 to 1.2; brightness and contrast up to 15 %, saturation up to 20 % and hue up
    to 7 degrees.

    Source: The kinds of changes are those of Perez et al. (2018), arXiv 1809.01442, scenario J.
    Difference: smaller ones, so that a color that a class has is still seen; no shear, no crops.
    """
    return _pictures(light=0.15, saturation=0.2, degrees=7.0)


def stain() -> Augmentation:
    """Vary what is arbitrary in a stained slide: side, stain, scanner.

    As `skin`, but saturation up to 30 % and hue up to 18 degrees: laboratories stain differently.

    Source: Tellez et al. (2019), arXiv 1902.06543: of all augmentations of slides, those of color
    matter most. Difference: hue and saturation change by rotating and scaling the color difference
    signals (YIQ), not in HSV; less than their strong setting.
    """
    return _pictures(light=0.15, saturation=0.3, degrees=18.0)


AUGMENTATIONS: dict[str, Callable[[], Augmentation]] = {
    "none": none,
    "film": film,
    "cell": cell,
    "skin": skin,
    "stain": stain,
}
FAMILY = Family(
    name="augmentations",
    summary="Augmentations of a classifier's images: --augmentation.",
    members=AUGMENTATIONS,
)


def augmented(batches: Batches, policy: str) -> Batches:
    """Augment every batch by a named policy; torch's generator is seeded by the loop.

    Args:
        batches: Returns images (b, c, h, w) in [0, 1] and labels of a step.
        policy: A name in `AUGMENTATIONS`.

    Raises:
        SettingError: No such policy.

    Example:
        >>> batches = augmented(lambda step: (torch.rand(2, 1, 8, 8), torch.ones(2)), "none")
        >>> batches(0)[0].shape
        torch.Size([2, 1, 8, 8])
    """
    augment = pick(AUGMENTATIONS, policy, "augmentation")()

    @torch.no_grad()
    def batch(step: int) -> Batch:
        images, labels = batches(step)
        return augment(images), labels

    return batch


def _augmentation(*, degrees: float, p: float) -> nn.Sequential:
    """Warp by bilinear sampling, reflected at the border, then change brightness and contrast."""
    import kornia.augmentation as kornia

    return nn.Sequential(
        kornia.RandomAffine(degrees, (0.05, 0.05), (0.9, 1.1), padding_mode="reflection", p=p),
        kornia.RandomBrightness((0.9, 1.1), p=0.5),
        kornia.RandomContrast((0.9, 1.1), p=0.5),
    )


def _pictures(*, light: float, saturation: float, degrees: float) -> nn.Sequential:
    """Flip, turn, shift and scale, then change the colors."""
    import kornia.augmentation as kornia

    return nn.Sequential(
        FlipsAndTurns(),
        kornia.RandomAffine(0.0, (0.05, 0.05), (0.8, 1.2), padding_mode="reflection", p=0.8),
        ColorChange(light=light, saturation=saturation, degrees=degrees),
    )
