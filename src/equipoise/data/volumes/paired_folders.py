"""Cases of the layout with all images in one folder and all label maps in another one.

imagesTr/case_1.nii.gz        labelsTr/case_1.nii.gz    Medical Segmentation Decathlon
imagesTr/case_1_0000.nii.gz   labelsTr/case_1.nii.gz    nnU-Net, a file for each channel
imagesTs/case_2_0000.nii.gz   labelsTs/case_2.nii.gz    beside them, its test cases
images/case_1.nii.gz          masks/case_1.nii.gz
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from equipoise.data.images.companions import words_of
from equipoise.data.images.listing import split_of
from equipoise.data.volumes.named_cases import IMAGE, by_key, stem_of
from equipoise.data.volumes.options import RawCase
from equipoise.data.volumes.roles import role_of
from equipoise.exceptions import DataError

PART = "(_?(?P<part>tr|ts|train(ing)?|test(ing)?|val|valid(ation)?))?"  # of a split
IMAGES = re.compile(f"(images?|imgs?|volumes?|scans?){PART}")
LABELS = re.compile(
    f"(labels?|masks?|segs?|segmentations?|annotations?|gts?|ground_?truths?){PART}"
)
PART_NAMES = {"": "train", "tr": "train", "ts": "test"}
CHANNEL = re.compile(r"(.+)_(\d{4})")


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

    Both are of the same part of a split, such as imagesTs and labelsTs, and no other folder is.
    Every label map has to be named like the image, or like the images of the channels, apart from
    words such as "segmentation".

    Args:
        root: The folder that is read.
        files_of: Folder -> the volumes directly in it.

    Raises:
        DataError: Two files of a case would be the same image or label map.
    """
    cases: list[RawCase] = []
    folders: list[Path] = []
    parts: set[str] = set()
    for folder, files in files_of.items():
        label_folder = label_folder_of(folder, files_of)
        if label_folder is None:
            continue
        label_files: dict[str, Path] = {}
        for file in files_of[label_folder]:
            add_file(label_files, stem_of(file), file)
        stems = list(map(stem_of, files))
        if label_files.keys().isdisjoint(stems):  # Case00.nii with Case00_segmentation.nii
            label_files = by_key(label_files, stems)
        images = images_of_cases(folder, files, label_files)
        if not label_files.keys() <= images.keys():
            continue
        part = str(part_of(IMAGES, folder))
        for name, modalities in images.items():
            case = (folder.parent / name).relative_to(root).as_posix()
            label = label_files.get(name)
            cases.append(RawCase(id=case, images=modalities, label_file=label, split=part))
        folders += [folder, label_folder]
        parts.add(part)
    if len(parts) < 2:  # not a split
        cases = [replace(case, split="") for case in cases]
    parents = {folder.parent for folder in folders}
    unlabeled: list[Path] = []
    for folder in files_of:
        is_rest = folder.parent in parents and folder not in folders
        if is_rest and part_of(IMAGES, folder) in ("test", "validation"):
            unlabeled.append(folder)
    return PairedCases(
        cases=tuple(cases), folders=(*folders, *unlabeled), unlabeled=tuple(unlabeled)
    )


def label_folder_of(folder: Path, folders: Iterable[Path]) -> Path | None:
    """Return the one folder of label maps beside a folder of images; None without, or with more.

    None also where another folder beside has images of the same part.
    """
    part = part_of(IMAGES, folder)
    beside = [other for other in folders if other.parent == folder.parent and other != folder]
    rivals = [other for other in beside if part_of(IMAGES, other) == part]
    label_folders = [other for other in beside if part_of(LABELS, other) == part]
    return label_folders[0] if part is not None and not rivals and len(label_folders) == 1 else None


def part_of(kind: re.Pattern[str], folder: Path) -> str | None:
    """Return the part of a split that a folder is of, "train" if it names none; None of no kind.

    Example:
        >>> part_of(IMAGES, Path("imagesTs")), part_of(LABELS, Path("masks"))
        ('test', 'train')
        >>> part_of(IMAGES, Path("masks"))
    """
    match = kind.fullmatch(words_of(folder.name))
    if match is None:
        return None
    part = match["part"] or ""
    return PART_NAMES.get(part) or split_of(part)


def add_file(files: dict[str, Path], name: str, file: Path) -> None:
    """Add a file under a name.

    Raises:
        DataError: There is another one.
    """
    if name in files:
        raise DataError(
            f"Expected one file for each image and label map in {file.parent}, got "
            f"{files[name].name} and {file.name}. Move one of them away."
        )
    files[name] = file


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
        add_file(images.setdefault(case, {}), modality, file)
    return images


def channel_names(path: Path) -> dict[str, str]:
    """Return number of a channel -> modality, as a `dataset.json` names it; empty without one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stored = content.get("channel_names") or content.get("modality") or {}
        names = {str(number): role_of(str(name)) for number, name in stored.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    return names if len(set(names.values())) == len(names) else {}
