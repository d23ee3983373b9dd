"""Find copies of the same image, report which cross a split, and keep them together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from equipoise.arrays import Images, Rows
from equipoise.data.correlated_pairs import correlated_pairs, principal_axes, project
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split
from equipoise.exceptions import DataError, LeakageError
from equipoise.image_rows import DIGEST, ImageSource

Pairs = NDArray[np.int64]  # (m, 2) rows, the smaller first

SIDE = 32  # pixels of a thumbnail
N_LOW = 16  # lowest frequencies of it along each axis that make the hash
N_SAMPLED = 256  # images that show along which axes thumbnails vary
BLOCK = 128  # images at a time, to bound the memory


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

    Memory grows with the images and with the pairs that are found, time hardly faster than the
    images (`python -m benchmarks.duplicates`).

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
    digests = dataset.digests.view(f"V{DIGEST}").ravel()
    _, first, kind = np.unique(digests, return_index=True, return_inverse=True)
    copies = np.flatnonzero(first[kind] != np.arange(len(dataset)))
    exact = np.stack([first[kind[copies]], copies], axis=1)
    distinct = np.sort(first)
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
            first_pairs = "; ".join(map(" = ".join, dataset.ids[into_test[:3]]))
            more = f" and {n - 3} more" if n > 3 else ""
            raise LeakageError(
                f"{n} pair{'s' * (n != 1)} of duplicate images cross into test of {split.name}: "
                f"{first_pairs}{more}. {conflict_sentence(dataset, duplicates)}Keep them in one "
                "part with --duplicates merge, or continue and show them in the report with "
                "--duplicates report."
            )


def conflict_sentence(dataset: ImageDataset, duplicates: Duplicates) -> str:
    """Return how many pairs of copies have different labels, with the first one; "" without any."""
    n = len(duplicates.conflicting)
    if not n:
        return ""
    first = duplicates.conflicting[0]
    classes = " and ".join(dataset.class_names[label] for label in dataset.labels[first])
    pairs = "1 pair of copies has" if n == 1 else f"{n} pairs of copies have"
    return (
        f"{pairs} different labels, such as {' = '.join(dataset.ids[first])} ({classes}): one of "
        "the labels is wrong, correct it first. "
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
    images: ImageSource, rows: Rows, max_bits: int, min_correlation: float
) -> tuple[Pairs, NDArray[np.int64]]:
    """Find near pairs among `rows`, and the number of bits in which their hashes differ.

    Hashes are compared of pairs alone whose thumbnails may correlate so strongly, and thumbnails of
    pairs with similar hashes. The correlation with a blank thumbnail is 0.
    """
    sample = rows[:: -(-len(rows) // N_SAMPLED)]
    axes = principal_axes(_vectors(_thumbnails(images[sample])))
    hashes = np.empty((len(rows), N_LOW**2 // 8), dtype=np.uint8)
    points = np.empty((len(rows), len(axes) + 1), dtype=np.float32)
    for start in range(0, len(rows), BLOCK):
        thumbnails = _thumbnails(images[rows[start : start + BLOCK]])
        hashes[start : start + BLOCK] = _hashes(thumbnails)
        points[start : start + BLOCK] = project(_vectors(thumbnails), axes)
    pairs = [np.empty((0, 2), dtype=np.int64)]
    distances = [np.empty(0, dtype=np.int64)]
    for a, b in correlated_pairs(points, min_correlation):
        bits = _differing_bits(hashes, a, b)
        similar = np.flatnonzero(bits <= max_bits)
        if not len(similar):
            continue
        first, second = rows[a[similar]], rows[b[similar]]
        confirmed = _correlations(images, first, second) >= min_correlation
        both = np.stack([first, second], axis=1)[confirmed]
        pairs.append(np.sort(both, axis=1))
        distances.append(bits[similar[confirmed]])
    near, distance = np.concatenate(pairs), np.concatenate(distances)
    order = np.lexsort((near[:, 1], near[:, 0]))
    return near[order], distance[order]


def _hashes(thumbnails: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return whether each low frequency, except the mean, is above their median: packed bits."""
    frequencies = dctn(thumbnails, axes=(1, 2), norm="ortho")
    low = frequencies[:, :N_LOW, :N_LOW].reshape(len(thumbnails), -1)[:, 1:]
    return np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)


def _differing_bits(hashes: NDArray[np.uint8], a: Rows, b: Rows) -> NDArray[np.int64]:
    """Return in how many bits the hashes of each pair (a, b) differ."""
    rows_a, in_a = np.unique(a, return_inverse=True)
    rows_b, in_b = np.unique(b, return_inverse=True)
    bits_a = np.unpackbits(hashes[rows_a], axis=1).astype(np.float32)
    bits_b = np.unpackbits(hashes[rows_b], axis=1).astype(np.float32)
    differing = bits_a @ (1 - bits_b).T + (1 - bits_a) @ bits_b.T
    return np.rint(differing[in_a, in_b]).astype(np.int64)


def _correlations(images: ImageSource, a: Rows, b: Rows) -> NDArray[np.float32]:
    """Return the correlation of the thumbnails of each pair (a, b)."""
    rows_a, in_a = np.unique(a, return_inverse=True)
    rows_b, in_b = np.unique(b, return_inverse=True)
    first = _standardized(_thumbnails(images[rows_a]))
    second = _standardized(_thumbnails(images[rows_b]))
    correlations = np.empty(len(a), dtype=np.float32)
    for start in range(0, len(a), BLOCK):
        block = slice(start, start + BLOCK)
        correlations[block] = (first[in_a[block]] * second[in_b[block]]).mean(axis=(1, 2))
    return correlations


def _vectors(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors (n, SIDE ** 2) of length 1 whose products are correlations; 0 for a blank."""
    vectors = _standardized(thumbnails).reshape(len(thumbnails), -1) / SIDE
    finite = np.nan_to_num(vectors, nan=0.0)  # numbers that overflow are of no pair
    return np.asarray(finite, dtype=np.float32)


def _standardized(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    centered = thumbnails - thumbnails.mean(axis=(1, 2), keepdims=True)
    spread = centered.std(axis=(1, 2), keepdims=True)
    return np.asarray(centered / np.where(spread > 0, spread, 1), dtype=np.float32)


def _thumbnails(images: Images) -> NDArray[np.float32]:
    """Average the channels and the area under each pixel of a SIDE x SIDE grid: (n, SIDE, SIDE)."""
    gray = images.astype(np.float32).mean(axis=1)
    rows, columns = area_weights(images.shape[2]), area_weights(images.shape[3])
    return np.asarray(rows @ gray @ columns.T, dtype=np.float32)
