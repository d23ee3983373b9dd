"""Cases of the layout with all images in one folder and all label maps in another one.

imagesTr/case_1.nii.gz        labelsTr/case_1.nii.gz    Medical Segmentation Decathlon
imagesTr/case_1_0000.nii.gz   labelsTr/case_1.nii.gz    nnU-Net, a file for each channel
images/case_1.nii.gz          masks/case_1.nii.gz
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.data.images.companions import words_of
from equipoise.data.volumes.file import suffix_of
from equipoise.data.volumes.options import RawCase
from equipoise.data.volumes.roles import role_of

IMAGES = re.compile("(images?|imgs?|volumes?|scans?)(_?tr(ain)?)?")
LABELS = re.compile(
    "(labels?|masks?|segs?|segmentations?|annotations?|gts?|ground_?truths?)(_?tr(ain)?)?"
)
UNLABELED = re.compile("(images?|imgs?)_?(ts|test)")
CHANNEL = re.compile(r"(.+)_(\d{4})")
IMAGE = "image"  # the modality of cases of one image


@dataclass(frozen=True, kw_only=True)
class PairedCases:
    """Cases of two folders.

    Attributes:
        cases: The cases; one without a label map has none.
        folders: The folders that are read, and those of images without label maps beside them.
        unlabeled: The latter alone.
    """

    cases: tuple[RawCase, ...]
    folders: tuple[Path, ...]
    unlabeled: tuple[Path, ...]


def paired_cases(root: Path, files_of: Mapping[Path, Sequence[Path]]) -> PairedCases:
    """Return the cases of each folder of images that has one folder of label maps beside it.

    Every label map has to be named like the image, or like the images of the channels.

    Args:
        root: The folder that is read.
        files_of: Folder -> the volumes directly in it.
    """
    cases: list[RawCase] = []
    folders: list[Path] = []
    unlabeled: list[Path] = []
    for folder, files in files_of.items():
        beside = [other for other in files_of if other.parent == folder.parent and other != folder]
        label_folders = [other for other in beside if LABELS.fullmatch(words_of(other.name))]
        if not IMAGES.fullmatch(words_of(folder.name)) or len(label_folders) != 1:
            continue
        label_files = {stem_of(file): file for file in files_of[label_folders[0]]}
        images = images_of_cases(folder, files, label_files)
        if not label_files.keys() <= images.keys():
            continue
        for name, modalities in images.items():
            case = (folder.parent / name).relative_to(root).as_posix()
            cases.append(RawCase(id=case, images=modalities, label_file=label_files.get(name)))
        folders += [folder, *label_folders]
        unlabeled += [other for other in beside if UNLABELED.fullmatch(words_of(other.name))]
    return PairedCases(
        cases=tuple(cases), folders=(*folders, *unlabeled), unlabeled=tuple(unlabeled)
    )


def images_of_cases(
    folder: Path, files: Sequence[Path], label_files: Mapping[str, Path]
) -> dict[str, dict[str, Path]]:
    """Return case -> modality -> image, of a folder of images."""
    names = channel_names(folder.parent / "dataset.json")
    images: dict[str, dict[str, Path]] = {}
    for file in files:
        stem = stem_of(file)
        channel = None if stem in label_files else CHANNEL.fullmatch(stem)
        case, modality = stem, IMAGE
        if channel is not None:
            case, modality = channel[1], names.get(str(int(channel[2])), channel[2])
        images.setdefault(case, {})[modality] = file
    return images


def channel_names(path: Path) -> dict[str, str]:
    """Return number of a channel -> modality, as a `dataset.json` names it; empty without one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stored = content.get("channel_names") or content.get("modality") or {}
        names = {str(number): role_of(str(name)) for number, name in stored.items()}
    except (OSError, ValueError, AttributeError):
        return {}
    return names if len(set(names.values())) == len(names) else {}


def stem_of(file: Path) -> str:
    """Return the name of a volume without its suffix."""
    return file.name[: -len(suffix_of(file))]
