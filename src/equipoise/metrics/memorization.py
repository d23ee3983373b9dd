"""Does a generator repeat the images that it learned from? Distances in feature space (methods 7.3).

T are the real training images, H real held-out ones, Q generated ones; features are (n, d), best `standardized`.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, mannwhitneyu, norm, rankdata
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from equipoise.arrays import Rows
from equipoise.exceptions import DataError
from equipoise.randomness import derive_seed

Features = NDArray[np.float64]  # (n, d)
Distances = NDArray[np.float64]  # (n,)
Groups = NDArray[np.int64]  # (n,) patients

BLOCK = 512  # queries compared with all references at once, to bound the memory
CLOSE = 0.01  # quantile of the distances from held-out to training images below which an image counts as close
PER_CELL = 50  # held-out images that a k-means cell should hold on average
MOST_CELLS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearest:
    """The nearest reference of each of n queries; where none is allowed, row 0 at an infinite distance."""

    row: Rows
    distance: Distances


@dataclass(frozen=True, kw_only=True)
class Membership:
    """How well an attacker who holds the generated images alone can tell who was in the training images.

    Attributes:
        n_members: Patients in T.
        n_others: Patients in H.
        auc: Probability that a member lies nearer to the generated images than another patient; 0.5 is chance.
        low: Lower end of its 95 % interval (DeLong 1988).
        high: Upper end.
        p_auc: One-sided p value of `auc` above 0.5 (Mann and Whitney, exact where patients are few).
        caught: Share of members nearer than all but 1 % of the others, at least one.
        p_caught: Exact one-sided p value of so many.
    """

    n_members: int
    n_others: int
    auc: float
    low: float
    high: float
    p_auc: float
    caught: float
    p_caught: float


def standardized(*parts: Features, by: Features) -> list[Features]:
    """Subtract the mean of `by` and divide by its standard deviation; features constant in it become 0."""
    mean, spread = by.mean(axis=0), by.std(axis=0)
    known = spread > 1e-12 * (1 + np.abs(mean))
    return [np.where(known, (part - mean) / np.where(known, spread, 1), 0.0) for part in parts]


def nearest(
    queries: Features, references: Features, apart: tuple[Groups, Groups] | None = None
) -> Nearest:
    """Find the nearest reference of each query by Euclidean distance.

    Args:
        queries: (n, d).
        references: (m, d), at least one.
        apart: Groups of the queries (n,) and of the references (m,); a query never meets its own group.

    Raises:
        DataError: No reference, or another number of features.
    """
    if references.ndim != 2 or not len(references) or queries.shape[1:] != references.shape[1:]:
        raise DataError(
            f"Expected (n, d) and (m, d) with m > 0, got {queries.shape} and {references.shape}."
        )
    rows, squares = (
        np.zeros(len(queries), dtype=np.int64),
        np.einsum("md,md->m", references, references),
    )
    barred = np.zeros(len(queries), dtype=bool)
    for start in range(0, len(queries), BLOCK):
        part = slice(start, start + BLOCK)
        order = squares - 2 * (
            queries[part] @ references.T
        )  # the squared distance less the query's own square
        if apart is not None:
            order[apart[0][part, None] == apart[1]] = np.inf
        rows[part] = order.argmin(axis=1)
        barred[part] = np.isinf(order.min(axis=1))
    # Once more from the differences: the product loses the small digits, and a copy has distance 0.
    distance = np.array(
        [np.linalg.norm(q - references[row]) for q, row in zip(queries, rows, strict=True)]
    )
    return Nearest(row=rows, distance=np.where(barred, np.inf, distance.reshape(len(queries))))


def among(features: Features, groups: Groups | None = None) -> Distances:
    """Give the distance of each image to the nearest other one, of another patient where `groups` are given."""
    own = np.arange(len(features)) if groups is None else groups
    return nearest(features, features, (own, own)).distance


def nearness_ratio(generated: Distances, held_out: Distances) -> float:
    """Divide the median distance of Q to T by that of H to T: below 1, generated images are nearer than real."""
    below = float(np.median(held_out))
    return float(np.median(generated)) / below if below > 0 else np.nan


def share_close(generated: Distances, held_out: Distances) -> float:
    """Give the share of Q that lies nearer to T than 99 % of H do: about 0.01 where nothing was copied."""
    return float(np.mean(generated < np.quantile(held_out, CLOSE)))


def authenticity(to_train: Nearest, among_train: Distances) -> float:
    """Give the percentage of Q that is authentic: farther from its nearest t in T than t from its nearest neighbor.

    Q = T gives 0. A perfect sampler gives 33 on a line, 38 in a plane, 50 in many dimensions (not 50 always, as the
    catalogue says), and more where a few central images are nearest to all: compare with held-out images. `among`
    with patients takes the neighbor of t from another patient, where the catalogue takes any: two images of one
    patient lie close together, which would make copies of them look authentic.

    Source: Alaa et al. 2022, as methods 7.3 states it.
    """
    return 100 * float(np.mean(to_train.distance > among_train[to_train.row]))


def mann_whitney_z(first: Distances, second: Distances) -> float:
    """Standardize Mann and Whitney's U of `first` against `second`: negative where `first` is smaller.

    Ties share their rank; the variance is not corrected for them, as in Meehan et al. 2020.
    """
    n, m = len(first), len(second)
    u = rankdata(np.concatenate([first, second]))[:n].sum() - n * (n + 1) / 2
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def copying_score(
    train: Features, held_out: Features, generated: Features, generated_distance: Distances,
    held_out_distance: Distances, *, n_cells: int | None = None,
) -> float:  # fmt: skip
    """Compute C_T: are generated images nearer to T than held-out ones, cell by cell of a k-means partition of T?

    Q = T gives a number far below 0, Q = H gives 0, an underfitted generator a number above 0. Blurred or poorly
    varied images also lie near to everything: a negative score is a reason to look, no proof of copies.

    Args:
        train: (n, d), gives the cells.
        held_out: (n, d); its share in each cell weighs the cell.
        generated: (n, d).
        generated_distance: Distances of Q to T.
        held_out_distance: Distances of H to T.
        n_cells: Number of cells; None for one per 50 held-out images, at most 10.

    Returns:
        Mean of the z values of the cells that hold both held-out and generated images; NaN where none does.

    Source: Meehan, Chaudhuri, Dasgupta 2020. They leave out cells with few generated images; so small a cell has a
    small z and little weight, and is kept here.
    """
    wanted = n_cells or int(np.clip(len(held_out) // PER_CELL, 1, MOST_CELLS))
    cells = KMeans(min(wanted, len(train)), n_init=1, random_state=derive_seed("cells") % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # fewer distinct images than cells: fewer cells
        cells.fit(train)
    of_held, of_generated = cells.predict(held_out), cells.predict(generated)
    shared = np.intersect1d(of_held, of_generated)
    if not len(shared):
        return np.nan
    z = [
        mann_whitney_z(generated_distance[of_generated == c], held_out_distance[of_held == c])
        for c in shared
    ]
    return float(np.average(z, weights=[np.count_nonzero(of_held == c) for c in shared]))


def membership(members: Distances, others: Distances) -> Membership:
    """Attack: whoever lies nearest to a generated image is taken for a member.

    Args:
        members: For each patient of T the distance from the nearest of his images to a generated image.
        others: The same for the patients of H.

    Both p values hold for any distribution, if patients came into T and H by lot: with images in place of patients
    the first is below 0.01 in 4 of 100 draws of drawn films, with patients in 1. `caught` is the true positive rate
    at 1 % false positives of Carlini et al. 2022: copies of few images hide in `auc`, not there.
    """
    auc, error = _area(members, others)
    reach = norm.ppf(0.975) * error
    n_members, n_others = len(members), len(others)
    allowed = max(1, int(np.ceil(CLOSE * n_others)))
    n_caught = int(np.count_nonzero(members < np.sort(others)[allowed - 1]))
    return Membership(
        n_members=n_members,
        n_others=n_others,
        auc=auc,
        low=float(max(0.0, auc - reach)),
        high=float(min(1.0, auc + reach)),
        p_auc=float(mannwhitneyu(members, others, alternative="less").pvalue),
        caught=n_caught / n_members,
        p_caught=float(betabinom.sf(n_caught - 1, n_members, allowed, n_others - allowed + 1)),
    )


def per_patient(distances: Distances, groups: Groups) -> Distances:
    """Give the smallest distance of each patient's images."""
    patients, owner = np.unique(groups, return_inverse=True)
    smallest = np.full(len(patients), np.inf)
    np.minimum.at(smallest, owner, distances)
    return smallest


def _area(members: Distances, others: Distances) -> tuple[float, float]:
    """Give the AUC of nearness for members and its standard error from DeLong's placements."""
    n, m = len(members), len(others)
    ranks = rankdata(-np.concatenate([members, others]))  # the nearest ranks highest
    ahead = (ranks[:n] - rankdata(-members)) / m  # share of others that each member is nearer than
    behind = 1 - (ranks[n:] - rankdata(-others)) / n
    error = sum(float(np.var(v, ddof=1)) / len(v) for v in (ahead, behind) if len(v) > 1)
    return float(ahead.mean()), float(np.sqrt(error))
