"""Does a generator copy its training images? Distances in feature space.

T are the real training images, H real held-out ones, Q generated ones; features are (n, d), best
`standardized`.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from equipoise.arrays import Rows
from equipoise.exceptions import DataError
from equipoise.metrics.statistics import n_below
from equipoise.randomness import derive_seed

Features = NDArray[np.float64]  # (n, d)
Distances = NDArray[np.float64]  # (n,)
Groups = NDArray[np.int64]  # (n,) patients

BLOCK = 512  # queries compared with all references at once, to bound the memory
CLOSE = 0.01  # quantile of the distances H to T below which an image counts as close
PER_CELL = 50  # held-out images that a k-means cell should have on average
MOST_CELLS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearest:
    """The nearest reference of each of n queries; row 0 at infinite distance if none is allowed."""

    row: Rows
    distance: Distances


@dataclass(frozen=True, kw_only=True)
class Membership:
    """How well an attacker with only the generated images can identify training patients.

    Attributes:
        n_members: Patients in T.
        n_others: Patients in H.
        auc: Probability that a member lies nearer to the generated images than another patient; 0.5
            is chance.
        low: Lower end of its 95 % interval (DeLong et al. 1988).
        high: Upper end.
        p_auc: One-sided p value of `auc` above 0.5 (Mann and Whitney, exact for few patients).
        caught: Share of members nearer than all but 1 % of the others, at least one.
        p_caught: Exact one-sided p value of `caught`.
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
    """Subtract the mean of `by` and divide by its standard deviation; constant features become 0.

    Example:
        >>> import numpy as np
        >>> (train,) = standardized(np.array([[3.0, 5.0]]), by=np.array([[1.0, 5.0], [2.0, 5.0]]))
        >>> train.tolist()
        [[3.0, 0.0]]
    """
    mean, spread = by.mean(axis=0), by.std(axis=0)
    varies = spread > 1e-12 * (1 + np.abs(mean))
    divisor = np.where(varies, spread, 1)
    return [np.where(varies, (part - mean) / divisor, 0.0) for part in parts]


def nearest(
    queries: Features, references: Features, apart: tuple[Groups, Groups] | None = None
) -> Nearest:
    """Find the nearest reference of each query by Euclidean distance.

    Args:
        queries: (n, d).
        references: (m, d), at least one.
        apart: Groups of the queries (n,) and of the references (m,); a query is never compared with
            its own group.

    Raises:
        DataError: No reference, or another number of features.

    Example:
        >>> import numpy as np
        >>> match = nearest(np.array([[0.0], [5.0]]), np.array([[1.0], [7.0]]))
        >>> match.row.tolist(), match.distance.tolist()
        ([0, 1], [1.0, 2.0])
    """
    if references.ndim != 2 or not len(references) or queries.shape[1:] != references.shape[1:]:
        raise DataError(
            f"Expected (n, d) and (m, d) with m > 0, got {queries.shape} and {references.shape}."
        )
    rows = np.zeros(len(queries), dtype=np.int64)
    squares = np.einsum("md,md->m", references, references)
    without_reference = np.zeros(len(queries), dtype=bool)
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        # The squared distance minus the query's own square, which does not change the order.
        order = squares - 2 * (queries[block] @ references.T)
        if apart is not None:
            order[apart[0][block, None] == apart[1]] = np.inf
        rows[block] = order.argmin(axis=1)
        without_reference[block] = np.isinf(order.min(axis=1))
    # Recomputed from the differences: the product loses small digits, and a copy has distance 0.
    distance = np.empty(len(queries))
    for i, row in enumerate(rows):
        distance[i] = np.linalg.norm(queries[i] - references[row])
    return Nearest(row=rows, distance=np.where(without_reference, np.inf, distance))


def among(features: Features, groups: Groups | None = None) -> Distances:
    """Compute the distance of each image to the nearest other one, of another patient if grouped.

    Example:
        >>> import numpy as np
        >>> among(np.array([[0.0], [1.0], [5.0]]), np.array([0, 0, 1])).tolist()
        [5.0, 4.0, 4.0]
    """
    codes = np.arange(len(features)) if groups is None else groups
    return nearest(features, features, (codes, codes)).distance


