"""Cases whose files only their names tell apart: all in one folder, or label maps elsewhere.

volume-0.nii               segmentation-0.nii                           LiTS
Case00.mha                 Case00_segmentation.mha                      PROMISE12
p7_t1.nii.gz, p7_t2.nii.gz p7_seg.nii.gz
sub-7/ses-1/dwi/sub-7_ses-1_dwi.nii.gz                                  BIDS, ISLES
                           derivatives/sub-7/ses-1/sub-7_ses-1_msk.nii.gz
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from equipoise.data.volumes.file import suffix_of
from equipoise.data.volumes.options import RawCase
from equipoise.data.volumes.roles import LABEL, LABEL_WORDS, MASK, UNCLEAR, role_of

IMAGE = "image"  # the modality of cases of one image
IMAGE_WORDS = "images?|imgs?|volumes?|vols?|scans?|ct|mri?"
NUMBERED = re.compile(rf"({LABEL_WORDS}|{IMAGE_WORDS}|masks?|msk)(\d+)")  # label0001
NO_NAMES = re.compile(rf"{LABEL_WORDS}|{IMAGE_WORDS}|masks?|msk")
DERIVATIVES = "derivatives"
ENTITIES = re.compile(r"(sub-[^_]+)(?:_(ses-[^_]+))?_(.+)")  # of a name in BIDS

Files = dict[str, Path]  # role or modality -> file


def words_of_name(stem: str) -> tuple[str, ...]:
    """Return the words of a name in lower case; a number after "label" or "image" is a word.

    Example:
        >>> words_of_name("Case00_T1w"), words_of_name("label0001")
        (('case00', 't1w'), ('label', '0001'))
    """
    words: list[str] = []
    for word in re.split(r"[\W_]+", stem.lower()):
        numbered = NUMBERED.fullmatch(word)
        words += [word] if numbered is None else numbered.group(1, numbered.lastindex or 1)
    return tuple(filter(None, words))


def key_of(stem: str) -> tuple[str, ...]:
    """Return the words of a name that are not of its kind: what image and label map share.

    Example:
        >>> key_of("segmentation-0"), key_of("volume-0"), key_of("Case00_segmentation")
        (('0',), ('0',), ('case00',))
    """
    return tuple(word for word in words_of_name(stem) if not NO_NAMES.fullmatch(word))


def stem_of(file: Path) -> str:
    """Return the name of a volume without its suffix."""
    return file.name[: -len(suffix_of(file))]


def cases_in_one_folder(root: Path, folder: Path, files: Sequence[Path]) -> list[RawCase]:
    """Return the cases of a folder with several label maps; none where names do not tell them.

    The words of a label map, without those of its kind, are in the names of its images, and the
    other words of these are the modality.

    Args:
        root: The folder that is read.
        folder: The folder of the files.
        files: The volumes directly in it.
    """
    label_of: dict[tuple[str, ...], Path] = {}
    scans: list[Path] = []
    for file in files:
        if role_of(stem_of(file)) != LABEL:
            scans.append(file)
        elif label_of.setdefault(key_of(stem_of(file)), file) != file:
            return []
    if len(label_of) < 2 or () in label_of:
        return []
    files_of: dict[str, Files] = {}
    for key, file in label_of.items():
        files_of["_".join(key)] = {LABEL: file}
    for file in scans:
        words = words_of_name(stem_of(file))
        keys = [key for key in label_of if set(key) <= set(words)]
        longest = [key for key in keys if len(key) == max(map(len, keys))]
        if len(longest) > 1:
            return []
        name, role = "_".join(key_of(stem_of(file))), IMAGE
        if longest:
            rest = [word for word in words if word not in longest[0]]
            is_plain = all(NO_NAMES.fullmatch(word) for word in rest)
            name, role = "_".join(longest[0]), IMAGE if is_plain else role_of("_".join(rest))
        if role in files_of.setdefault(name, {}):
            return []
        files_of[name][role] = file
    if not any(len(roles) > 1 for roles in files_of.values()):
        return []
    return [case_of((folder / name).relative_to(root), roles) for name, roles in files_of.items()]


def bids_cases(root: Path, files_of: Mapping[Path, Sequence[Path]]) -> list[RawCase]:
    """Return the cases of a data set in BIDS whose label maps are below `derivatives`.

    A subject is a patient. None where it is no such data set, or has other volumes there than
    label maps and brain masks.

    Args:
        root: The folder that is read.
        files_of: Folder -> the volumes directly in it.
    """
    cases: dict[str, Files] = {}
    n_labels = 0
    for folder, files in files_of.items():
        is_derived = DERIVATIVES in folder.relative_to(root).parts
        for file in files:
            entities = ENTITIES.fullmatch(stem_of(file))
            if entities is None:
                return []
            name = "/".join(filter(None, entities.group(1, 2)))
            role = role_of(entities[3])
            if is_derived and role not in (LABEL, MASK, UNCLEAR):
                return []
            if is_derived and role == UNCLEAR:
                role = LABEL
            n_labels += is_derived and role == LABEL
            if role in cases.setdefault(name, {}):
                return []
            cases[name][role] = file
    if not n_labels:
        return []
    named = []
    for name, roles in cases.items():
        named.append(replace(case_of(Path(name), roles), patient=name.partition("/")[0]))
    return named


def case_of(name: Path, roles: Mapping[str, Path]) -> RawCase:
    """Return the case of a name with its files."""
    images = {role: file for role, file in roles.items() if role not in (LABEL, MASK)}
    return RawCase(
        id=name.as_posix(), images=images, label_file=roles.get(LABEL), mask_file=roles.get(MASK)
    )


def by_key(label_files: Mapping[str, Path], stems: Sequence[str]) -> dict[str, Path]:
    """Return the label maps by the names of their images, where both only share words.

    Args:
        label_files: Name -> label map.
        stems: Names of the images.

    Returns:
        Name of the image -> label map, or `label_files` where they are not one to one.

    Example:
        >>> by_key({"Case00_segmentation": Path("a.nii")}, ["Case00"])
        {'Case00': PosixPath('a.nii')}
    """
    n_images = Counter(map(key_of, stems))
    image_of = {key_of(stem): stem for stem in stems}
    renamed = {}
    for name, file in label_files.items():
        key = key_of(name)
        if n_images[key] != 1:
            return dict(label_files)
        renamed[image_of[key]] = file
    return renamed if len(renamed) == len(label_files) else dict(label_files)
