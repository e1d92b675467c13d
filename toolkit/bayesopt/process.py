"""Gaussian processes, many at once: kernels, evidence and its maximum, posterior, conditioning (Zhao, section 2.3.2).

Shapes: `k` processes, `m` different points of each, `p` points to predict at, `d` inputs scaled to [0, 1]. Logarithms of the
hyper-parameters are the columns of `theta` `(k, d + 2)`: d lengthscales l, the signal variance η², the noise variance σ².
Points measured more than once are kept once, with the mean of their values and their count: the posterior stays exactly the
same, and so does the evidence once the scatter inside the repeats is added.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

NOISE_FLOOR = 1e-6  # of σ² in units of the standardised target, so that every matrix has a Cholesky factor
TOLERANCE = 1e-2  # largest slope of the log evidence per unit of theta that ends a fit
ITERATIONS = 60
LONGEST_STEP = 1.5  # in theta, for a start far from the maximum
QUARTERINGS = 6


def _squared_exponential(s: Tensor) -> tuple[Tensor, Tensor]:
    value = torch.exp(-0.5 * s)
    return value, value


def _matern(s: Tensor) -> tuple[Tensor, Tensor]:
    r = torch.sqrt(5 * s)
    decay = torch.exp(-r)
    return (1 + r + r**2 / 3) * decay, 5 / 3 * (1 + r) * decay


# Each gives k(s) and h(s) = -2 dk/ds of s = Σ (x - x')²/l², so that dk/dlog l = h (x - x')²/l².
KERNELS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {"rbf": _squared_exponential, "matern52": _matern}


@dataclass(frozen=True)
class Prior:
    """Normal distributions of the logarithms: weak ones, which keep a fit to a handful of points from extremes.

    Attributes:
        lengthscale: median of l in units of an input's range.
        signal: median of η² in units of the target's variance.
        noise: median of σ² likewise.
        widths: standard deviations of log l, log η² and log σ².
    """

    lengthscale: float = 0.5
    signal: float = 1.0
    noise: float = 0.01
    widths: tuple[float, float, float] = (1.0, 1.0, 2.0)

    def centre(self, d: int) -> Tensor:
        """The medians' logarithms `(d + 2,)`, where every fit begins too."""
        return torch.tensor([self.lengthscale] * d + [self.signal, self.noise], dtype=torch.float64).log()

    def width(self, d: int) -> Tensor:
        """Standard deviations of theta `(d + 2,)`."""
        return torch.tensor([self.widths[0]] * d + list(self.widths[1:]), dtype=torch.float64)


@dataclass(frozen=True)
class Observations:
    """What k processes have seen; rows are filled up to the longest with points of count zero.

    Attributes:
        squares: squared differences between the points in each input, `(d, k, m, m)`.
        mean: mean of the target at each point, standardised, `(k, m)`.
        count: measurements of each point, `(k, m)`; zero fills up.
        within: sum of squared deviations from those means, `(k,)`.
    """

    squares: Tensor
    mean: Tensor
    count: Tensor
    within: Tensor

    def rows(self, rows: Tensor) -> Observations:
        """Some of the processes."""
        return Observations(self.squares[:, rows], self.mean[rows], self.count[rows], self.within[rows])


def observations(x: Tensor, y: Tensor) -> Observations:
    """One process that has seen points `(n, d)` with standardised values `(n,)`; repeats are put together."""
    points, place = torch.unique(x, dim=0, return_inverse=True)
    count = torch.zeros_like(points[:, 0]).index_add_(0, place, torch.ones_like(y))
    mean = torch.zeros_like(points[:, 0]).index_add_(0, place, y) / count
    within = ((y - mean[place]) ** 2).sum()
    return Observations(squared_differences(points, points)[:, None], mean[None], count[None], within[None])


def squared_differences(x: Tensor, z: Tensor) -> Tensor:
    """(x - z)² of each input: `(m, d)` and `(p, d)` give `(d, m, p)`."""
    return (x[:, None] - z[None]).square().permute(2, 0, 1).contiguous()


def covariance(theta: Tensor, squares: Tensor, *, kernel: str = "rbf") -> Tensor:
    """Kernel values η² k(s), (2.28) with a lengthscale of its own for each input.

    Args:
        theta: `(k, d + 2)`.
        squares: `(d, k, m, p)`.
        kernel: one of `KERNELS`.

    Returns:
        `(k, m, p)`.

    >>> covariance(torch.zeros(1, 3), torch.zeros(1, 1, 1, 1)).item()
    1.0
    """
    return theta[:, -2, None, None].exp() * KERNELS[kernel](_distance(theta, squares))[0]


