"""A folder of released synthetic images: its files, and when it may be written."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from equipoise.arrays import Images
from equipoise.atomic import (
    JsonFields,
    JsonObject,
    atomic_folder,
    make_folder,
    read_json,
    write_json,
)
from equipoise.checksums import FOLDER_FILE
from equipoise.csv_cells import write_lines
from equipoise.data.images.encoding import encode, suffix_for
from equipoise.data.images.listing import first_few, split_of
from equipoise.exceptions import SettingError
from equipoise.training.progress import report

MANIFEST, TABLE, AUDIT, REFUSED = "manifest.json", "manifest.csv", "audit.json", "REFUSED.txt"
COLUMNS = ("file", "label", "sha256", "synthetic")
NOTE = (
    "Every image in this folder is synthetic: a program drew it, it shows no patient. It must not "
    "be used to diagnose, and not be taken for a real image in a study."
)
UNSAFE = re.compile(r"[^\w.+=(), -]")  # in the name of a folder

Manifest = dict[str, Any]  # manifest.json


@dataclass(frozen=True, kw_only=True)
class GenerationPlan:
    """All that decides which images are generated, known in advance: a part of the manifest.

    Attributes:
        equipoise: Version of this package.
        run: Name of the study.
        maker: Program, method and seed, written into each file.
        stem: The first part of the files' names.
        generator: Method, split, seed, class, settings and SHA-256 of the weights.
        request: Classes, images of each, seed, and the reason to override the audit.
        source: Fingerprints of the run's images and split, command, and class counts.
        images: Storage type and shape.
    """

    equipoise: str
    run: str
    maker: str
    stem: str
    generator: JsonObject
    request: JsonObject
    source: JsonObject
    images: JsonObject

    def to_json(self) -> Manifest:
        """Convert to what JSON gives back: lists for tuples, names for whole numbers as keys."""
        return dict(json.loads(json.dumps(asdict(self))))


@dataclass(frozen=True, kw_only=True)
class ReleaseRecord:
    """Why this generator, what the audit measured, how the release was decided: also in it.

    Attributes:
        why: The reason for the choice of the generator.
        audit: The measures of privacy; None without an audit.
        quality: The measures of quality; None without an audit.
        release: Whether privacy and quality passed, the reasons, and the override.
    """

    why: str
    audit: JsonObject | None
    quality: JsonObject | None
    release: JsonObject


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassImages:
    """The synthetic images of one class.

    Attributes:
        label: Code of the class.
        name: Name of the class.
        folder: Of its images, within the folder of all.
        images: (n, c, h, w) in storage type.
    """

    label: int
    name: str
    folder: str
    images: Images


def class_folders(class_names: Sequence[str]) -> list[str]:
    """Name a folder for each class: its name, with dashes for characters unsafe in a folder.

    The names differ in more than case, and none is that of a part of a split ("train"), so that the
    folder reader recovers the classes.

    Example:
        >>> class_folders(["COVID-19", "a/b", "train"])
        ['COVID-19', 'a-b', 'train-2']
    """
    folders: list[str] = []
    taken: set[str] = set()  # lower case
    for label, name in enumerate(class_names):
        folder = UNSAFE.sub("-", name).strip(" .-") or "class"
        while folder.lower() in taken or split_of(folder):
            folder += f"-{label}"
        folders.append(folder)
        taken.add(folder.lower())
    return folders


def check_target(folder: Path, plan: GenerationPlan) -> Manifest | None:
    """Check whether a folder may be written.

    Returns:
        The manifest if the folder has the images of the same plan, complete and unchanged; None if
        it is absent, empty, or has nothing but an earlier refusal.

    Raises:
        SettingError: It has any other file, which is never touched, or no folder can be written
            there.
    """
    make_folder(
        folder.parent, shared=True
    )  # a place that cannot be written is refused before any work
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise SettingError(
            f"Expected a folder for the images, {folder} is a file. Name another one with --out."
        )
    files = set()
    for path in folder.rglob("*"):
        if not path.is_dir():
            files.add(path.relative_to(folder).as_posix())
    if files <= {AUDIT, REFUSED, FOLDER_FILE}:
        return None
    digests, manifest = read_manifest(folder)
    if {**manifest, **plan.to_json()} != manifest:
        raise SettingError(
            f"{folder} holds other files ({first_few(sorted(files), 3)}), not the images of the "
            "same command. Name another folder with --out."
        )
    wrong = {*digests, MANIFEST, TABLE} ^ files
    for file, digest in digests.items():
        if _digest(folder, file) != digest:
            wrong.add(file)
    if wrong:
        raise SettingError(
            f"{folder} holds the images of this command, but these files are missing, changed or "
            f"not of them: {first_few(sorted(wrong))}. Delete the folder, or name another one "
            "with --out."
        )
    return manifest


def write_images(
    folder: Path, plan: GenerationPlan, record: ReleaseRecord, classes: Sequence[ClassImages]
) -> Manifest:
    """Write images, `manifest.json` and `manifest.csv`, all or nothing.

    Equal arguments give equal bytes.

    Args:
        folder: See `check_target`.
        plan: Known before anything was generated.
        record: What the audit measured and how the release was decided.
        classes: The images.

    Returns:
        The manifest.
    """
    with atomic_folder(folder, shared=True) as temporary:
        rows = list(_write_classes(temporary, plan, classes))
        digests = {file: digest for file, _, digest in rows}
        parts = {**asdict(record), "note": NOTE, "files": digests}
        manifest: Manifest = {**plan.to_json(), **json.loads(json.dumps(parts))}
        write_json(temporary / MANIFEST, manifest)
        with (temporary / TABLE).open("w", newline="", encoding="utf-8") as file:
            write_lines(file, (COLUMNS, *((*row, 1) for row in rows)))
    return manifest


def write_refusal(
    folder: Path, plan: GenerationPlan, measures: JsonFields | None, sentence: str
) -> None:
    """Write what the audit measured (`audit`: privacy; `quality`), and no image."""
    with atomic_folder(folder) as temporary:
        write_json(temporary / AUDIT, {**(measures or {}), "plan": plan.to_json()})
        (temporary / REFUSED).write_text(f"{sentence}\n", encoding="utf-8")


def _write_classes(
    folder: Path, plan: GenerationPlan, classes: Sequence[ClassImages]
) -> Iterator[tuple[str, str, str]]:
    """Write the images; yield path, class and SHA-256 of each."""
    for of_class in classes:
        (folder / of_class.folder).mkdir()
        suffix = suffix_for(of_class.images)
        for i, image in enumerate(of_class.images, 1):
            file = f"{of_class.folder}/{plan.stem}_{i:06d}{suffix}"
            content = encode(image, f"{plan.maker}, index {i}")
            (folder / file).write_bytes(content)
            report(f"writing {of_class.name}", i, len(of_class.images))
            yield file, of_class.name, hashlib.sha256(content).hexdigest()


def read_manifest(folder: Path) -> tuple[dict[str, str], Manifest]:
    """Read the digests of the files, and the whole manifest; both empty if there is none."""
    try:
        manifest = read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return {}, {}
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        return {}, {}
    return manifest["files"], manifest


def _digest(folder: Path, file: str) -> str | None:
    """Compute the SHA-256 of a file; None if it is missing or outside of the folder."""
    path = folder / file
    if not (path.resolve().is_relative_to(folder.resolve()) and path.is_file()):
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()
