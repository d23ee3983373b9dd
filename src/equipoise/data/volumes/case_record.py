"""The record of a prepared case, stored beside its arrays in `case.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from equipoise.atomic import JsonFields, read_json, write_json
from equipoise.checksums import check_folder
from equipoise.data.volumes.geometry import Geometry

FILE = "case.json"


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """The source of a prepared case, its crop, how it was prepared, and what was noticed.

    Attributes:
        id: Stable name of the case.
        digest: Hash of the source files and of how they were prepared.
        shape: (z, y, x) of the prepared arrays, which are a crop of the source.
        start: (z, y, x) of the first voxel of the crop in the source.
        geometry: Geometry of the source, before it was cropped.
        counts: (k,) valid voxels of each stored class.
        values: (k,) value of each class in the label files.
        scheme: Name of the label scheme.
        modalities: c names, the channels.
        n4: Whether the bias field was corrected.
        sha256: Modality, "label" or "mask" -> SHA-256 of the source file; empty in old records.
        voxels: Modality -> hash of the voxels as they were read; empty in old records.
        tumor_outside_brain: Tumor voxels outside the brain.
        air_in_mask: Voxels of the brain mask that are background.
        has_background: Whether all images have a constant background.
        has_labels: Whether there was a label file.
        version: Version of the code that prepared the case.
    """

    id: str
    digest: str
    shape: tuple[int, int, int]
    start: tuple[int, int, int]
    geometry: Geometry
    counts: tuple[int, ...]
    values: tuple[int, ...]
    scheme: str
    modalities: tuple[str, ...]
    n4: bool
    sha256: Mapping[str, str]
    tumor_outside_brain: int
    air_in_mask: int
    has_background: bool
    has_labels: bool
    version: int
    voxels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: JsonFields) -> Self:
        """Build the record from the content of `case.json`."""
        return cls(
            id=stored["id"],
            digest=stored["digest"],
            shape=tuple(stored["shape"]),
            start=tuple(stored["start"]),
            geometry=Geometry(
                shape=tuple(stored["full_shape"]),
                spacing_mm=tuple(stored["spacing_mm"]),
                origin=tuple(stored["origin"]),
                direction=tuple(stored["direction"]),
            ),
            counts=tuple(stored["counts"]),
            values=tuple(stored["values"]),
            scheme=stored["scheme"],
            modalities=tuple(stored["modalities"]),
            n4=stored.get("n4", False),
            sha256=stored.get("sha256", {}),
            tumor_outside_brain=stored["tumor_outside_brain"],
            air_in_mask=stored["air_in_mask"],
            has_background=stored["has_background"],
            has_labels=stored["has_labels"],
            version=stored["version"],
            voxels=stored.get("voxels", {}),
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the record of the case in a folder."""
        return cls.from_json(read_json(folder / FILE))

    def save(self, folder: Path) -> None:
        """Write `case.json`, with the sizes of all files in the folder to notice damage by."""
        fields = {name: value for name, value in vars(self).items() if name != "geometry"}
        geometry = {
            "full_shape": self.geometry.shape,
            "spacing_mm": self.geometry.spacing_mm,
            "origin": self.geometry.origin,
            "direction": self.geometry.direction,
        }
        sizes = {file.name: file.stat().st_size for file in folder.glob("*.npy")}
        write_json(folder / FILE, {**fields, **geometry, "bytes": sizes})


def is_complete(folder: Path) -> bool:
    """Return whether a folder has a record, and all its files undamaged.

    Records of before checksums state the sizes of the files.
    """
    try:
        check_folder(folder)
        sizes = read_json(folder / FILE)["bytes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, LookupError, TypeError):
        return False
