import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.quotas import Quotas, equal_shares, natural_minority_shares

WEIGHTS = st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any)
PLACES = st.integers(1, 200)


@settings(max_examples=50)
@given(weights=WEIGHTS, n=PLACES, start=st.integers(0, 10**6))
def test_places_sum_to_n_and_are_the_exact_number_rounded_up_or_down(
    weights: list[int], n: int, start: int
) -> None:
    shares = np.array(weights) / sum(weights)
    places = Quotas(shares, n)(np.arange(start, start + 20))
    assert (places.sum(axis=1) == n).all()
    assert (np.abs(places - n * shares) < 1 - 1e-12).all()
    assert (places[:, shares == 0] == 0).all()


@settings(max_examples=50)
@given(k=st.integers(1, 7), n_absent=st.integers(0, 2), n=PLACES, start=st.integers(0, 1000))
def test_the_remainder_rotates_over_equal_classes(
    k: int, n_absent: int, n: int, start: int
) -> None:
    """In any k consecutive steps every class gets n places: n // k or one more in each."""
    shares = np.append(np.zeros(n_absent), np.full(k, 1 / k))
    places = Quotas(shares, n)(np.arange(start, start + k))[:, n_absent:]
    assert (places.sum(axis=0) == n).all()
    assert set(places.ravel().tolist()) <= {n // k, n // k + 1}


@settings(max_examples=30)
@given(weights=WEIGHTS, n=PLACES)
def test_unequal_shares_are_met_over_many_steps(weights: list[int], n: int) -> None:
    shares = np.array(weights) / sum(weights)
    mean = Quotas(shares, n)(np.arange(1000)).mean(axis=0)
    assert np.abs(mean - n * shares).max() < 0.02


def test_natural_minority_keeps_the_ratio_of_the_minorities(blocks: VolumeDataset) -> None:
    """Small and Ventura (2017): majority share 0.48, minorities as 216 : 144 : 72 : 36."""
    shares = natural_minority_shares(blocks, 0.48)
    np.testing.assert_allclose(shares, [0.48, 0.24, 0.16, 0.08, 0.04])
    assert natural_minority_shares(blocks, None)[0] == 0.2


def test_natural_minority_where_there_is_only_one_class(blocks: VolumeDataset) -> None:
    edema = blocks.merged({"edema": (2,)})
    assert natural_minority_shares(edema, 0.3).tolist() == [1.0]
    assert equal_shares(edema).tolist() == [1.0]
