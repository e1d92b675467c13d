"""Structure without labels (Zhao, section 2.5.2): maps of samples in a plane, and groups of samples, by scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, SpectralEmbedding
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

MAPS = ("PCA", "spectral embedding", "t-SNE")
GROUPINGS = ("k-means", "agglomerative", "Gaussian mixture", "DBSCAN")


@dataclass(frozen=True, slots=True)
class Grouping:
    """Samples on a map and in groups.

    Attributes:
        value: number of groups asked for; of DBSCAN the radius.
        groups: groups found.
        silhouette: mean over the samples, -1 to 1; nan with fewer than two groups.
        agreement: adjusted Rand index with known labels, 1 for the same partition, about 0 for chance.
        labels: `(n,)` group of each sample; -1 for none (DBSCAN).
        points: `(n, 2)` place of each sample on the map.
    """

    value: float
    groups: int
    silhouette: float
    agreement: float
    labels: np.ndarray
    points: np.ndarray


def place(inputs: Any, method: str, *, perplexity: float = 30.0, seed: int = 0) -> np.ndarray:
    """Samples `(n, d)` in a plane `(n, 2)`, after scaling each feature to unit variance.

    Args:
        inputs: `(n, d)`.
        method: one of `MAPS`. Spectral embedding is the method of Laplacian eigenmaps with a Gaussian affinity.
        perplexity: of t-SNE, about the number of neighbours that count.
        seed: of t-SNE and of the eigenvector search.

    Raises:
        ValueError: an unknown method, or a perplexity that is not below n.

    >>> place(np.eye(4), "PCA").shape
    (4, 2)
    """
    if method not in MAPS:
        raise ValueError(f"method must be one of {MAPS}, got {method!r}")
    scaled = StandardScaler().fit_transform(np.asarray(inputs, float))
    if method == "PCA":
        return PCA(2, svd_solver="full").fit_transform(scaled)
    if method == "spectral embedding":
        return SpectralEmbedding(2, affinity="rbf", random_state=seed).fit_transform(scaled)
    return TSNE(2, perplexity=perplexity, max_iter=500, random_state=seed).fit_transform(scaled).astype(float)


def group(inputs: Any, method: str, value: float, *, seed: int = 0) -> np.ndarray:
    """Number of the group of each sample, after scaling each feature to unit variance.

    Args:
        inputs: `(n, d)`.
        method: one of `GROUPINGS`.
        value: number of groups; of DBSCAN the radius of a neighbourhood, which must hold five samples.
        seed: of the first centres.

    Returns:
        `(n,)`; -1 for samples in no group (DBSCAN).

    Raises:
        ValueError: an unknown method, or a number of groups that is not between 1 and n.

    >>> first, second, third, fourth = group([[0.0], [0.1], [5.0], [5.1]], "agglomerative", 2)
    >>> bool(first == second != third == fourth)
    True
    """
    if method not in GROUPINGS:
        raise ValueError(f"method must be one of {GROUPINGS}, got {method!r}")
    scaled = StandardScaler().fit_transform(np.asarray(inputs, float))
    if method == "DBSCAN":
        return DBSCAN(eps=value, min_samples=5).fit_predict(scaled)
    if not 1 <= value <= len(scaled):
        raise ValueError(f"value must be a number of groups from 1 to {len(scaled)}, got {value}")
    models = {
        "k-means": lambda k: KMeans(k, n_init=5, random_state=seed),
        "agglomerative": lambda k: AgglomerativeClustering(k),
        "Gaussian mixture": lambda k: GaussianMixture(k, covariance_type="diag", reg_covar=1e-3, random_state=seed),
    }
    return models[method](int(value)).fit_predict(scaled)


def groupings(
    inputs: Any, known: Any, values: Sequence[float], *, method: str, on: str, perplexity: float = 30.0, seed: int = 0
) -> Iterator[Grouping]:
    """Group the samples for each value in turn, on one map.

    Args:
        inputs: `(n, d)`.
        known: `(n,)` labels to compare with; the methods do not see them.
        values: see `group`.
        method: one of `GROUPINGS`.
        on: one of `MAPS`.
        perplexity: of t-SNE.
        seed: of map and groups.

    Returns:
        An iterator of one `Grouping` per value.

    Raises:
        ValueError: an unknown method or map.
    """
    if method not in GROUPINGS or on not in MAPS:
        raise ValueError(f"method must be one of {GROUPINGS} and on one of {MAPS}, got {method!r} and {on!r}")
    return _groupings(np.asarray(inputs, float), np.asarray(known), list(values), method, on, perplexity, seed)


def _groupings(inputs, known, values, method, on, perplexity, seed) -> Iterator[Grouping]:
    points = place(inputs, on, perplexity=perplexity, seed=seed)
    scaled = StandardScaler().fit_transform(inputs)
    for value in values:
        labels = group(inputs, method, value, seed=seed)
        inside = labels >= 0
        found = len(np.unique(labels[inside]))
        separate = 2 <= found < inside.sum()
        silhouette = float(silhouette_score(scaled[inside], labels[inside])) if separate else float("nan")
        yield Grouping(float(value), found, silhouette, float(adjusted_rand_score(known, labels)), labels, points)
