"""Draw feature vectors in the plane, and measure how well two sets of them mix.

The picture is for looking: t-SNE and UMAP keep neighbors together, but neither the distances between groups, nor
their sizes, nor their densities: a gap in it need not be one. `mixing` is the number beside it, from the features.
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

FEWEST = 5  # rows: fewer have no neighborhood to keep
MOST_COMPONENTS = (
    50  # van der Maaten and Hinton 2008, section 4.2: speeds t-SNE up and takes noise out
)
USUAL_PERPLEXITY = 30.0  # scikit-learn's; van der Maaten and Hinton: 5 to 50
NEIGHBORS = 15  # of UMAP, its own default


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """How often the nearest neighbor is of another part.

    Attributes:
        share: Share of the rows whose nearest other row is of another part.
        chance: What it is on average where parts are labels given by lot.
        n: Number of rows.
    """

    share: float
    chance: float
    n: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding:
    """Points in the plane, each with the labels of its row.

    Labels travel with the rows. Paper S1's script colored by position instead, for 4 classes where there were 3,
    and so showed the last 100 real images as synthetic ones (methods 8.2 i).

    Attributes:
        points: (n, 2) float32.
        part: (n,) what the row is, for example 0 real training, 1 real held-out, 2 synthetic.
        label: (n,) its class.
        method: (n,) who made it; -1 for real images.
        settings: What the drawing was made with.
    """

    points: NDArray[np.float32]
    part: Codes
    label: Codes
    method: Codes
    settings: dict[str, float]

    def where(self, **codes: int) -> NDArray[np.float32]:
        """Give the points whose labels are those named, for example `where(part=2, method=0)`."""
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
    """Lay all rows out together: sets drawn apart from one another have no common map.

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
    """
    lay_out = pick(EMBEDDINGS, how, "embedding")
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < FEWEST or not np.isfinite(features).all():
        raise DataError(
            f"Expected finite features (n, d) of at least {FEWEST} images, got shape {features.shape}. Draw more."
        )
    if any(codes.shape != (len(features),) for codes in (part, label, method)):
        raise DataError(
            f"Expected part, label and method for each of {len(features)} rows. Select them together."
        )
    points, settings = lay_out(reduced(features, seed=seed), seed)
    return Embedding(
        points=points.astype(np.float32), part=part, label=label, method=method, settings=settings
    )


def standardized(features: Features, like: Features | None = None) -> Features:
    """Scale each column to mean 0 and standard deviation 1 in the rows of `like`, its own where None.

    A column of one value there is moved only.
    """
    known = features if like is None else like
    spread = known.std(axis=0)
    return np.asarray((features - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def reduced(features: Features, *, seed: int = 0) -> Features:
    """Standardize and keep the first principal components, at most 50."""
    scaled = standardized(features)
    most = min(MOST_COMPONENTS, *scaled.shape)
    pca = PCA(most, random_state=_state(seed, "principal components"))
    return np.asarray(pca.fit_transform(scaled)) if scaled.any() else scaled[:, :most]


def perplexity_for(n: int) -> float:
    """Give 30, or a third of the other rows where that is less: a row needs three times as many neighbors."""
    return min(USUAL_PERPLEXITY, (n - 1) / 3)


def mixing(features: Features, part: Codes) -> Mixing:
    """Ask each row of which part its nearest other row is, in the space of the features.

    About as often as by chance: nothing tells the parts apart. More seldom: they lie apart, or each holds several
    images of the same patients. More often: rows of one part are near copies of rows of another. It is the
    nearest-neighbor test of Schilling 1986 and Henze 1988 with one neighbor. Columns count as they are scaled; of
    rows that are equally near, one counts.

    Args:
        features: (n, d), at least 2 rows.
        part: (n,) codes; rows of one class at a time, or the classes decide.

    Raises:
        DataError: Fewer than two rows, or fewer than two parts.
    """
    counts = np.unique(part, return_counts=True)[1]
    n = len(part)
    if len(features) != n or len(counts) < 2:
        raise DataError(
            f"Expected rows of at least two parts, got {n} codes of {len(counts)} for {len(features)}."
        )
    nearest = NearestNeighbors(n_neighbors=1).fit(features).kneighbors(return_distance=False)[:, 0]
    chance = float((counts * (n - counts)).sum() / (n * (n - 1)))
    return Mixing(share=float((part[nearest] != part).mean()), chance=chance, n=n)


def _tsne(features: Features, seed: int) -> tuple[Features, dict[str, float]]:
    perplexity = perplexity_for(len(features))
    tsne = TSNE(perplexity=perplexity, init=_start(features), random_state=_state(seed, "t-SNE"))
    points = np.asarray(tsne.fit_transform(features))
    return points, {"perplexity": perplexity, "divergence": float(tsne.kl_divergence_)}


def _start(features: Features) -> NDArray[np.float32]:
    """Start t-SNE from the first two components, scaled as scikit-learn does; for constant features from a line."""
    start = np.zeros((len(features), 2))
    start[:, : features.shape[1]] = features[:, :2]
    spread = start[:, 0].std()
    if not spread > 0:
        start[:, 0], spread = np.linspace(-1, 1, len(start)), 1.0
    return np.asarray(start / spread * 1e-4, dtype=np.float32)


def _umap(features: Features, seed: int) -> tuple[Features, dict[str, float]]:
    if not has_umap():
        raise SettingError(
            "UMAP is not installed. Install it with: pip install 'equipoise[umap]', or use t-SNE."
        )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ImportWarning
        )  # that TensorFlow is missing, which nothing here needs
        library = importlib.import_module("umap")
    n_neighbors = min(NEIGHBORS, len(features) - 1)
    umap = library.UMAP(n_neighbors=n_neighbors, random_state=_state(seed, "UMAP"), n_jobs=1)
    return np.asarray(umap.fit_transform(features)), {
        "n_neighbors": n_neighbors,
        "min_dist": float(umap.min_dist),
    }


def has_umap() -> bool:
    """Say whether the optional library `umap-learn` is installed."""
    return importlib.util.find_spec("umap") is not None


def _state(*parts: object) -> int:
    return derive_seed(*parts) % 2**32  # what scikit-learn takes


EMBEDDINGS: Mapping[str, Callable[[Features, int], tuple[Features, dict[str, float]]]] = {
    "tsne": _tsne,
    "umap": _umap,
}
