"""Find what lies beside images without being one: masks, labels, fields of view, other versions.

A name is split into words at everything that is not a letter or digit, and where a capital follows
a small letter. Files are companions of images

    by folder     that is called like them: masks, labelsTr, lung masks, 1st_manual, GroundTruth
    by last word  x_mask.png, x-gt.png; before numbers (x_mask_1.png), and what is made of an image
                  (x_flip.png, x - Copy.png), only where x.png is there
    by first word mask_x.png, aug_x.png, where x.png or image_x.png is there
    by ending     x-d.bmp, where at least half of the other files x.bmp have one
    by place      foo/x.png beside images/x.png, where at least half of the files have one
    by parts      cropped/x_1.png below x.png, where at least half of the files have one
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

WORDS = (
    r"masks?|labels?|segmentations?|segm?s?|annotations?|annotated|ground_?truths?|gts?|fovs?"
    r"|contours?|overlays?|heat_?maps?|saliency(_maps?)?|boundar(y|ies)|outlines?|tri_?maps?|manual"
    r"|(grad|score|layer)_?cams?|(attention|probability|prob)_?maps?|predictions?"
)
# What is made of an image: only beside that image.
VERSIONS = (
    r"aug(mented|mentation)?|(h|v|hor|ver)?_?flip(ped)?|mirror(ed)?|rot(ated?|ation)?(_?\d+)?|thumb"
    r"|preview|copy|resized|noisy|blurr?(ed)?|clahe|equali[sz]ed|inverted"
)
PLURALS = r"masks|labels|segmentations|annotations|ground_?truths?|gts?|fovs|contours|overlays"
FOLDER = re.compile(
    rf"({WORDS})|(.*_)({PLURALS})|({PLURALS})_.*|(mask|label|annotation)_(images?|files?|png)"
    r"|labels?_?(tr|ts)|(1st|2nd|first|second)_manual|segmentation_(class|object)"
)
LAST_WORD = re.compile(rf"(.+)([-_. (\[]({WORDS}|{VERSIONS})[)\]]?)([\W_]*\d+\W*)?", re.IGNORECASE)
MADE = re.compile(VERSIONS, re.IGNORECASE)
FIRST_WORD = re.compile(rf"(({WORDS}|{VERSIONS})[\W_]+)(.+)", re.IGNORECASE)
ENDING = re.compile(r"([\W_]+[A-Za-z][A-Za-z0-9]*)+([\W_]\d+)?")
PARTS = re.compile(r"(.*_)?(crop(s|ped)?|cut_?outs?|rois?|tiles?|patch(es)?)(_images?)?")
IMAGE_WORDS = ("", "image_", "image-", "img_", "img-", "im_", "x_")
IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "original", "originals", "raw"})
SEPARATORS = "-_. (["
SHARE = 0.5  # of the images that have a companion, from which on an ending or a folder is one


def find_companions(files: Iterable[str]) -> dict[str, list[str]]:
    """Return pattern -> companions of images that it matches.

    Args:
        files: Paths with "/" relative to the folder that is read.

    Example:
        >>> find_companions(["ill/1.png", "ill/1_mask.png", "well/2.png", "well/2_mask.png"])
        {'*_mask.*': ['ill/1_mask.png', 'well/2_mask.png']}
        >>> find_companions(["ill/images/a.png", "ill/masks/a.png"])
        {'masks': ['ill/masks/a.png']}
    """
    remaining = [PurePosixPath(file) for file in files]
    companions: dict[str, list[str]] = defaultdict(list)
    for rule in (by_folder, by_word, by_ending, by_place, by_parts):
        patterns = rule(remaining)
        for file, pattern in patterns.items():
            companions[pattern].append(str(file))
        remaining = [file for file in remaining if file not in patterns]
    return dict(companions)


@lru_cache(maxsize=4096)  # the same folders for every file
def words_of(name: str) -> str:
    """Return the words of a name in lower case, with "_" between them.

    Example:
        >>> words_of("LungMasks (2)")
        'lung_masks_2'
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.sub(r"[\W_]+", "_", spaced.lower()).strip("_")