def _distance(theta: Tensor, squares: Tensor) -> Tensor:
    inverse = torch.exp(-2 * theta[:, :-2])
    s = squares[0] * inverse[:, 0, None, None]
    for number in range(1, len(squares)):
        s.addcmul_(squares[number], inverse[:, number, None, None])
    return s


def noise_variance(theta: Tensor) -> Tensor:
    """σ² `(k,)`."""
    return theta[:, -1].exp() + NOISE_FLOOR


def _noisy(matrix: Tensor, theta: Tensor, count: Tensor) -> Tensor:
    """K + σ²/count on the diagonal in place; the rows that fill up become those of the unit matrix."""
    if (real := _real(count)) is not None:
        matrix *= real
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    diagonal.add_(torch.where(count > 0, noise_variance(theta)[:, None] / count.clamp(min=1), 1.0))
    return matrix


def _real(count: Tensor) -> Tensor | None:
    """One for each pair of points that are real, else zero, `(k, m, m)`; None where no row fills up."""
    real = (count > 0).to(count.dtype)
    return None if bool(real.all()) else real[:, :, None] * real[:, None, :]


def evidence(theta: Tensor, seen: Observations, *, kernel: str = "rbf", prior: Prior | None = None) -> tuple[Tensor, Tensor]:
    """Log marginal likelihood of each process, plus the log density of the prior up to a constant, and its slope.

    Args:
        theta: `(k, d + 2)`.
        seen: what the processes have seen.
        kernel: one of `KERNELS`.
        prior: None for the plain evidence (ML-II).

    Returns:
        Values `(k,)` and slopes `(k, d + 2)`.

    >>> one = observations(torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    >>> value, _ = evidence(torch.tensor([[0.0, 0.0, -50.0]], dtype=torch.float64), one)
    >>> round(value.item(), 4) == round(-0.5 * math.log(2 * math.pi), 4)
    True
    """
    signal, noise = theta[:, -2].exp(), noise_variance(theta)
    value, slope = KERNELS[kernel](_distance(theta, seen.squares))
    factor = torch.linalg.cholesky(_noisy(value * signal[:, None, None], theta, seen.count))
    weights = torch.cholesky_solve(seen.mean[..., None], factor)[..., 0]
    times, repeats = seen.count.clamp(min=1), (seen.count - 1).clamp(min=0).sum(1)
    log = -0.5 * (seen.mean * weights).sum(1) - factor.diagonal(dim1=-2, dim2=-1).log().sum(1)
    log -= 0.5 * (math.log(2 * math.pi) * seen.count.sum(1) + times.log().sum(1) + repeats * noise.log() + seen.within / noise)
    lever = weights[:, :, None] * weights[:, None, :] - torch.cholesky_inverse(factor)
    if (real := _real(seen.count)) is not None:
        lever *= real
    of_signal = signal * (lever * value).sum((1, 2))
    of_noise = (lever.diagonal(dim1=-2, dim2=-1) / times).sum(1) - repeats / noise + seen.within / noise**2
    lever *= slope
    of_length = torch.einsum("kij,dkij->kd", lever, seen.squares)
    of_length *= signal[:, None] * torch.exp(-2 * theta[:, :-2])
    gradient = 0.5 * torch.cat([of_length, of_signal[:, None], (theta[:, -1].exp() * of_noise)[:, None]], 1)
    if prior is None:
        return log, gradient
    width = prior.width(len(seen.squares)).to(theta)
    away = (theta - prior.centre(len(seen.squares)).to(theta)) / width
    return log - 0.5 * away.square().sum(1), gradient - away / width


def fit(seen: Observations, start: Tensor, *, kernel: str = "rbf", prior: Prior | None = None) -> Tensor:
    """The hyper-parameters with the largest evidence, found by the BFGS method for all processes at once.

    Args:
        seen: what the k processes have seen.
        start: theta `(k, d + 2)` to begin at.
        kernel: one of `KERNELS`.
        prior: of theta; None for ML-II as in the document.

    Returns:
        theta `(k, d + 2)`. A process whose slope cannot be brought below `TOLERANCE` in `ITERATIONS` steps stays at its best.
    """
    return climb(seen, start, first_curvature(start, prior), kernel=kernel, prior=prior)[0]


def first_curvature(start: Tensor, prior: Prior | None = None) -> Tensor:
    """A guess of the inverse curvature of the evidence `(k, d + 2, d + 2)`, for want of a better one."""
    width = prior.width(start.shape[1] - 2).to(start) if prior else torch.ones_like(start[0])
    return torch.diag(width.square() / 4).repeat(len(start), 1, 1)


