"""Every reader of files that come from outside, each with valid files to start from."""

import gzip
import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from equipoise.data.images.options import ReadOptions
from equipoise.data.phantoms.brains import write_brains
from equipoise.data.reading import outline, read, read_volumes
from equipoise.data.volumes.options import VolumeOptions
from equipoise.randomness import make_rng
from equipoise.testing.image_runs import Arm, write_image_run
from tools.fuzz import bombs
from tools.fuzz.isolation import Attempt
from tools.fuzz.mutations import (
    Rng,
    damage,
    damage_head,
    damage_json,
    damage_nifti,
    damage_png,
    damage_text,
)

Files = Mapping[str, bytes]  # path inside a folder -> content
Mutation = Callable[[bytes, Rng], bytes]
SIDE = 16  # px that images are resized to
BOMB_EVERY = 100  # inputs of a reader


@dataclass(frozen=True)
class Target:
    """A reader, a folder that it accepts, and what is damaged in it.

    Attributes:
        files: The folder.
        victims: The files of which one is damaged.
        mutations: How.
        read: Reads a folder.
        bomb: Makes a small file that unpacks to gigabytes, which takes seconds; None without one.
    """

    files: Files
    victims: tuple[str, ...]
    mutations: tuple[Mutation, ...]
    read: Callable[[Path], object]
    bomb: Mutation | None = None


def make_attempt(seed: int, scratch: Path) -> Attempt:
    """Return the attempt that writes and reads input i; the readers take turns."""
    targets = list(all_targets(scratch).values())

    def attempt(index: int) -> object:
        rng = make_rng(seed, "reader", index)
        target = targets[index % len(targets)]
        victim = target.victims[rng.integers(len(target.victims))]
        mutation = target.mutations[rng.integers(len(target.mutations))]
        if target.bomb is not None and index // len(targets) % BOMB_EVERY == BOMB_EVERY - 1:
            victim, mutation = target.victims[0], target.bomb
        folder = scratch / "input"
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in target.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(mutation(content, rng) if name == victim else content)
        return target.read(folder)

    return attempt


def all_targets(scratch: Path) -> dict[str, Target]:
    """Return what `equipoise` reads, by name."""
    images = {suffix: _image_folder(suffix) for suffix in ("png", "jpeg", "tiff")}
    table = {**images["png"], "labels.csv": _table(images["png"])}
    volumes = _volumes(scratch, ".nii")
    zipped = {name + ".gz": gzip.compress(content, mtime=0) for name, content in volumes.items()}
    metaimages = _volumes(scratch, ".mha")
    run = _run(scratch)
    json_files = tuple(name for name in run if name.endswith(".json"))
    other_files = tuple(name for name in run if not name.endswith(".json"))
    return {
        "png": Target(
            images["png"], _first(images["png"]), (damage, damage_png), _read_images, bombs.png
        ),
        "jpeg": Target(images["jpeg"], _first(images["jpeg"]), (damage, damage_head), _read_images),
        "tiff": Target(images["tiff"], _first(images["tiff"]), (damage, damage_head), _read_images),
        "table": Target(table, ("labels.csv",), (damage, damage_text), _read_table),
        "npz": Target(
            {"toy.npz": _npz()}, ("toy.npz",), (damage, damage_head), _read_npz, bombs.npz
        ),
        "nifti": Target(volumes, _first(volumes), (damage_head, damage_nifti), _read_volumes),
        "nii.gz": Target(zipped, _first(zipped), (damage, damage_head), _read_volumes, bombs.nifti),
        "metaimage": Target(
            metaimages, _first(metaimages), (damage_meta, damage), _read_volumes, bombs.metaimage
        ),
        "run json": Target(run, json_files, (damage_json, damage), _read_run),
        "run arrays": Target(run, other_files, (damage, damage_head), _read_run),
    }


def damage_meta(content: bytes, rng: Rng) -> bytes:
    """Damage a line of the header of a MetaImage."""
    start = content.index(b"ElementDataFile")
    end = content.index(b"\n", start) + 1
    return damage_text(content[:end], rng) + content[end:]


