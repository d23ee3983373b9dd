"""Masks, labels and other versions of images are told from images by names and places."""

import pytest

from equipoise.data.images.companions import find_companions


def numbered(*patterns: str) -> list[str]:
    return [pattern.format(i) for pattern in patterns for i in range(6)]


@pytest.mark.parametrize(
    ("files", "patterns"),
    [
        (numbered("ill/ill ({}).png", "ill/ill ({})_mask.png"), ["*_mask.*"]),
        (["ill/a (1).png", "ill/a (1)_mask_1.png"], ["*_mask*"]),
        (numbered("ill/149-{}-001.BMP", "ill/149-{}-001-d.bmp"), ["*-d.*"]),
        (numbered("a/x{}.png", "a/x{}_aug_0.png"), ["*_aug*"]),
        (["COVID/images/c-1.png", "COVID/masks/c-1.png"], ["masks"]),
        (["images/1.png", "labels/1.png"], ["labels"]),
        (numbered("images/q{}.png", "nuclei/q{}.png"), ["nuclei"]),
        (["a/p1/p1_photo/p1.bmp", "a/p1/p1_lesion/p1_lesion.bmp"], ["*_lesion.*"]),
        (["a/1.tif", "a/fov/1.tif", "a/1st_manual/1.tif"], ["1st_manual", "fov"]),
        (["LungMasks/1.png", "imagesTr/1.png", "labelsTr/1.png"], ["LungMasks", "labelsTr"]),
        (["a/Part1_GroundTruth/1.png", "a/annotations_v2/1.png", "a/SegmentationClass/1.png"],
         ["Part1_GroundTruth", "SegmentationClass", "annotations_v2"]),
        (["a/3.png", "a/mask_3.png", "a/img_4.png", "a/gt-4.png"], ["gt-*", "mask_*"]),
        (["a/1.jpg", "a/1_thumb.jpg"], ["*_thumb.*"]),
        (["a/1.png", "a/1_flip.png", "a/1_rot90.png", "a/1 - Copy.png", "a/aug_1_hflip.png"],
         ["* Copy.*", "*_flip.*", "*_rot90.*", "aug_*"]),
        (numbered("a/x{}.png", "a/x{}_unet_out.png"), ["*_unet_out.*"]),
        (["a/001.bmp", "a/002.bmp", "a/CROPPED/001_01.bmp", "a/CROPPED/002_01.bmp"], ["CROPPED"]),
        (["a/p1.png", "a/lesion_crops/p1.png", "a/lesion_crops/p1-2.png"], ["lesion_crops"]),
        (["a/1-overlay.png", "a/2 seg.png", "a/3.GT.png"], ["* seg.*", "*-overlay.*", "*.GT.*"]),
    ],
)  # fmt: skip
def test_companions_are_recognized(files: list[str], patterns: list[str]) -> None:
    companions = find_companions(files)
    assert sorted(companions) == patterns
    assert (
        sum(map(len, companions.values())) < len(files)
        or "1-overlay" in files[0]
        or len(files) == 3
    )


@pytest.mark.parametrize(
    "files",
    [
        numbered("healthy/p{}.png", "ill/p{}.png"),
        numbered("a/p{}_L.png", "a/p{}_R.png"),
        numbered("a/p{}.png", "a/p{} (2).png", "a/p{}_3.png"),
        ["with_mask/with_mask_1.jpg", "without_mask/without_mask_1.jpg"],
        ["thumb/left_thumb.png", "finger/left_finger.png"],
        ["a/left/1.png", "a/right/1.png", "label smoothing/1.png"],
        numbered("images/{}.png", "photographs/{}.png"),
        numbered("a/x{}.png", "a/patches/y{}_1.png"),
        numbered("tiles/x{}_1.png", "crops/x{}_2.png"),
        [*numbered("a/p{}.png"), "a/p1_flash.png"],
        ["a/1_inverted.png", "a/2_copy.png", "a/rot90_3.png"],
    ],
)
def test_images_are_not_taken_for_companions(files: list[str]) -> None:
    assert find_companions(files) == {}