def climb(
    seen: Observations, start: Tensor, curvature: Tensor, *, kernel: str = "rbf", prior: Prior | None = None
) -> tuple[Tensor, Tensor]:
    """`fit` from a known inverse curvature, such as that of the fit before one more measurement.

    Args:
        seen: what the k processes have seen.
        start: theta `(k, d + 2)` to begin at.
        curvature: inverse of the negative second derivatives there, about, `(k, d + 2, d + 2)`.
        kernel: one of `KERNELS`.
        prior: of theta.

    Returns:
        theta and the inverse curvature at the end.
    """
    theta, inverse = start.clone(), curvature.clone()
    value, slope = evidence(theta, seen, kernel=kernel, prior=prior)
    for _ in range(ITERATIONS):
        rows = torch.nonzero(slope.abs().amax(1) > TOLERANCE)[:, 0]
        if not len(rows):
            break
        step = _limited((inverse[rows] @ slope[rows, :, None])[..., 0])
        part = seen if len(rows) == len(theta) else seen.rows(rows)
        moved, new_value, new_slope, took = _search(theta[rows], value[rows], slope[rows], step, part, kernel, prior)
        inverse[rows] = _updated(inverse[rows], moved - theta[rows], slope[rows] - new_slope)
        theta[rows], value[rows] = moved, new_value
        slope[rows] = torch.where(took[:, None], new_slope, 0.0)  # nothing higher along the step: this is the end
    return theta, inverse


def _limited(step: Tensor) -> Tensor:
    return step * (LONGEST_STEP / step.norm(dim=1, keepdim=True).clamp(min=LONGEST_STEP))


def _search(theta, value, slope, step, seen, kernel, prior):
    """Quarter the steps until each raises its evidence enough; those that never do stay where they are."""
    best, best_value, best_slope = theta.clone(), value.clone(), slope.clone()
    gain = (step * slope).sum(1)
    left, share = torch.arange(len(theta), device=theta.device), 1.0
    for _ in range(QUARTERINGS):
        part = seen if len(left) == len(theta) else seen.rows(left)
        tried = theta[left] + share * step[left]
        new_value, new_slope = evidence(tried, part, kernel=kernel, prior=prior)
        enough = new_value >= value[left] + 1e-4 * share * gain[left]
        best[left[enough]], best_value[left[enough]] = tried[enough], new_value[enough]
        best_slope[left[enough]] = new_slope[enough]
        left, share = left[~enough], share / 4
        if not len(left):
            break
    took = torch.ones(len(theta), dtype=torch.bool, device=theta.device)
    took[left] = False
    return best, best_value, best_slope, took


def _updated(inverse: Tensor, move: Tensor, turn: Tensor) -> Tensor:
    """The BFGS update of the inverse Hessian of the negative evidence; skipped where the curvature has the wrong sign."""
    curvature = (move * turn).sum(1)
    usable = curvature > 1e-10
    rho = torch.where(usable, 1 / curvature.where(usable, torch.ones_like(curvature)), 0.0)[:, None, None]
    left = torch.eye(move.shape[1]).to(move) - rho * move[:, :, None] * turn[:, None, :]
    new = left @ inverse @ left.mT + rho * move[:, :, None] * move[:, None, :]
    return torch.where(usable[:, None, None], new, inverse)


def predict(theta: Tensor, seen: Observations, cross: Tensor, *, kernel: str = "rbf") -> tuple[Tensor, Tensor]:
    """Posterior mean (2.26) and standard deviation (2.27) of the function without noise.

    Args:
        theta: `(k, d + 2)`.
        seen: what the processes have seen.
        cross: squared differences between their points and those to predict at, `(d, k, m, p)`.
        kernel: one of `KERNELS`.

    Returns:
        Mean and standard deviation, `(k, p)` each.
    """
    mean, whitened = reduced(theta, seen, cross, kernel=kernel)
    variance = theta[:, -2, None].exp() - whitened.square().sum(1)
    return mean, variance.clamp(min=0).sqrt()


def reduced(theta: Tensor, seen: Observations, cross: Tensor, *, kernel: str = "rbf") -> tuple[Tensor, Tensor]:
    """Posterior mean `(k, p)`, and R `(k, m, p)` whose products RᵀR are what the data took from the prior covariance."""
    factor = torch.linalg.cholesky(_noisy(covariance(theta, seen.squares, kernel=kernel), theta, seen.count))
    between = covariance(theta, cross, kernel=kernel) * (seen.count > 0)[..., None]
    whitened = torch.linalg.solve_triangular(factor, between, upper=False)
    target = torch.linalg.solve_triangular(factor, seen.mean[..., None], upper=False)
    return (whitened * target).sum(1), whitened