def by_folder(files: Sequence[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Return file -> name of its folder, where that is called like companions."""
    patterns: dict[PurePosixPath, str] = {}
    for file in files:
        for part in file.parts[:-1]:
            if FOLDER.fullmatch(words_of(part)):
                patterns.setdefault(file, part)
    return patterns


def by_word(files: Sequence[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Return file -> pattern, of those whose first or last word is one of companions."""
    stems = {(scope(file), file.stem) for file in files}
    patterns = {}
    for file in files:
        last = LAST_WORD.fullmatch(file.stem)
        first = FIRST_WORD.fullmatch(file.stem)
        if last is not None:
            base, tag, word, number = last[1], last[2], last[3].lower(), last.groups()[-1]
            is_clear = number is None and not MADE.fullmatch(word)
            if is_clear or (scope(file), base.rstrip(SEPARATORS)) in stems:
                patterns[file] = f"*{tag}.*" if number is None else f"*{tag}*"
        if first is not None and file not in patterns:
            rest = first.groups()[-1]
            bases = [(scope(file), word + rest) for word in IMAGE_WORDS]
            if made := LAST_WORD.fullmatch(rest):  # aug_x_flip
                bases.append((scope(file), made[1].rstrip(SEPARATORS)))
            if stems.intersection(bases):
                patterns[file] = f"{first[1]}*"
    return patterns


def by_ending(files: Sequence[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Return file -> pattern, of those that most other files have with the same ending."""
    stems = {(scope(file), file.stem) for file in files}
    endings: dict[str, list[PurePosixPath]] = defaultdict(list)
    for file in files:
        for separator in re.finditer(r"[\W_]+", file.stem):
            base, ending = file.stem[: separator.start()], file.stem[separator.start() :]
            if ENDING.fullmatch(ending) and (scope(file), base) in stems:
                endings[ending].append(file)
    n_without = len(files) - len({file for group in endings.values() for file in group})
    patterns = {}
    for ending, group in endings.items():
        if len(group) >= SHARE * n_without:
            patterns.update(dict.fromkeys(group, f"*{ending}.*"))
    return patterns


def by_place(files: Sequence[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Return file -> name of its folder, of those that repeat the files of a folder "images"."""
    by_stem: dict[PurePosixPath, dict[str, PurePosixPath]] = defaultdict(dict)
    for file in files:
        if not file.stem.isdecimal():
            by_stem[file.parent][file.stem] = file
    patterns = {}
    for folder, images in by_stem.items():
        if folder.name.lower() not in IMAGE_FOLDERS:
            continue
        for other, others in by_stem.items():
            is_beside = other.parent == folder.parent and other != folder
            if is_beside and other.name.lower() not in IMAGE_FOLDERS:
                pairs = images.keys() & others.keys()
                if len(pairs) >= SHARE * len(images):
                    patterns.update(dict.fromkeys(others.values(), other.name))
    return patterns


def by_parts(files: Sequence[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Return file -> name of its folder, of those that are cut out of the images above them."""
    stems: dict[PurePosixPath, set[str]] = defaultdict(set)
    parts: dict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    for file in files:
        stems[file.parent].add(file.stem)
        if PARTS.fullmatch(words_of(file.parent.name)):
            parts[file.parent].append(file)
    patterns = {}
    for folder, inside in parts.items():
        whole = stems.get(folder.parent, set())
        n_of_image = 0
        for file in inside:
            ends = [separator.start() for separator in re.finditer(r"[\W_]", file.stem)]
            n_of_image += any(file.stem[:end] in whole for end in (*ends, None))
        if n_of_image >= SHARE * len(inside):
            patterns.update(dict.fromkeys(inside, folder.name))
    return patterns


def scope(file: PurePosixPath) -> str:
    """Return the first folder of a path: companions are searched in the same one."""
    return file.parts[0] if len(file.parts) > 1 else ""
