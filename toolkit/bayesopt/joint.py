"""What BoTorch adds to a campaign: acquisitions of whole batches, and of several objectives by hypervolume."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from toolkit.bayesopt.process import NOISE_FLOOR, noise_variance
from toolkit.bayesopt.surrogate import Surrogate

with warnings.catch_warnings():  # what it stands on calls torch.jit.script, which torch calls deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from botorch.acquisition.logei import qLogExpectedImprovement
    from botorch.acquisition.monte_carlo import qProbabilityOfImprovement, qUpperConfidenceBound
    from botorch.acquisition.multi_objective import logei
    from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.exceptions.warnings import BotorchWarning
    from botorch.models import ModelListGP, SingleTaskGP
    from botorch.sampling.normal import SobolQMCNormalSampler
    from botorch.utils.multi_objective.box_decompositions.non_dominated import FastNondominatedPartitioning
    from botorch.utils.multi_objective.hypervolume import Hypervolume, infer_reference_point
    from botorch.utils.multi_objective.pareto import is_non_dominated
    from botorch.utils.sampling import manual_seed
    from gpytorch.constraints import GreaterThan
    from gpytorch.kernels import MaternKernel, RBFKernel, ScaleKernel
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.means import ZeroMean
    from linear_operator.utils.warnings import NumericalWarning

# On first use BoTorch would compile a C++ kernel where it finds a compiler (measured: 53 s and 1.6 GB), and warn elsewhere.
logei._load_attempted = True

SAMPLES = 128
AT_A_TIME = 512  # candidates
SHORTLIST = 96  # candidates whose noisy hypervolume is sampled, which takes long


def model(surrogate: Surrogate) -> SingleTaskGP:
    """The same process in BoTorch, with the same hyper-parameters, on scaled inputs and standardised values."""
    d = surrogate.x.shape[1]
    base = MaternKernel(nu=2.5, ard_num_dims=d) if surrogate.kernel == "matern52" else RBFKernel(ard_num_dims=d)
    likelihood = GaussianLikelihood(noise_constraint=GreaterThan(NOISE_FLOOR / 2))
    covariance = ScaleKernel(base)
    process = SingleTaskGP(
        surrogate.x, surrogate.y[:, None], likelihood=likelihood, covar_module=covariance, mean_module=ZeroMean(),
        outcome_transform=None,
    )  # fmt: skip
    process.to(surrogate.x)
    base.lengthscale, covariance.outputscale = surrogate.theta[:, :-2].exp(), surrogate.theta[0, -2].exp()
    likelihood.noise = noise_variance(surrogate.theta)
    return process.eval()


def propose(
    surrogates: Sequence[Surrogate],
    x: Tensor,
    left: Sequence[int],
    n: int,
    *,
    acquisition: str,
    kappa: float,
    pending: Tensor,
    seed: int,
) -> tuple[list[int], list[np.ndarray]]:
    """Choose candidates one after the other so that the batch as a whole is best (sequential greedy).

    Args:
        surrogates: one per objective.
        x: all candidates, scaled, `(p, d)`.
        left: numbers of those that may be chosen.
        n: how many.
        acquisition: "ucb", "ei", "pi", or "nehvi" for several objectives.
        kappa: of UCB.
        pending: scaled points that are being measured, `(w, d)`.
        seed: of the quasi-random samples.

    Returns:
        The chosen numbers, and for each the acquisition at all candidates when it was chosen, `(p,)`.
    """
    # Points that are close need a jitter on the diagonal, which is harmless here.
    with warnings.catch_warnings(), manual_seed(seed):
        for kind in (NumericalWarning, BotorchWarning):
            warnings.simplefilter("ignore", kind)
        if acquisition == "nehvi":
            left = _shortlist(surrogates, x, left, max(SHORTLIST, n))
        return _greedy(_function(surrogates, acquisition, kappa, seed), x, sorted(left), n, pending)


def _shortlist(surrogates: Sequence[Surrogate], x: Tensor, left: Sequence[int], most: int) -> list[int]:
    """The candidates with the largest hypervolume to be expected of each alone, which has a closed form."""
    values = torch.stack([surrogate.y for surrogate in surrogates], 1)
    reference = reference_point(values)
    improvement = ExpectedHypervolumeImprovement(
        ModelListGP(*map(model, surrogates)), reference.tolist(), FastNondominatedPartitioning(reference, values)
    )
    with torch.no_grad():
        expected = torch.cat([improvement(part[:, None]) for part in x[list(left)].split(AT_A_TIME)])
    return [left[place] for place in expected.argsort(descending=True)[:most].tolist()]


def _greedy(function, x: Tensor, left: list[int], n: int, pending: Tensor) -> tuple[list[int], list[np.ndarray]]:
    places, scores, allowed = [], [], torch.tensor(left)
    for _ in range(n):
        waiting = torch.cat([pending, x[places]])
        function.set_X_pending(waiting if len(waiting) else None)
        with torch.no_grad():
            values = torch.cat([function(part[:, None]) for part in x[allowed].split(AT_A_TIME)])
        score = torch.full((len(x),), -torch.inf, dtype=x.dtype)
        score[allowed] = values
        places.append(int(score.argmax()))
        scores.append(score.numpy())
        allowed = allowed[allowed != places[-1]]
    return places, scores


def _function(surrogates: Sequence[Surrogate], acquisition: str, kappa: float, seed: int):
    sampler = SobolQMCNormalSampler(torch.Size([SAMPLES]), seed=seed)
    if acquisition == "nehvi":
        values = torch.stack([surrogate.y for surrogate in surrogates], 1)
        return qLogNoisyExpectedHypervolumeImprovement(
            ModelListGP(*map(model, surrogates)), reference_point(values), surrogates[0].x, sampler=sampler, prune_baseline=True
        )
    process, best = model(surrogates[0]), surrogates[0].y.max()
    if acquisition == "ucb":
        return qUpperConfidenceBound(process, beta=kappa**2, sampler=sampler)
    function = {"ei": qLogExpectedImprovement, "pi": qProbabilityOfImprovement}[acquisition]
    return function(process, best_f=best, sampler=sampler)


def reference_point(values: Tensor) -> Tensor:
    """A point a little worse than the front of these values `(n, o)`, by BoTorch's rule."""
    return infer_reference_point(values[is_non_dominated(values)], scale=0.1)


def hypervolume(values: Tensor, reference: Tensor) -> float:
    """Volume between a reference point `(o,)` and the front of the values `(n, o)`, all to be maximised.

    >>> hypervolume(torch.tensor([[1.0, 2.0], [2.0, 1.0]]), torch.zeros(2))
    3.0
    """
    return Hypervolume(reference).compute(values[is_non_dominated(values)])