def nearness_ratio(generated: Distances, held_out: Distances) -> float:
    """Divide the median distance of Q to T by that of H to T; NaN if the latter is 0.

    Below 1, generated images are nearer to the training images than real ones are.

    Source: ours, from the distances of Meehan et al. (2020).

    Example:
        >>> import numpy as np
        >>> nearness_ratio(np.array([1.0, 2.0, 3.0]), np.array([4.0]))
        0.5
    """
    reference = float(np.median(held_out))
    return float(np.median(generated)) / reference if reference > 0 else np.nan


def share_close(generated: Distances, held_out: Distances) -> float:
    """Compute the share of Q that lies nearer to T than 99 % of H: about 0.01 without copies.

    Source: ours, from the distances of Meehan et al. (2020).

    Example:
        >>> import numpy as np
        >>> share_close(np.array([0.0, 2.0]), np.linspace(1, 3, 101))
        0.5
    """
    return float(np.mean(generated < np.quantile(held_out, CLOSE)))


def authenticity(to_train: Nearest, among_train: Distances) -> float:
    """Compute the percentage of Q that is authentic, not a near copy of a training image.

    An image is authentic if it is farther from its nearest training image t than t from its own
    nearest neighbor. Q = T gives 0. A perfect sampler gives 33 on a line, 38 in a plane, 50 in many
    dimensions, and more if a few central images are nearest to all: compare with held-out images.
    `among` with patients takes the neighbor of t from another patient, where the source takes any:
    two images of one patient lie close together, which would make copies of them look authentic.

    Args:
        to_train: Nearest training image of each generated one.
        among_train: (m,) distance of each training image to its nearest neighbor.

    Returns:
        0..100.

    Source: Alaa et al. (2022), ICML, section 3, without their fitted supports.

    Example:
        >>> import numpy as np
        >>> train = np.array([[0.0], [1.0], [3.0]])
        >>> authenticity(nearest(np.array([[1.1], [9.0]]), train), among(train))
        50.0
    """
    return 100 * float(np.mean(to_train.distance > among_train[to_train.row]))


