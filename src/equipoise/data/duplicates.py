"""Find copies of the same image, report which cross a split, and keep them together."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from equipoise.arrays import Images, Rows
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split
from equipoise.exceptions import DataError, LeakageError

Pairs = NDArray[np.int64]  # (m, 2) rows, the smaller first

SIDE = 32  # pixels of a thumbnail
N_LOW = 16  # lowest frequencies of it along each axis that make the hash
BLOCK = 1024  # images at a time, to bound the memory


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossing:
    """Duplicates that a split separates.

    Attributes:
        into_test: (m, 2) pairs with exactly one row in test.
        into_validation: (m, 2) pairs with one row in train and one in validation.
    """

    into_test: Pairs
    into_validation: Pairs


@dataclass(frozen=True, kw_only=True, eq=False)
class Duplicates:
    """Pairs of rows that show the same image.

    Attributes:
        exact: (m, 2) equal pixels; every copy is paired with the first of its kind.
        near: (m, 2) nearly equal, among images without an earlier exact copy.
        distance: (m,) number of bits, of 255, in which the hashes of a near pair differ.
        conflicting: (m, 2) those of both kinds whose labels differ.
    """

    exact: Pairs
    near: Pairs
    distance: NDArray[np.int64]
    conflicting: Pairs

    @property
    def pairs(self) -> Pairs:
        """(m, 2) exact pairs, then near ones."""
        return np.concatenate([self.exact, self.near])

    def crossing(self, split: Split) -> Crossing:
        """Return the pairs that a split separates; both rows have to be in the split."""
        in_train = np.isin(self.pairs, split.train)
        in_validation = np.isin(self.pairs, split.validation)
        in_test = np.isin(self.pairs, split.test)
        into_test = _one_each(in_train | in_validation, in_test)
        return Crossing(
            into_test=self.pairs[into_test],
            into_validation=self.pairs[_one_each(in_train, in_validation)],
        )


def find_duplicates(
    dataset: ImageDataset, *, max_bits: int = 36, min_correlation: float = 0.97
) -> Duplicates:
    """Find exact and near duplicates.

    Two images are near duplicates if their perceptual hashes differ in few bits and their
    thumbnails correlate. The defaults find copies that were compressed, resized, made paler or
    noisier. Among 10,933 chest films, skin lesions and cervical cells they find 31 near pairs, all
    of one patient each (6,575 patients). Copies that were mirrored, rotated, or cropped by more
    than about 1 % on each side are not found.

    Args:
        dataset: Images (n, c, h, w).
        max_bits: Most bits of 255 in which the hashes may differ.
        min_correlation: Least correlation of the gray thumbnails of 32 x 32 pixels.

    Raises:
        DataError: The images are not two-dimensional.

    Source: the DCT hash of Zauner (2010). Difference: 16 x 16 in place of 8 x 8 frequencies,
    because 64 bits do not distinguish one chest film from another.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> dataset = cells((20, 10), size=32)
        >>> find_duplicates(dataset.subset([0, 1, 2, 0])).exact.tolist()
        [[0, 3]]

    See Also:
        equipoise.data.likeness.Likeness: Also finds mirrored and shifted copies.
    """
    images = dataset.images
    if images.ndim != 4:
        raise DataError(
            f"Expected images of shape (n, c, h, w), got {images.shape}. Pass slices of volumes."
        )
    first_row: dict[bytes, int] = {}
    exact_pairs = []
    for row, image in enumerate(images):
        digest = hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()
        first = first_row.setdefault(digest, row)
        if first != row:
            exact_pairs.append((first, row))
    exact = np.array(exact_pairs, dtype=np.int64).reshape(-1, 2)
    distinct = np.array(list(first_row.values()), dtype=np.int64)
    near, distance = _find_near(images, distinct, max_bits, min_correlation)
    pairs = np.concatenate([exact, near])
    labels = dataset.labels[pairs]
    conflicting = pairs[labels[:, 0] != labels[:, 1]]
    return Duplicates(exact=exact, near=near, distance=distance, conflicting=conflicting)


def merge_groups(dataset: ImageDataset, duplicates: Duplicates) -> ImageDataset:
    """Merge the patients of duplicates, so that no split separates them.

    The merged patient has the smallest of their numbers.

    Raises:
        LeakageError: The dataset has synthetic images, which have no patient.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> dataset = replace(cells((4, 2), size=28).subset([0, 1, 0]), groups=np.array([5, 6, 7]))
        >>> merge_groups(dataset, find_duplicates(dataset)).groups.tolist()
        [5, 6, 5]
    """
    if dataset.synthetic.any():
        raise LeakageError(
            "Expected real images only, got synthetic ones. "
            "Search for duplicates before resampling."
        )
    patients, owner = np.unique(dataset.groups, return_inverse=True)
    a, b = owner[duplicates.pairs].T
    links = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(len(patients),) * 2)
    _, component = connected_components(links, directed=False)
    _, first = np.unique(component, return_index=True)
    return replace(dataset, groups=patients[first[component[owner]]])


def refuse_crossing(dataset: ImageDataset, duplicates: Duplicates, splits: Sequence[Split]) -> None:
    """Check that no test image has a duplicate among the images that train or validate.

    Raises:
        LeakageError: Some have; names the first pairs and the ways out.
    """
    for split in splits:
        into_test = duplicates.crossing(split).into_test
        n = len(into_test)
        if n:
            shown = "; ".join(map(" = ".join, dataset.ids[into_test[:3]]))
            more = f" and {n - 3} more" if n > 3 else ""
            raise LeakageError(
                f"{n} pair{'s' * (n != 1)} of duplicate images cross into test of {split.name}: "
                f"{shown}{more}. Keep them in one part with --duplicates merge, or continue "
                "and show them in the report with --duplicates report."
            )


def area_weights(n: int) -> NDArray[np.float32]:
    """Return the share (SIDE, n) of each of `n` pixels in each of SIDE equal intervals.

    Rows sum to 1.
    """
    edges = np.arange(SIDE + 1)[:, None] * n / SIDE
    pixels = np.arange(n)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return np.asarray(overlap.clip(min=0) * SIDE / n, dtype=np.float32)


def _one_each(in_a: NDArray[np.bool_], in_b: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pairs (m,) that have one row in a and one in b, given (m, 2) memberships."""
    return (in_a[:, 0] & in_b[:, 1]) | (in_b[:, 0] & in_a[:, 1])


