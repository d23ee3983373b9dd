"""The same image twice: find copies, say which cross a split, keep them together."""

import hashlib
from collections.abc import Sequence
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
KEPT = 16  # lowest frequencies of it along each axis that make the hash
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
        near: (m, 2) nearly equal, among images of which no earlier exact copy exists.
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
        """Tell which pairs the split separates; a pair with a row that the split leaves out does not cross."""
        learned = np.concatenate([split.train, split.validation])
        return Crossing(
            into_test=self.pairs[_joins(self.pairs, learned, split.test)],
            into_validation=self.pairs[_joins(self.pairs, split.train, split.validation)],
        )


def find_duplicates(
    dataset: ImageDataset, *, max_bits: int = 36, min_correlation: float = 0.97
) -> Duplicates:
    """Find exact and near duplicates (methods 1.3, rule 4).

    Two images are near duplicates if their perceptual hashes differ in few bits and their thumbnails correlate.
    The defaults find copies that were compressed, resized, made paler or noisier. Among 10,933 chest films,
    skin lesions and cervical cells they find 31 near pairs, all of one patient each (6,575 patients). Copies that
    were mirrored, turned, or cropped by more than about 1 % on each side are not found.

    Args:
        dataset: Images (n, c, h, w).
        max_bits: Most bits of 255 in which the hashes may differ.
        min_correlation: Least correlation of the gray thumbnails of 32 x 32 pixels.

    Raises:
        DataError: The images are not two-dimensional.

    Source: the DCT hash (Zauner 2010), with 16 x 16 in place of 8 x 8 frequencies: 64 bits do not tell one chest
    film from another.
    """
    if dataset.images.ndim != 4:
        raise DataError(
            f"Expected images of shape (n, c, h, w), got {dataset.images.shape}. Pass slices of volumes."
        )
    exact = _exact(dataset.images)
    distinct = np.setdiff1d(np.arange(len(dataset)), exact[:, 1])
    near, distance = _near(dataset.images, distinct, max_bits, min_correlation)
    pairs = np.concatenate([exact, near])
    labels = dataset.labels[pairs]
    return Duplicates(
        exact=exact, near=near, distance=distance, conflicting=pairs[labels[:, 0] != labels[:, 1]]
    )


def merge_groups(dataset: ImageDataset, duplicates: Duplicates) -> ImageDataset:
    """Give the patients of duplicates one number (the smallest of theirs), so that no split separates them.

    Raises:
        LeakageError: The dataset holds synthetic images, which are no patient's.
    """
    if dataset.synthetic.any():
        raise LeakageError(
            "Expected real images only, got synthetic ones. Look for duplicates before resampling."
        )
    patients, owner = np.unique(dataset.groups, return_inverse=True)
    a, b = owner[duplicates.pairs].T
    links = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(len(patients),) * 2)
    _, component = connected_components(links, directed=False)
    _, first = np.unique(component, return_index=True)
    return replace(dataset, groups=patients[first[component[owner]]])


def refuse_crossing(dataset: ImageDataset, duplicates: Duplicates, splits: Sequence[Split]) -> None:
    """Make sure that no test image has a duplicate among the images that train or choose the model.

    Raises:
        LeakageError: Some have; names the first pairs and the ways out.
    """
    for split in splits:
        into_test = duplicates.crossing(split).into_test
        if len(into_test):
            shown = "; ".join(" = ".join(dataset.ids[pair]) for pair in into_test[:3])
            shown += f" and {len(into_test) - 3} more" if len(into_test) > 3 else ""
            raise LeakageError(
                f"{len(into_test)} pair{'s' * (len(into_test) != 1)} of duplicate images cross into test of "
                f"{split.name}: {shown}. Keep them in one part with --duplicates merge (merge_groups), or continue "
                "and show them in the report with --duplicates report."
            )


def _joins(pairs: Pairs, a: Rows, b: Rows) -> NDArray[np.bool_]:
    in_a, in_b = np.isin(pairs, a), np.isin(pairs, b)
    return (in_a[:, 0] & in_b[:, 1]) | (in_b[:, 0] & in_a[:, 1])


def _exact(images: Images) -> Pairs:
    """Pair each later copy with the first."""
    first: dict[bytes, int] = {}
    digests = (hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest() for image in images)
    owners = [first.setdefault(digest, row) for row, digest in enumerate(digests)]
    return np.array([(a, b) for b, a in enumerate(owners) if a != b], dtype=np.int64).reshape(-1, 2)


def _near(
    images: Images, rows: Rows, max_bits: int, min_correlation: float
) -> tuple[Pairs, NDArray[np.int64]]:
    """Find near pairs among `rows`: candidates by their hashes, confirmed by their thumbnails."""
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    signs = np.concatenate([_hash_signs(_thumbnails(images[block])) for block in blocks])
    pairs, bits = _close(signs, max_bits)
    pairs = rows[pairs]
    keep = _correlation(images, pairs) >= min_correlation
    return pairs[keep], bits[keep]


def _close(signs: NDArray[np.float32], max_bits: int) -> tuple[Pairs, NDArray[np.int64]]:
    """Compare all hashes: the product of two vectors of n signs is n - 2 * (number of differing signs)."""
    found, distances = [np.empty((0, 2), dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for start in range(0, len(signs), BLOCK):
        product = signs[start : start + BLOCK] @ signs[start:].T
        bits = np.rint((signs.shape[1] - product) / 2).astype(np.int64)
        a, b = np.nonzero(np.triu(bits <= max_bits, k=1))
        found.append(np.stack([a, b], axis=1) + start)
        distances.append(bits[a, b])
    return np.concatenate(found), np.concatenate(distances)


def _hash_signs(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """Say for each low frequency, the mean excepted, whether it is above their median (+1) or not (-1)."""
    low = dctn(thumbnails, axes=(1, 2), norm="ortho")[:, :KEPT, :KEPT].reshape(len(thumbnails), -1)[
        :, 1:
    ]
    return np.where(low > np.median(low, axis=1, keepdims=True), 1, -1).astype(np.float32)


def _correlation(images: Images, pairs: Pairs) -> NDArray[np.float32]:
    """Correlate the thumbnails of each pair; 0 where one of them is blank."""
    parts = [np.empty(0, dtype=np.float32)]
    for start in range(0, len(pairs), BLOCK):
        a, b = (_standardized(_thumbnails(images[rows])) for rows in pairs[start : start + BLOCK].T)
        parts.append((a * b).mean(axis=(1, 2)))
    return np.concatenate(parts)


def _standardized(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    centered = thumbnails - thumbnails.mean(axis=(1, 2), keepdims=True)
    spread = centered.std(axis=(1, 2), keepdims=True)
    return np.asarray(centered / np.where(spread > 0, spread, 1), dtype=np.float32)


def _thumbnails(images: Images) -> NDArray[np.float32]:
    """Average the channels and the area under each pixel of a SIDE x SIDE grid; (n, SIDE, SIDE)."""
    gray = images.astype(np.float32).mean(axis=1)
    rows, columns = area_weights(images.shape[2]), area_weights(images.shape[3])
    return np.asarray(rows @ gray @ columns.T, dtype=np.float32)


def area_weights(n: int) -> NDArray[np.float32]:
    """Share of each of `n` pixels in each of SIDE equal intervals; rows sum to 1."""
    edges = np.arange(SIDE + 1)[:, None] * n / SIDE
    pixels = np.arange(n)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return np.asarray(overlap.clip(min=0) * SIDE / n, dtype=np.float32)