def mann_whitney_z(first: Distances, second: Distances) -> float:
    """Standardize Mann and Whitney's U of `first` against `second`: negative if `first` is smaller.

    Source: Mann and Whitney (1947). Ties share their rank; the variance is not corrected for them,
    as in Meehan et al. (2020).

    Example:
        >>> import numpy as np
        >>> round(mann_whitney_z(np.array([1.0, 2.0]), np.array([3.0, 4.0])), 3)
        -1.549
    """
    n, m = len(first), len(second)
    u = n_below(first, second).sum()
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def copying_score(
    train: Features,
    held_out: Features,
    generated: Features,
    generated_distance: Distances,
    held_out_distance: Distances,
    *,
    n_cells: int | None = None,
) -> float:
    """Compute C_T: are generated images nearer to T than held-out ones, within k-means cells of T?

    Q = T gives a number far below 0, Q = H gives 0, an underfitted generator a number above 0.
    Blurred images or images of little variety also lie near to everything: a negative score is a
    reason to look, no proof of copies.

    Args:
        train: (n, d), from which the cells are computed.
        held_out: (n, d); its share in each cell weighs the cell.
        generated: (n, d).
        generated_distance: (n,) distance of each image of Q to its nearest neighbor in all of T.
        held_out_distance: (n,) the same of each image of H.
        n_cells: Number of cells; None for one per 50 held-out images, at most 10.

    Returns:
        Mean of the z values of the cells with both held-out and generated images; NaN without such
        a cell.

    Source: Meehan, Chaudhuri and Dasgupta (2020), AISTATS, section 4, with four differences from
    their code (data-copying). Neighbors are searched in all of T, theirs only among the training
    images of the same cell: across a border of cells distances are smaller here, and a copy of an
    image of the neighboring cell is still a copy. They leave out cells in which the share of
    generated images is at most a threshold tau; here every cell with one counts. They refuse cells
    without held-out images, which have no weight here. They correct z for continuity (by half a
    rank).

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> train, held_out = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
        >>> copies = train + 0.01
        >>> to_train = [nearest(x, train).distance for x in (copies, held_out)]
        >>> copying_score(train, held_out, copies, *to_train) < -5
        True
    """
    from sklearn.cluster import KMeans  # reading a run takes neither this nor scipy.stats
    from sklearn.exceptions import ConvergenceWarning

    wanted = n_cells or int(np.clip(len(held_out) // PER_CELL, 1, MOST_CELLS))
    cells = KMeans(min(wanted, len(train)), n_init=1, random_state=derive_seed("cells") % 2**32)
    with warnings.catch_warnings():
        # Fewer distinct images than cells: there are fewer cells then.
        warnings.simplefilter("ignore", ConvergenceWarning)
        cells.fit(train)
    held_out_cell = cells.predict(held_out)
    generated_cell = cells.predict(generated)
    shared = np.intersect1d(held_out_cell, generated_cell)
    if not len(shared):
        return np.nan
    z, weights = [], []
    for cell in shared:
        of_generated = generated_distance[generated_cell == cell]
        of_held_out = held_out_distance[held_out_cell == cell]
        z.append(mann_whitney_z(of_generated, of_held_out))
        weights.append(len(of_held_out))
    return float(np.average(z, weights=weights))


def membership(members: Distances, non_members: Distances) -> Membership:
    """Evaluate an attack that takes the patients nearest to generated images for training patients.

    Both p values hold for any distribution if patients were assigned to T and H at random: with
    images in place of patients the first is below 0.01 in 4 of 100 draws of synthetic films, with
    patients in 1. `caught` is the true positive rate at 1 % false positives: copies of few images
    hide in `auc`, not there.

    Args:
        members: For each patient of T the distance of the nearest image to a generated one.
        non_members: The same for the patients of H.

    Source: Carlini et al. (2022), section 4 (true positive rate at a low false positive rate).

    Example:
        >>> import numpy as np
        >>> attack = membership(np.arange(10.0), np.arange(5.0, 15.0))
        >>> attack.auc, attack.caught, round(attack.p_auc, 4)
        (0.875, 0.5, 0.0025)
    """
    from scipy.stats import betabinom, mannwhitneyu

    n_members, n_non_members = len(members), len(non_members)
    ahead = n_below(-members, -non_members) / n_non_members  # share each member is nearer than
    behind = 1 - n_below(-non_members, -members) / n_members
    auc = float(ahead.mean())
    variance = 0.0
    for placements in (ahead, behind):
        if len(placements) > 1:
            variance += float(np.var(placements, ddof=1)) / len(placements)
    half = ndtri(0.975) * float(np.sqrt(variance))

    n_allowed = max(1, int(np.ceil(CLOSE * n_non_members)))
    n_caught = int(np.count_nonzero(members < np.sort(non_members)[n_allowed - 1]))
    p_caught = betabinom.sf(n_caught - 1, n_members, n_allowed, n_non_members - n_allowed + 1)
    return Membership(
        n_members=n_members,
        n_others=n_non_members,
        auc=auc,
        low=float(max(0.0, auc - half)),
        high=float(min(1.0, auc + half)),
        p_auc=float(mannwhitneyu(members, non_members, alternative="less").pvalue),
        caught=n_caught / n_members,
        p_caught=float(p_caught),
    )


def per_patient(distances: Distances, groups: Groups) -> Distances:
    """Compute the smallest distance of each patient's images.

    Example:
        >>> import numpy as np
        >>> per_patient(np.array([3.0, 1.0, 2.0]), np.array([0, 0, 1])).tolist()
        [1.0, 2.0]
    """
    patients, owner = np.unique(groups, return_inverse=True)
    smallest = np.full(len(patients), np.inf)
    np.minimum.at(smallest, owner, distances)
    return smallest
