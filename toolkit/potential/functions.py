"""Names of the symmetry functions of Behler and Parrinello, their cutoff functions, and the sets that the document uses.

With f_c the cutoff function, R distances from atom i and theta the angle at atom i between j and k (section 2.1 of Ghimire):

    G1 = sum_j f_c(R_ij)
    G2 = sum_j exp(-eta (R_ij - R_s)^2) f_c(R_ij)
    G3 = sum_j cos(kappa R_ij) f_c(R_ij)
    G4 = 2^(1-zeta) sum_{j != k} (1 + lambda cos theta)^zeta exp(-eta (R_ij^2 + R_ik^2 + R_jk^2)) f_c(R_ij) f_c(R_ik) f_c(R_jk)
    G5 = 2^(1-zeta) sum_{j != k} (1 + lambda cos theta)^zeta exp(-eta (R_ij^2 + R_ik^2)) f_c(R_ij) f_c(R_ik)

The sums of G4 and G5 run over ordered pairs, so that each angle counts twice: their values are twice those of dscribe and n2p2.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from toolkit import published

CUTOFFS = ("cosine", "tanh")


class G1(NamedTuple):
    """Sum of the cutoff function: the number of neighbours, smoothly counted. `r_c` in Å."""

    r_c: float


class G2(NamedTuple):
    """A Gaussian shell: cutoff `r_c` [Å], `eta` [1/Å²], radius `r_s` [Å]."""

    r_c: float
    eta: float
    r_s: float = 0.0


class G3(NamedTuple):
    """A damped cosine: cutoff `r_c` [Å], `kappa` [1/Å]."""

    r_c: float
    kappa: float


class G4(NamedTuple):
    """Angles between neighbours that are neighbours of each other: `r_c` [Å], `eta` [1/Å²], `zeta` >= 1, |`lambda_`| <= 1."""

    r_c: float
    eta: float
    zeta: float
    lambda_: float


class G5(NamedTuple):
    """Angles between any two neighbours; see `G4`."""

    r_c: float
    eta: float
    zeta: float
    lambda_: float


Radial = G1 | G2 | G3
Angular = G4 | G5


def cutoff(distance: Tensor, r_c: float, kind: str = "cosine") -> Tensor:
    """The cutoff function f_c: from its value at 0 smoothly to 0 at `r_c` and beyond.

    "cosine" is eq. (2.1), (cos(pi R / R_c) + 1) / 2; "tanh" is tanh³(1 - R / R_c), a choice of n2p2. Both have a zero
    derivative at the cutoff.

    Args:
        distance: [Å], any shape.
        r_c: cutoff radius [Å].
        kind: one of `CUTOFFS`.

    >>> cutoff(torch.tensor([0.0, 2.0, 6.0, 7.0], dtype=torch.float64), 6.0).round(decimals=6).tolist()
    [1.0, 0.75, 0.0, 0.0]
    """
    if kind not in CUTOFFS:
        raise ValueError(f"kind must be one of {CUTOFFS}, got {kind!r}")
    share = (distance / r_c).clamp(max=1.0)
    if kind == "tanh":
        return torch.tanh(1 - share) ** 3
    # The square of a cosine: near the cutoff it is exact to the last digit, where (cos + 1) / 2 cancels.
    return torch.cos(share * (math.pi / 2)).square() * (share < 1)


def radial_functions(rows: Iterable[Sequence[float]]) -> tuple[Radial, ...]:
    """Check radial rows; plain rows `(r_c, eta, r_s)` are `G2`.

    >>> radial_functions([(6.8, 1.85, 2.0), G1(6.0)])
    (G2(r_c=6.8, eta=1.85, r_s=2.0), G1(r_c=6.0))
    """
    return tuple(_checked("radial", row, (G1, G2, G3), G2, "(r_c, eta, r_s)") for row in rows)


def angular_functions(rows: Iterable[Sequence[float]]) -> tuple[Angular, ...]:
    """Check angular rows; plain rows `(r_c, eta, zeta, lambda)` are `G5`."""
    return tuple(_checked("angular", row, (G4, G5), G5, "(r_c, eta, zeta, lambda)") for row in rows)


def _checked(name: str, row: Sequence[float], kinds: tuple[type, ...], plain: type, form: str) -> Radial | Angular:
    if not isinstance(row, kinds):
        try:
            row = plain(*row)
        except TypeError:
            allowed = ", ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"{name} rows must be {form} or one of {allowed}, got {row!r}") from None
    try:
        row = type(row)(*(float(value) for value in row))
    except (TypeError, ValueError):
        raise ValueError(f"{name} rows must hold numbers, got {row!r}") from None
    if not all(math.isfinite(value) for value in row):
        raise ValueError(f"{name} rows must hold finite numbers, got {row!r}")
    for field, (sound, wanted) in _BOUNDS.items():
        value = getattr(row, field, None)
        if value is not None and not sound(value):
            raise ValueError(f"{name}: {field} must be {wanted}, got {value:g} in {row!r}")
    return row


_BOUNDS = {
    "r_c": (lambda value: value > 0, "a positive length in Å"),
    "eta": (lambda value: value >= 0, "zero or positive, in 1/Å^2"),
    "r_s": (lambda value: value >= 0, "zero or positive, in Å"),
    "zeta": (lambda value: value >= 1, "at least 1 (below, the derivative is infinite at 180°)"),
    "lambda_": (lambda value: abs(value) <= 1, "between -1 and 1"),
}

DOCUMENT_SETS = ("22", "57", "57A", "57B", "57C", "57D", "329")


def document_columns(name: str) -> list[int]:
    """Which of the 329 functions make up a set, counted from 0, in their order.

    "57" and "57A" to "57D" are the sets of section 4.3. Appendix A, with the parameters of "22", is lost; "22" is a reading of
    what section 3.1 says of them: 12 radial functions within eta 0..1.85 and R_s 0..6.105, which fits one wide function and
    eleven with eta = 1.85 at multiples of 6.105 / 11 = 0.555 Å, and 10 angular ones, which fits the ten pairs of zeta and
    lambda at the least eta; of each the nearest of the 329 is taken, as section 3.3 did.

    Args:
        name: one of `DOCUMENT_SETS`.

    >>> [len(document_columns(name)) for name in DOCUMENT_SETS]
    [22, 57, 57, 57, 57, 57, 329]
    """
    if str(name) not in DOCUMENT_SETS:
        raise ValueError(f"name must be one of {', '.join(DOCUMENT_SETS)}, got {name!r}")
    radial, angular = _all_functions()
    if str(name) == "329":
        return list(range(len(radial) + len(angular)))
    if str(name) == "22":
        shifted = np.array([function.r_s or np.inf for function in radial])
        nearest = [int(abs(shifted - 0.555 * step).argmin()) for step in range(1, 12)]
        return [0, *nearest, *range(len(radial), len(radial) + 10)]
    table = published.table("ghimire_section_3_3_features_329")
    return table.index[table["index_set_57"] == (str(name)[2:] or "A")].tolist()


def document_set(name: str) -> tuple[tuple[G2, ...], tuple[G5, ...]]:
    """Radial and angular functions of a set of the document, for `SymmetryFunctions(*document_set("57"))`.

    Args:
        name: one of `DOCUMENT_SETS`; see `document_columns`.

    >>> radial, angular = document_set("329")
    >>> len(radial), len(angular), radial[0], angular[-1].zeta
    (269, 60, G2(r_c=6.8, eta=0.0013, r_s=0.0), 64.0)
    """
    radial, angular = _all_functions()
    columns = document_columns(name)
    return (
        tuple(radial[column] for column in columns if column < len(radial)),
        tuple(angular[column - len(radial)] for column in columns if column >= len(radial)),
    )


@cache
def _all_functions() -> tuple[tuple[G2, ...], tuple[G5, ...]]:
    """The 329 functions by the rules of section 3.3; the list of lambda, 8 printed entries for a loop of 10, is continued."""
    etas, angular_etas = np.linspace(0.0, 2.0, 201), np.linspace(0.0, 2.0, 6)
    etas[0] = angular_etas[0] = 0.0013
    radial = [G2(6.8, eta, 0.0) for eta in etas.tolist()] + [G2(6.8, 1.85, r_s) for r_s in np.linspace(0.05, 6.8, 68).tolist()]
    angular = [G5(4.4, *row) for row in itertools.product(angular_etas.tolist(), (1.0, 2.0, 4.0, 16.0, 64.0), (1.0, -1.0))]
    return tuple(radial), tuple(angular)
