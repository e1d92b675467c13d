"""MNIST digits as patients: the public experiment of Pölsterl's tutorial on survival analysis with networks.

Every digit has a risk; a patient is an image, which the network must read to know it. Times of events are exponential, and
everybody is observed up to one and the same day. The draws are those of the tutorial, so its concordances compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from toolkit.datasets import images
from toolkit.datasets.dataset import Dataset

SOURCE = (
    "digits of MNIST with survival times simulated as in S. Pölsterl, Survival Analysis for Deep Learning (2019), "
    "https://k-d-w.org/blog/2019/07/survival-analysis-for-deep-learning"
)
GROUPS = 4
MEAN_TIME = 365.0  # days, at a log hazard of 0
CENSORED = 0.45  # share that is censored if the observation ends at its latest
SEED = 89


@dataclass(frozen=True, eq=False)
class Digits:
    """The experiment's data, and the log hazards that a network can at best find.

    Attributes:
        data: 60,000 training images, and the 10,000 test images both as validation and as test part, as in the tutorial.
        log_hazard: the true ones of the test part `(10000,)`.
    """

    data: Dataset
    log_hazard: Tensor


def load(folder: str | Path | None = None, *, download: bool = False) -> Digits:
    """MNIST (see `images.mnist`) with targets time [days] and event `(n, 2)`.

    Args:
        folder: see `images.mnist`.
        download: see `images.mnist`.

    Raises:
        DataNotFound, DamagedFile, DownloadFailed: see `images.mnist`.
    """
    mnist = images.mnist(folder, download=download, validation=0.0)
    labels = torch.cat([mnist.train[1], mnist.test[1]]).numpy()
    risk = log_hazards()[labels]
    targets = torch.from_numpy(np.stack(outcomes(risk), 1).astype(np.float32))
    (train, test), n = (mnist.train[0], mnist.test[0]), len(mnist.train[0])
    held_out = test, targets[n:]
    data = Dataset(
        "MNIST survival", (train, targets[:n]), held_out, held_out, classes=None, source=SOURCE, licence=mnist.licence,
        units="grey levels 0 .. 255; time in days", simulated=True,
    )  # fmt: skip
    return Digits(data, torch.from_numpy(risk[n:]))


def log_hazards(*, seed: int = SEED) -> np.ndarray:
    """True log hazard of each of the ten digits.

    A digit falls into one of four groups g at random and has the log hazard 1.75 √(g + 10⁻⁴) - (k - ⌊m/2⌋)/25, as number k
    among the m digits of its group.

    Args:
        seed: of the groups.

    Returns:
        `(10,)`.

    >>> log_hazards().round(2).tolist()
    [3.07, 2.55, 0.06, 1.79, 2.51, 3.03, 1.75, 2.47, 0.02, 2.43]
    """
    group = np.random.RandomState(seed).randint(GROUPS, size=10)
    place = np.array([np.sum(group[:digit] == group[digit]) for digit in range(10)])
    members = np.bincount(group, minlength=GROUPS)[group]
    return 1.75 * np.sqrt(group + 1e-4) - (place - members // 2) / 25


def outcomes(log_hazard: np.ndarray, *, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """Times and events of subjects with given log hazards.

    The time is exponential with the rate exp(h) / 365 days. The end of observation is one draw for all, uniform between the
    first event and the day by which 55 % have had theirs.

    Args:
        log_hazard: h `(n,)`.
        seed: of the draws.

    Returns:
        Observed times [days] and whether the event was seen `(n,)`.

    >>> outcomes(np.zeros(1000))[1].mean() <= 0.55
    np.True_
    """
    random = np.random.RandomState(seed)
    time = -np.log(random.uniform(size=len(log_hazard))) * MEAN_TIME / np.exp(log_hazard)
    end = random.uniform(time.min(), np.quantile(time, 1 - CENSORED))
    return np.minimum(time, end), time <= end
