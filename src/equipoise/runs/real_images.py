"""The real images of a run, which its folder contains only if worker processes read them."""

import zipfile

from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import DataError
from equipoise.runs.store import RunStore

# What reading a damaged copy raises.
DAMAGE = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile)


def packed_images(store: RunStore) -> ImageDataset | None:
    """Read the images that were stored for worker processes; None where there are none.

    Raises:
        DataError: They are damaged, or not the images of the run.
    """
    folder = store.workspace / "dataset" / store.study()["dataset"]["fingerprint"][:16]
    if not (folder / "dataset.json").is_file():
        return None
    try:
        dataset = ImageDataset.load(folder, memory_map=True)
    except DAMAGE as error:
        raise DataError(
            f"Cannot read the images in {folder} ({error}). Delete that folder and give the images."
        ) from error
    check_images_of(store, dataset, str(folder))
    return dataset


def check_images_of(store: RunStore, dataset: ImageDataset, source: str) -> None:
    """Check that images are those of a run: pixels, names, classes and patients.

    Raises:
        DataError: They are not; says what differs.
    """
    asked = store.study()["dataset"]
    if dataset.fingerprint != asked["fingerprint"]:
        raise DataError(
            f"Expected the images that {store.folder} was made from ({_kind(asked)}), got others "
            f"in {source} ({_kind(_describe(dataset))}). Give the same images, unchanged and read "
            "with the same options."
        )


def _describe(dataset: ImageDataset) -> dict[str, object]:
    return {
        "n_images": len(dataset),
        "shape": list(dataset.images.shape[1:]),
        "dtype": str(dataset.images.dtype),
        "fingerprint": dataset.fingerprint,
    }


def _kind(asked: dict[str, object]) -> str:
    n, shape, dtype, digest = (asked[key] for key in ("n_images", "shape", "dtype", "fingerprint"))
    return f"{n} images, {dtype}, {shape}, fingerprint {str(digest)[:16]}"
