"""The real images of a run, which its folder contains only if worker processes read them."""

from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import DataError
from equipoise.runs.store import RunStore


def packed_images(store: RunStore) -> ImageDataset | None:
    """Read the images that were stored for worker processes; None where there are none.

    Raises:
        DataError: They are damaged, or not the images of the run.
    """
    folder = store.workspace / "dataset" / store.description().dataset.fingerprint[:16]
    if not (folder / "dataset.json").is_file():
        return None
    try:
        dataset = ImageDataset.load(folder, memory_map=True)
    except (DataError, OSError) as error:
        raise DataError(
            f"Cannot read the images in {folder} ({error}). Delete that folder and give the images."
        ) from error
    check_images_of(store, dataset, str(folder))
    return dataset


def check_images_of(store: RunStore, dataset: ImageDataset, source: str) -> None:
    """Check that images are those of a run: pixels, names, classes and patients.

    Raises:
        DataError: They are not; names the differences.
    """
    expected = store.description().images
    if dataset.fingerprint != expected.fingerprint:
        expected_kind = _kind(
            expected.n_images, expected.shape, expected.dtype, expected.fingerprint
        )
        kind = _kind(
            len(dataset), dataset.images.shape[1:], str(dataset.images.dtype), dataset.fingerprint
        )
        raise DataError(
            f"Expected the images of the run in {store.folder} ({expected_kind}), got others in "
            f"{source} ({kind}). Give the same images, unchanged and read with the same options."
        )


def _kind(n_images: int, shape: tuple[int, ...], dtype: str, fingerprint: str) -> str:
    return f"{n_images} images, {dtype}, {list(shape)}, fingerprint {fingerprint[:16]}"