def _read_images(folder: Path) -> object:
    outline(folder, ReadOptions())
    return read(folder, ReadOptions(size=SIDE, cache="off", workers=1))


def _read_table(folder: Path) -> object:
    options = ReadOptions(table=folder / "labels.csv", size=SIDE, cache="off", workers=1)
    return read(folder, options)


def _read_npz(folder: Path) -> object:
    return read(folder / "toy.npz", ReadOptions(size=SIDE, cache="off", workers=1))


def _read_volumes(folder: Path) -> object:
    shutil.rmtree(folder.parent / "cache", ignore_errors=True)
    return read_volumes(folder, VolumeOptions(cache=folder.parent / "cache"))


def _read_run(folder: Path) -> object:
    from equipoise.data.splits import load_splits  # noqa: F401 (imported with the readers)
    from equipoise.runs.run import open_run
    from equipoise.runs.stage_seconds import read_stage_seconds
    from equipoise.time_plan.plan import read_plan

    run = open_run(folder)
    read_plan(folder)
    read_stage_seconds(folder)
    return run.images, run.histories, run.duplicates, run.examples, run.synthetic


def _first(files: Files) -> tuple[str, ...]:
    return (next(iter(files)),)


def _image_folder(suffix: str) -> dict[str, bytes]:
    rng = make_rng("fuzz", suffix)
    files = {}
    for label in ("benign", "cancer"):
        for i in range(3):
            pixels = rng.integers(0, 256, (20, 24)).astype(np.uint8)
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, format=suffix)
            files[f"{label}/{i}.{suffix}"] = stream.getvalue()
    return files


def _table(files: Files) -> bytes:
    lines = ["file,label,patient,split"]
    for i, name in enumerate(files):
        label = name.partition("/")[0]
        lines.append(f"{name},{label},p{i},{('train', 'test')[i % 2]}")
    return ("\n".join(lines) + "\n").encode()


def _npz() -> bytes:
    rng = make_rng("fuzz", "npz")
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = rng.integers(0, 256, (6, 28, 28)).astype(np.uint8)
        arrays[f"{part}_labels"] = np.array([[0], [0], [0], [1], [1], [1]])
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def _volumes(scratch: Path, suffix: str) -> dict[str, bytes]:
    """Return two cases of a modality and its label map, images first."""
    import SimpleITK

    brains = write_brains(scratch / "brains", 2, side=16, depth=8)
    files: dict[str, bytes] = {}
    for name in ("flair", "seg"):
        for case in sorted(brains.iterdir()):
            image = SimpleITK.ReadImage(str(case / f"{name}.nii.gz"))
            path = scratch / f"volume{suffix}"
            SimpleITK.WriteImage(image, str(path), useCompression=False)
            files[f"{case.name}/{name}{suffix}"] = path.read_bytes()
    return files


def _run(scratch: Path) -> dict[str, bytes]:
    """Return the files of a run of before checksums."""
    folder = scratch / "stored"
    arms = {"none": Arm(1.2, -1.0), "shifted": Arm(1.2, 0.0)}
    write_image_run(folder, arms, n_seeds=1, counts=(12, 6), failed=[("shifted", "split-0", 0)])
    (folder / "seconds.json").write_text(json.dumps({"reading": 1.0, "training": 2.0}))
    pairs = {"exact": [["a", "b"]], "near": [], "conflicting": [], "crossing": {}}
    (folder / "duplicates.json").write_text(json.dumps(pairs))
    images = np.zeros((4, 1, 8, 8), dtype=np.uint8)
    with (folder / "examples.npz").open("wb") as file:
        np.savez(file, images=images, labels=np.array([0, 0, 1, 1]))
    history = folder / "cells/none/split-0/seed-0/history.csv"
    history.write_text("stage,step,name,value\nclassifier,1,loss,0.5\nclassifier,2,loss,0.4\n")
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
