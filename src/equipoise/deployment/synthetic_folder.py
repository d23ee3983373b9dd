"""A folder of synthetic images: what lies in it, how it is written whole, and when it may be written again."""

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.arrays import Images
from equipoise.atomic import atomic_folder, make_folder, read_json, write_json
from equipoise.data.images.encoding import encode, suffix_for
from equipoise.data.images.listing import SPLIT_NAMES, first_few
from equipoise.exceptions import SettingError
from equipoise.training.progress import report

MANIFEST, TABLE, AUDIT, REFUSED = "manifest.json", "manifest.csv", "audit.json", "REFUSED.txt"
COLUMNS = ("file", "label", "sha256", "synthetic")
NOTE = (
    "Every image in this folder is synthetic: a program drew it, it shows no patient. It must not be used to "
    "diagnose, and not be taken for a real image in a study."
)
UNSAFE = re.compile(r"[^\w.+=(), -]")  # in a folder's name


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The images of one class.

    Attributes:
        label: Of the class.
        name: Of the class.
        folder: Of its images, in the folder of all.
        images: (n, c, h, w) in storage type.
    """

    label: int
    name: str
    folder: str
    images: Images


def class_folders(class_names: Sequence[str]) -> list[str]:
    """Name a folder for each class: by its name, with dashes for what no folder should be called.

    The names differ in more than case, and none is that of a part of a split ("train"), so that the folder reader
    finds the classes again.
    """
    folders: list[str] = []
    for label, name in enumerate(class_names):
        folder = UNSAFE.sub("-", name).strip(" .-") or "class"
        while folder.lower() in {*SPLIT_NAMES, *map(str.lower, folders)}:
            folder += f"-{label}"
        folders.append(folder)
    return folders


def check_target(folder: Path, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """See whether a folder may be written.

    Returns:
        The manifest where the folder holds the images of the same plan, whole and unchanged; None where it is
        absent, empty, or holds nothing but an earlier refusal.

    Raises:
        SettingError: It holds anything else, which is never touched, or no folder can be written there.
    """
    make_folder(folder.parent)  # a place that cannot be written is refused before any work
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise SettingError(
            f"Expected a folder for the images, {folder} is a file. Name another one with --out."
        )
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if found <= {AUDIT, REFUSED}:
        return None
    if (manifest := _manifest(folder)) is None or {**manifest, **_plain(plan)} != manifest:
        names = first_few(sorted(found), 3)
        raise SettingError(
            f"{folder} holds other files ({names}), not the images of the same command. Name another folder with "
            "--out."
        )
    if bad := sorted(_altered(folder, manifest) | ({*manifest["files"], MANIFEST, TABLE} ^ found)):
        raise SettingError(
            f"{folder} holds the images of this command, but these files are missing, changed or not of them: "
            f"{first_few(bad)}. Delete the folder, or name another one with --out."
        )
    return manifest


def write_images(
    folder: Path, plan: Mapping[str, Any], judged: Mapping[str, Any], parts: Sequence[Part]
) -> dict[str, Any]:
    """Write images, `manifest.json` and `manifest.csv`, all or nothing; the same arguments give the same bytes.

    Args:
        folder: See `check_target`.
        plan: JSON values, known before anything was made; "stem" begins the files' names, and "maker" names
            program, method and seed inside each file.
        judged: JSON values: what the audit found and how it was decided.
        parts: The images.

    Returns:
        The manifest.
    """
    with atomic_folder(folder) as temporary:
        rows = list(_write_parts(temporary, plan, parts))
        manifest = _plain(
            {**plan, **judged, "note": NOTE, "files": {file: digest for file, _, digest in rows}}
        )
        write_json(temporary / MANIFEST, manifest)
        with (temporary / TABLE).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows((*row, 1) for row in rows)
    return manifest


def write_refusal(folder: Path, judged: Mapping[str, Any], sentence: str) -> None:
    """Write what the audit found, and no image."""
    with atomic_folder(folder) as temporary:
        write_json(temporary / AUDIT, judged)
        (temporary / REFUSED).write_text(f"{sentence}\n", encoding="utf-8")


def _write_parts(
    folder: Path, plan: Mapping[str, Any], parts: Sequence[Part]
) -> Iterator[tuple[str, str, str]]:
    """Write the images; give path, class and SHA-256 of each."""
    for part in parts:
        (folder / part.folder).mkdir()
        for i, image in enumerate(part.images, 1):
            file = f"{part.folder}/{plan['stem']}_{i:06d}{suffix_for(part.images)}"
            content = encode(image, f"{plan['maker']}, index {i}")
            (folder / file).write_bytes(content)
            report(f"writing {part.name}", i, len(part.images))
            yield file, part.name, hashlib.sha256(content).hexdigest()


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        found = read_json(folder / MANIFEST)
        return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else None
    except (OSError, ValueError):
        return None


def _altered(folder: Path, manifest: Mapping[str, Any]) -> set[str]:
    """Name the files of a manifest that are missing or changed; only those below the folder are looked at."""
    return {file for file, digest in manifest["files"].items() if _digest(folder, file) != digest}


def _digest(folder: Path, file: str) -> str | None:
    path = folder / file
    if not (path.resolve().is_relative_to(folder.resolve()) and path.is_file()):
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Turn into what JSON gives back."""
    return dict(json.loads(json.dumps(value)))
