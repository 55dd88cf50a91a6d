"""Pictures and labels in memory, for tests of the verbs."""

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def noise(n: int, seed: int, classes: int = 3) -> Arrays:
    """Pictures whose channel `label` is the brightest."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = random.integers(0, 120, (n, 8, 8, 3)).astype(np.uint8)
    images[np.arange(n), :, :, labels] += 100
    return images, labels
