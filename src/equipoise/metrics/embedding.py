"""Embed feature vectors in the plane (t-SNE, UMAP), and measure how well two sets of them mix.

The picture is for looking: t-SNE and UMAP keep neighbors together, but neither the distances
between groups, nor their sizes, nor their densities: a gap in the picture may not exist. `mixing`
is the number beside it, from the features themselves.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.randomness import derive_seed

Features = NDArray[np.float64]  # (n, d)
Codes = NDArray[np.int64]  # (n,)

FEWEST = 5  # rows; fewer have no neighborhood to preserve
# Van der Maaten and Hinton (2008), section 4.2: speeds t-SNE up and removes noise.
MOST_COMPONENTS = 50
USUAL_PERPLEXITY = 30.0  # scikit-learn's default; van der Maaten and Hinton: 5 to 50
NEIGHBORS = 15  # of UMAP, its own default


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """How often the nearest neighbor is in another part.

    Attributes:
        share: Share of the rows whose nearest other row is in another part.
        chance: Its mean if parts were assigned to rows at random.
        n: Number of rows.
    """

    share: float
    chance: float
    n: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding:
    """Points in the plane, each with the labels of its row.

    Labels are stored with the rows. The script of Sharma et al. (CSC2516) colors by position
    instead, for 4 classes where there were 3, and so shows the last 100 real images as synthetic.

    Attributes:
        points: (n, 2) float32.
        part: (n,) what the row is, for example 0 real training, 1 real held-out, 2 synthetic.
        label: (n,) its class.
        method: (n,) code of the method that generated it; -1 for real images.
        settings: Numbers of the embedding, for example {"perplexity": 30.0, "divergence": 0.4}.
    """

    points: NDArray[np.float32]
    part: Codes
    label: Codes
    method: Codes
    settings: dict[str, float]

    def where(self, **codes: int) -> NDArray[np.float32]:
        """Select the points with these labels, for example `where(part=2, method=0)`."""
        rows = np.ones(len(self.points), dtype=bool)
        for name, code in codes.items():
            rows &= getattr(self, name) == code
        return self.points[rows]


def embed(
    features: Features,
    *,
    part: Codes,
    label: Codes,
    method: Codes,
    how: str = "tsne",
    seed: int = 0,
) -> Embedding:
    """Embed all rows together: sets that are embedded separately have no common map.

    Features are standardized and reduced to at most 50 principal components first.

    Args:
        features: (n, d), at least 5 rows.
        part: (n,) see `Embedding`.
        label: (n,) see `Embedding`.
        method: (n,) see `Embedding`.
        how: One of `EMBEDDINGS`.
        seed: The same seed and features give the same points.

    Raises:
        DataError: Too few rows, features that are not finite, or labels of another length.
        SettingError: No such embedding, or its library is not installed.

    Source: van der Maaten and Hinton (2008), JMLR 9:2579 (t-SNE, by scikit-learn); McInnes et al.
    (2018) (UMAP, by umap-learn).

    Example:
        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(8, 3))
        >>> codes = np.repeat([0, 1], 4)
        >>> embedding = embed(features, part=codes, label=codes * 0, method=codes - 1)
        >>> embedding.where(part=1).shape
        (4, 2)

    See Also:
        `mixing`: how well two parts mix, as a number.
    """
    lay_out = pick(EMBEDDINGS, how, "embedding")
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < FEWEST or not np.isfinite(features).all():
        raise DataError(
            f"Expected finite features (n, d) of at least {FEWEST} images, "
            f"got shape {features.shape}. Use more images."
        )
    for codes in (part, label, method):
        if codes.shape != (len(features),):
            raise DataError(
                f"Expected part, label and method for each of {len(features)} rows, "
                f"got {len(part)}, {len(label)} and {len(method)}. Select them together."
            )
    points, settings = lay_out(reduced(features, seed=seed), seed)
    return Embedding(
        points=points.astype(np.float32), part=part, label=label, method=method, settings=settings
    )


def standardized(features: Features, like: Features | None = None) -> Features:
    """Scale each column to mean 0 and standard deviation 1 in the rows of `like`.

    Args:
        features: (n, d).
        like: (m, d) rows that give mean and standard deviation; None for the same rows.

    Returns:
        (n, d); a column that is constant in `like` is only shifted.

    Example:
        >>> import numpy as np
        >>> standardized(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
        [[-1.0, 0.0], [1.0, 0.0]]

    See Also:
        `equipoise.metrics.memorization.standardized`: sets constant columns to 0.
    """
    reference = features if like is None else like
    spread = reference.std(axis=0)
    return np.asarray((features - reference.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def reduced(features: Features, *, seed: int = 0) -> Features:
    """Standardize and project to the first principal components, at most 50.

    Example:
        >>> import numpy as np
        >>> reduced(np.random.default_rng(0).normal(size=(80, 60))).shape
        (80, 50)
    """
    scaled = standardized(features)
    most = min(MOST_COMPONENTS, *scaled.shape)
    pca = PCA(most, random_state=_state(seed, "principal components"))
    return np.asarray(pca.fit_transform(scaled)) if scaled.any() else scaled[:, :most]


def perplexity_for(n: int) -> float:
    """Return 30, or a third of the other rows if less: t-SNE uses three times as many neighbors.

    Example:
        >>> perplexity_for(31), perplexity_for(1000)
        (10.0, 30.0)
    """
    return min(USUAL_PERPLEXITY, (n - 1) / 3)


def mixing(features: Features, part: Codes) -> Mixing:
    """Compute how often a row's nearest other row, in feature space, is in another part.

    About as often as at random: the parts are indistinguishable. Less often: they are separated, or
    each has several images of the same patients. More often: rows of one part are near copies of
    rows of another. Columns count as they are scaled; among equally near rows, one counts.

    Args:
        features: (n, d), at least 2 rows.
        part: (n,) codes; pass rows of one class at a time, or the classes decide.

    Raises:
        DataError: Fewer than two rows, or fewer than two parts.

    Source: Schilling (1986) and Henze (1988), the nearest-neighbor test with one neighbor.

    Example:
        >>> import numpy as np
        >>> mixing(np.array([[0.0], [1.0], [8.0], [9.0]]), np.array([0, 0, 1, 1])).share
        0.0
    """
    counts = np.unique(part, return_counts=True)[1]
    n = len(part)
    if len(features) != n or len(counts) < 2:
        raise DataError(
            f"Expected rows of at least two parts, "
            f"got {n} codes of {len(counts)} parts for {len(features)} rows."
        )
    nearest = NearestNeighbors(n_neighbors=1).fit(features).kneighbors(return_distance=False)[:, 0]
    chance = float((counts * (n - counts)).sum() / (n * (n - 1)))
    return Mixing(share=float((part[nearest] != part).mean()), chance=chance, n=n)


def _tsne(features: Features, seed: int) -> tuple[Features, dict[str, float]]:
    # Start from the first two components, scaled as in scikit-learn; from a line if constant.
    start = np.zeros((len(features), 2))
    start[:, : features.shape[1]] = features[:, :2]
    spread = start[:, 0].std()
    if not spread > 0:
        start[:, 0] = np.linspace(-1, 1, len(start))
        spread = 1.0
    init = np.asarray(start / spread * 1e-4, dtype=np.float32)
    perplexity = perplexity_for(len(features))
    tsne = TSNE(perplexity=perplexity, init=init, random_state=_state(seed, "t-SNE"))
    points = np.asarray(tsne.fit_transform(features))
    return points, {"perplexity": perplexity, "divergence": float(tsne.kl_divergence_)}


def _umap(features: Features, seed: int) -> tuple[Features, dict[str, float]]:
    if not has_umap():
        raise SettingError(
            "UMAP is not installed. Install it with: pip install 'equipoise[umap]', or use t-SNE."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # of TensorFlow, which nothing here needs
        library = importlib.import_module("umap")
    n_neighbors = min(NEIGHBORS, len(features) - 1)
    umap = library.UMAP(n_neighbors=n_neighbors, random_state=_state(seed, "UMAP"), n_jobs=1)
    points = np.asarray(umap.fit_transform(features))
    return points, {"n_neighbors": n_neighbors, "min_dist": float(umap.min_dist)}


def has_umap() -> bool:
    """Return whether the optional library `umap-learn` is installed."""
    return importlib.util.find_spec("umap") is not None


def _state(*parts: object) -> int:
    return derive_seed(*parts) % 2**32  # the range that scikit-learn accepts


EMBEDDINGS: Mapping[str, Callable[[Features, int], tuple[Features, dict[str, float]]]] = {
    "tsne": _tsne,
    "umap": _umap,
}