def _find_near(
    images: Images, rows: Rows, max_bits: int, min_correlation: float
) -> tuple[Pairs, NDArray[np.int64]]:
    """Find near pairs among `rows`, and the number of bits in which their hashes differ.

    A hash has for each low frequency, except the mean, whether it is above their median (+1) or not
    (-1). The product of two hashes of n signs is n - 2 * (number of differing signs). Pairs of
    similar hashes are confirmed by the correlation of their thumbnails, 0 if one of them is blank.
    """
    hashes = []
    for block in _blocks(rows):
        frequencies = dctn(_thumbnails(images[block]), axes=(1, 2), norm="ortho")
        low = frequencies[:, :N_LOW, :N_LOW].reshape(len(block), -1)[:, 1:]
        hashes.append(np.where(low > np.median(low, axis=1, keepdims=True), 1, -1))
    signs = np.concatenate(hashes).astype(np.float32)  # (n, N_LOW ** 2 - 1)
    candidates = [np.empty((0, 2), dtype=np.int64)]
    distances = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(signs), BLOCK):
        product = signs[start : start + BLOCK] @ signs[start:].T
        bits = np.rint((signs.shape[1] - product) / 2).astype(np.int64)
        a, b = np.nonzero(np.triu(bits <= max_bits, k=1))
        candidates.append(rows[np.stack([a, b], axis=1) + start])
        distances.append(bits[a, b])
    pairs, distance = np.concatenate(candidates), np.concatenate(distances)
    correlations = [np.empty(0, dtype=np.float32)]
    for block in _blocks(pairs):
        first = _standardized(_thumbnails(images[block[:, 0]]))
        second = _standardized(_thumbnails(images[block[:, 1]]))
        correlations.append((first * second).mean(axis=(1, 2)))
    confirmed = np.concatenate(correlations) >= min_correlation
    return pairs[confirmed], distance[confirmed]


def _blocks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))


def _standardized(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    centered = thumbnails - thumbnails.mean(axis=(1, 2), keepdims=True)
    spread = centered.std(axis=(1, 2), keepdims=True)
    return np.asarray(centered / np.where(spread > 0, spread, 1), dtype=np.float32)


def _thumbnails(images: Images) -> NDArray[np.float32]:
    """Average the channels and the area under each pixel of a SIDE x SIDE grid: (n, SIDE, SIDE)."""
    gray = images.astype(np.float32).mean(axis=1)
    rows, columns = area_weights(images.shape[2]), area_weights(images.shape[3])
    return np.asarray(rows @ gray @ columns.T, dtype=np.float32)
