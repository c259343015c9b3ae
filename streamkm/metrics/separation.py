"""Measures of how well clusters are apart, from the members' means and spread."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.seeding import distances
from streamkm.kernels.separation import Means
from streamkm.typing import F64

PAIRS: Final = 1 << 20  # distances between means that are held at once


def calinski_harabasz(between: float, within: float, n_clusters: int, n_rows: int) -> float:
    """Return the variance between clusters over that within, each by its degrees of freedom.

    Parameters
    ----------
    between
        Sum over rows of the squared distance of their cluster's mean to the mean of all.
    within
        Sum over rows of their squared distance to their cluster's mean.
    n_clusters
        With rows; at least 2, less than `n_rows`.
    n_rows
        Rows.

    Returns
    -------
    value
        1 where `within` is 0, as in scikit-learn.

    References
    ----------
    Calinski & Harabasz, "A dendrite method for cluster analysis", Communications
    in Statistics 3, 1974, section 3.
    """
    if within == 0.0:
        return 1.0
    return between * (n_rows - n_clusters) / (within * (n_clusters - 1))


def davies_bouldin(means: Means, scatter: F64) -> F64:
    """Return the worst (s_k + s_l) / d_kl of every cluster; their mean is the index.

    Parameters
    ----------
    means
        Of the members; at least two clusters have rows.
    scatter
        Mean distance of each cluster's rows to their mean, shape (n_clusters,).

    Returns
    -------
    worst
        Shape (n_clusters,); NaN for a cluster without rows. Clusters with the
        same mean are not compared, as in scikit-learn.

    References
    ----------
    Davies & Bouldin, "A cluster separation measure", IEEE PAMI 1, 1979,
    definition 5, with q = 1 and p = 2.
    """
    found = np.flatnonzero(means.counts)
    points, spread = means.exact[found], scatter[found]
    step = max(PAIRS // len(found), 1)
    worst = np.full(len(scatter), np.nan)
    for start in range(0, len(found), step):
        apart = np.sqrt(distances(points, points[start : start + step]))
        apart[apart == 0.0] = np.inf
        ratios = (spread[start : start + step, None] + spread) / apart
        worst[found[start : start + step]] = ratios.max(axis=1)
    return worst
