"""Cases that the tests of patch samplers share."""

import numpy as np
import pytest

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.testing.patch_samplers import ToyCases, toy_cases
from equipoise.testing.volumes import volumes_of


@pytest.fixture(scope="package")
def cases(tmp_path_factory: pytest.TempPathFactory) -> ToyCases:
    return toy_cases(tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="package")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> VolumeDataset:
    """Two cases of 8 x 20 x 20 in which classes 1 to 4 are blocks of 216, 144, 72 and 36 voxels."""
    codes = np.zeros((8, 20, 20), dtype=np.uint8)
    codes[1:7, 1:7, 1:7] = 1
    codes[1:5, 10:16, 1:7] = 2
    codes[1:3, 1:7, 10:16] = 3
    codes[4:5, 10:16, 10:16] = 4
    return volumes_of([codes, codes], tmp_path_factory.mktemp("blocks"), k=5)
