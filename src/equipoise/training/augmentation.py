"""Random changes of training images, a batch at a time on its device; what is safe depends on what is shown."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from equipoise.discovery import Family, pick
from equipoise.training.loop import Batch, Batches

Augmentation = Callable[[Tensor], Tensor]  # images (b, c, h, w) in [0, 1] -> the same


def none() -> Augmentation:
    """Leave images as they are."""
    return nn.Identity()


def film() -> Augmentation:
    """Vary what varies between films of one patient: position, size and exposure, never a side.

    Rotation up to 10 degrees, shift up to 5 %, scale 0.9 to 1.1 for 80 % of the images, in one warp; brightness
    and contrast up to 10 % for half of them.

    Source: methods 5 (paper S2: rotation and crop, magnitudes unstated). It differs by having no flip: a
    horizontal one puts the heart on the right, which is a disease, and a vertical one shows no possible film.
    """
    return _augmentation(degrees=10.0, p=0.8)


def cell() -> Augmentation:
    """Vary what a microscope leaves open: any rotation and mirror image, and the strength of the stain.

    Shift up to 5 %, scale 0.9 to 1.1, brightness and contrast up to 10 % for half of the images; rotation by
    any angle and one flip make every flip and right angle too.
    """
    import kornia.augmentation as kornia

    return nn.Sequential(kornia.RandomHorizontalFlip(p=0.5), _augmentation(degrees=180.0, p=1.0))


AUGMENTATIONS: dict[str, Callable[[], Augmentation]] = {"none": none, "film": film, "cell": cell}
FAMILY = Family(
    name="augmentations",
    summary="Augmentations of a classifier's images: --augmentation.",
    members=AUGMENTATIONS,
)


def augmented(batches: Batches, policy: str) -> Batches:
    """Augment every batch by a named policy; chance comes from torch's generator, which the loop seeds.

    Raises:
        SettingError: No such policy.
    """
    augment = pick(AUGMENTATIONS, policy, "augmentation")()

    @torch.no_grad()
    def batch(step: int) -> Batch:
        images, labels = batches(step)
        return augment(images), labels

    return batch


def _augmentation(*, degrees: float, p: float) -> nn.Sequential:
    """Warp by bilinear sampling, mirrored at the border, then change brightness and contrast."""
    import kornia.augmentation as kornia

    return nn.Sequential(
        kornia.RandomAffine(degrees, (0.05, 0.05), (0.9, 1.1), padding_mode="reflection", p=p),
        kornia.RandomBrightness((0.9, 1.1), p=0.5),
        kornia.RandomContrast((0.9, 1.1), p=0.5),
    )
