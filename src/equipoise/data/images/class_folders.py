"""Folders that are no classes, although they lie where class folders do.

They are patients, sites or folds, whose own folders are the classes; the one folder of an archive;
a second copy of the data; or what somebody set aside. Training on them answers no question.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from posixpath import commonpath

from equipoise.data.images.companions import words_of
from equipoise.data.images.listing import first_few
from equipoise.data.positive_class import sounds_healthy
from equipoise.data.walking import ignore_hint, ignore_options

UNIT = re.compile(
    r"((.*_)?(patients?|pat|pt|subjects?|subj|sub|participant|donor|case|person|individual|animal|"
    r"mouse|folds?|site|hospital|cent(er|re)|clinic|cohort|batch|scanner|visit|session|scan|exam|"
    r"slide|series|part|run|shard|chunk|images?|data|dataset)_?(\d+|[a-z])|[ps]_?\d{2,})"
)
CLASS_WORD = re.compile(
    r"(class|classe|grade|grad|stage|type|category|cat|label|kl|score|level|group|isup|bi_?rads|"
    r"cluster|c|cl|cls|t|g)_?"
)
SET_ASIDE = re.compile(
    r"exclu(ded?|sions?)|discard(ed)?|trash|junk|unsorted|unused|to_?do|do_not_use|"
    r"new_folder(_\d+)?|backup|te?mp|duplicates?|augment(ed|ations?)|screenshots?"
)
QUALITY = re.compile(r"(bad|poor|low|insufficient)_quality|ungrad(e)?able|unreadable|unusable")
ABOUT_QUALITY = re.compile(r".*quality|gradable|readable|usable|good|reject|accept(able|ed)?")
VERSION = re.compile(
    r"(.+)_(old|copy(_\d+)?|copies|backup|bak|aug(mented|mentation)?|flipped|rotated|resized|"
    r"cropped|duplicates?|tmp|excluded|unused)"
)
MOST_NUMBERED = 10  # folders that are numbered; more of them are patients
FEW = 10  # images of a class
SHARE = 0.9  # of the folders that have folders of the same names


def folder_faults(root: Path, names: Sequence[str], files: Sequence[str]) -> list[str]:
    """Return why some folders are no classes, a sentence for each fault.

    Args:
        root: The folder that contains them.
        names: Their names.
        files: Paths of images relative to the root.

    Example:
        >>> (fault,) = folder_faults(Path("films"), ["siteA", "siteB"], ["siteA/ill/1.png"])
        >>> fault[:52]
        'the folders seem to be patients, sites or parts of t'
        >>> folder_faults(Path("films"), ["benign", "malignant"], ["benign/1.png"])
        []
    """
    inner = folders_inside(names, files)
    if len(names) == 1:
        return _faults_below(root, names[0], files)
    if are_units(names, files, inner):
        below = sorted(set().union(*inner.values()))
        classes = f" Their own folders ({first_few(below)}) may be the classes." if below else ""
        return [
            "the folders seem to be patients, sites or parts of the data, not classes: "
            f"{first_few(names)}.{classes} Put the class folders first (class/patient/image), or "
            "list the images with their labels and patients in a table (--table CSV)."
        ]
    faults: list[str] = []
    copies = [name for name in names if len(inner[name].intersection(names) - {name}) > 1]
    if copies:
        faults.append(
            f"{first_few(copies)} contains folders called like the classes beside it "
            f"({first_few(sorted(inner[copies[0]].intersection(names)))}): it may be a second "
            f"copy of the data. Leave it out with {ignore_hint(copies)}, or rename its folders."
        )
    aside = set_aside(names)
    if aside:
        faults.append(
            f"folders that seem to be set aside, not classes: {first_few(aside)}. Leave "
            f"them out with ignore ({ignore_options(aside)}), or rename them if they are classes."
        )
    return faults


def _faults_below(root: Path, name: str, files: Sequence[str]) -> list[str]:
    """Return what is wrong with one folder in the place of classes: they may be deeper in it."""
    folders = [PurePosixPath(file).parent for file in files if file.startswith(f"{name}/")]
    if not folders:
        return []
    common = PurePosixPath(commonpath(map(str, folders)))
    depth = len(common.parts)
    below = sorted({folder.parts[depth] for folder in folders if len(folder.parts) > depth})
    if len(below) < 2:
        return []
    inside = [file.removeprefix(f"{common}/") for file in files if file.startswith(f"{common}/")]
    if are_units(below, inside, folders_inside(below, inside)):
        return folder_faults(root / common, below, inside)
    return [
        f"expected at least 2 class folders, got one, whose folders ({first_few(below)}) may be "
        f"the classes: give {shlex.quote(str(root / common))} in its place."
    ]


def folders_inside(names: Sequence[str], files: Sequence[str]) -> dict[str, set[str]]:
    """Return name -> folders directly in it that contain images."""
    inner: dict[str, set[str]] = {name: set() for name in names}
    for file in files:
        parts = file.split("/")
        if len(parts) > 2 and parts[0] in inner:
            inner[parts[0]].add(parts[1])
    return inner


def are_units(names: Sequence[str], files: Sequence[str], inner: Mapping[str, set[str]]) -> bool:
    """Return whether folders are patients, sites or folds, by their names or what they contain."""
    if len(names) < 2:
        return False
    if all(UNIT.fullmatch(words_of(name)) for name in names):
        return True
    patterns = {re.sub(r"\d+", "0", words_of(name)) for name in names}
    are_numbered = len(patterns) == 1 and "0" in min(patterns)
    if are_numbered and len(names) > MOST_NUMBERED:
        is_word = CLASS_WORD.fullmatch(min(patterns).rstrip("0"))
        if not is_word and len(files) < FEW * len(names):
            return True
    return have_classes_inside(names, inner)


def have_classes_inside(names: Sequence[str], inner: Mapping[str, set[str]]) -> bool:
    """Return whether most folders contain folders of the same names, of which one sounds healthy.

    Example:
        >>> have_classes_inside(["man", "woman"], {"man": {"ill", "normal"}, "woman": {"normal"}})
        True
        >>> have_classes_inside(["ill", "normal"], {"ill": {"left"}, "normal": {"left", "right"}})
        False
    """
    below = sorted(set().union(*inner.values()))
    n_divided = sum(bool(folders) for folders in inner.values())
    n_times = [sum(name in folders for folders in inner.values()) for name in below]
    if not 2 <= len(below) <= max(MOST_NUMBERED, len(names)) or max(n_times) < 2:
        return False
    if n_divided < SHARE * len(names) or any(sounds_healthy(name, names) for name in names):
        return False
    return any(sounds_healthy(name, below) for name in below)


def set_aside(names: Sequence[str]) -> list[str]:
    """Return the names of what is left over: excluded, augmented, or a version of another folder.

    Example:
        >>> set_aside(["ill", "well", "ill - Copy", "excluded", "old infarct"])
        ['ill - Copy', 'excluded']
        >>> set_aside(["good quality", "bad quality"]), set_aside(["ill", "well", "bad quality"])
        ([], ['bad quality'])
    """
    words = {name: words_of(name) for name in names}
    aside = []
    for name, text in words.items():
        version = VERSION.fullmatch(text)
        is_version = version is not None and version[1] in words.values()
        other_classes = [other for key, other in words.items() if key != name]
        is_poor = QUALITY.fullmatch(text) and not any(map(ABOUT_QUALITY.fullmatch, other_classes))
        if is_version or is_poor or SET_ASIDE.fullmatch(text):
            aside.append(name)
    return aside
