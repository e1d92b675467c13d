r"""Pre-treatments of peak areas as scikit-learn transformers (Zhao, Fig. 4.16), to be fitted inside the folds.

=============  =============================================================  ==================
name           what becomes of the area x of peak j in spectrum i             inverse
=============  =============================================================  ==================
"none"         x                                                              exact
"log"          log(1 + x)                                                     exact
"standardise"  (x - mean of peak j) / standard deviation of peak j            exact
"normalise"    x / largest area of spectrum i                                 none
"min-max"      (x - least of peak j) / (largest - least of peak j)            exact
"Poisson"      x / √(mean of peak j)                                          exact
"total ion"    x / sum of spectrum i                                          none
"square root"  √x                                                             exact
=============  =============================================================  ==================

What belongs to a peak is learned from the training spectra; what belongs to a spectrum is its own. The document prints no
formulas. Its "peak profile" is read as a spectrum; Poisson scaling has the factor of the peaks only (Keenan and Kotula weigh
the spectra by their own means as well, which no inverse could undo).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, Normalizer, StandardScaler
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data


class _Areas(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """A transformer of areas that cannot be negative."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _checked(self, intensities: np.ndarray, *, reset: bool) -> np.ndarray:
        if not reset:
            check_is_fitted(self)
        values = validate_data(self, intensities, reset=reset, dtype=(np.float64, np.float32))
        if (values < 0).any():
            raise ValueError(
                f"Negative values in data passed to {type(self).__name__}: areas cannot be below 0, got {values.min()}"
            )
        return values


class Logarithm(_Areas):
    """log(1 + x), which keeps zeros at zero.

    >>> float(Logarithm().fit_transform([[0.0], [np.e - 1]])[1, 0])
    1.0
    """

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Only looks at the number of peaks."""
        self._checked(X, reset=True)
        return self

    def transform(self, intensities: np.ndarray) -> np.ndarray:
        """`(n, m)` logarithms."""
        return np.log1p(self._checked(intensities, reset=False))

    def inverse_transform(self, scaled: np.ndarray) -> np.ndarray:
        """`(n, m)` areas."""
        return np.expm1(scaled)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")


class SquareRoot(_Areas):
    """√x: counting noise becomes alike for weak and strong peaks.

    >>> SquareRoot().fit_transform([[4.0, 9.0]]).tolist()
    [[2.0, 3.0]]
    """

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Only looks at the number of peaks."""
        self._checked(X, reset=True)
        return self

    def transform(self, intensities: np.ndarray) -> np.ndarray:
        """`(n, m)` roots."""
        return np.sqrt(self._checked(intensities, reset=False))

    def inverse_transform(self, scaled: np.ndarray) -> np.ndarray:
        """`(n, m)` areas."""
        return np.square(scaled)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")


class Poisson(_Areas):
    """x / √(mean of the peak over the training spectra), its counting noise; a peak that is always zero stays zero.

    Attributes:
        scale_: `(m,)` the roots; 1 for a peak without counts.

    >>> Poisson().fit_transform([[2.0, 0.0], [6.0, 0.0]]).tolist()
    [[1.0, 0.0], [3.0, 0.0]]
    """

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Learn the means of the peaks."""
        means = self._checked(X, reset=True).mean(0, dtype=np.float64)
        self.scale_ = np.sqrt(np.where(means > 0, means, 1.0))
        return self

    def transform(self, intensities: np.ndarray) -> np.ndarray:
        """`(n, m)` areas in units of their noise."""
        return self._checked(intensities, reset=False) / self.scale_

    def inverse_transform(self, scaled: np.ndarray) -> np.ndarray:
        """`(n, m)` areas."""
        return np.asarray(scaled) * self.scale_


class Truncation(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Cut every peak at the largest area that the pure references have there (Zhao, sample No. 4).

    Attributes:
        largest_: `(m,)` largest area of each peak in the references.

    >>> Truncation().fit([[1.0, 5.0], [3.0, 2.0]]).transform([[9.0, 4.0]]).tolist()
    [[3.0, 4.0]]
    """

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Learn the maxima of the references."""
        self.largest_ = validate_data(self, X, dtype=(np.float64, np.float32)).max(0)
        return self

    def transform(self, intensities: np.ndarray) -> np.ndarray:
        """`(n, m)` areas, none above its maximum."""
        check_is_fitted(self)
        return np.minimum(validate_data(self, intensities, reset=False, dtype=(np.float64, np.float32)), self.largest_)


_TRANSFORMERS = {
    "none": lambda: FunctionTransformer(check_inverse=False),
    "log": Logarithm,
    "standardise": StandardScaler,
    "normalise": lambda: Normalizer(norm="max"),
    "min-max": MinMaxScaler,
    "Poisson": Poisson,
    "total ion": lambda: Normalizer(norm="l1"),
    "square root": SquareRoot,
}
SCALINGS = tuple(_TRANSFORMERS)


def scale(scaling: str = "min-max", *, truncate: bool = False) -> TransformerMixin:
    """A new transformer of that name.

    Args:
        scaling: one of `SCALINGS`.
        truncate: cut every peak at the largest area of the spectra it is fitted on, before scaling.

    Raises:
        ValueError: an unknown name.

    >>> scale("min-max").fit([[0.0], [4.0]]).transform([[1.0]]).tolist()
    [[0.25]]
    """
    if scaling not in _TRANSFORMERS:
        raise ValueError(f"scaling must be one of {SCALINGS}, got {scaling!r}")
    transformer = _TRANSFORMERS[scaling]()
    return make_pipeline(Truncation(), transformer) if truncate else transformer


def unscale(transformer: TransformerMixin, scaled: np.ndarray) -> np.ndarray:
    """Areas of scaled spectra.

    Args:
        transformer: fitted.
        scaled: `(n, m)`.

    Raises:
        ValueError: the transformer has no inverse.
    """
    last = transformer[-1] if isinstance(transformer, Pipeline) else transformer
    if not hasattr(last, "inverse_transform"):
        raise ValueError(f"{type(last).__name__} has no inverse: a spectrum's own maximum or sum is lost")
    return last.inverse_transform(scaled)
