"""The Gaussian process of one objective in a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toolkit.bayesopt import process
from toolkit.bayesopt.process import Observations, Prior

JITTER = 1e-8  # of the signal variance, for a sample at points that are close


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process fitted to an objective.

    Attributes:
        x: scaled points measured, `(n, d)`.
        y: their standardised values, `(n,)`.
        theta: logarithms of the hyper-parameters, `(1, d + 2)`.
        centre: mean of the modelled values.
        spread: standard deviation of the modelled values.
        kernel: one of `process.KERNELS`.
    """

    x: Tensor
    y: Tensor
    theta: Tensor
    centre: float
    spread: float
    kernel: str

    @classmethod
    def fitted(cls, x: Tensor, values: Sequence[float], *, kernel: str = "rbf", prior: Prior | None = None) -> Surrogate:
        """A process with the hyper-parameters of largest evidence.

        Args:
            x: scaled points, `(n, d)`.
            values: to be modelled, `(n,)`, at least two different ones.
            kernel: one of `process.KERNELS`.
            prior: of the hyper-parameters; None for ML-II as in the document.
        """
        values = np.asarray(values, float)
        centre, spread = float(values.mean()), float(values.std(ddof=1))
        y = torch.tensor((values - centre) / spread)
        start = (prior or Prior()).centre(x.shape[1])[None]
        theta = process.fit(process.observations(x, y), start, kernel=kernel, prior=prior)
        return cls(x, y, theta, centre, spread, kernel)

    @cached_property
    def seen(self) -> Observations:
        """What the process has seen, repeats put together."""
        return process.observations(self.x, self.y)

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised mean and standard deviation at scaled points, `(p,)` each."""
        mean, deviation = process.predict(self.theta, self.seen, self._cross(x), kernel=self.kernel)
        return mean[0], deviation[0]

    def _cross(self, x: Tensor) -> Tensor:
        return process.squared_differences(torch.unique(self.x, dim=0), x)[:, None]

    def believing(self, x: Tensor) -> Surrogate:
        """The same with its own mean at scaled points `(n, d)` as if measured: the kriging believer of section 4.1.2.

        Hyper-parameters and scaling stay, so that the mean changes nowhere and the deviation nowhere rises.
        """
        return replace(self, x=torch.cat([self.x, x]), y=torch.cat([self.y, self.predict(x)[0]])) if len(x) else self

    def sample(self, x: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Functions drawn from the posterior, at scaled points `(p, d)`: `(n, p)`."""
        mean, taken = process.reduced(self.theta, self.seen, self._cross(x), kernel=self.kernel)
        prior = process.covariance(self.theta, process.squared_differences(x, x)[:, None], kernel=self.kernel)[0]
        covariance = prior - taken[0].mT @ taken[0]
        covariance.diagonal().add_(JITTER * self.theta[0, -2].exp())
        draws = torch.randn((len(x), n), generator=generator, dtype=x.dtype)
        return mean[0] + (torch.linalg.cholesky(covariance) @ draws).mT

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Lengthscales in units of each input's range, signal and noise variance in units of the target's variance."""
        *lengths, signal, _ = self.theta[0].exp().tolist()
        return {"lengthscales": lengths, "signal": signal, "noise": float(process.noise_variance(self.theta)[0])}
