"""Clusters against known classes, from their contingency table alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.contingency import Contingency
from streamkm.kernels.expected_information import expected_information
from streamkm.metrics.maps import accuracy, fit_map
from streamkm.typing import F64, I64

EPSILON: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class AgainstClasses:
    """Clusters against known classes; every row counts once.

    Parameters
    ----------
    majority_accuracy
        Share of rows whose class is the most frequent of their cluster: the purity.
    hungarian_accuracy
        The most rows that one cluster for each class can be right about, as a
        share of all.
    homogeneity
        1 where every cluster holds one class.
    completeness
        1 where every class lies in one cluster.
    v_measure
        Their harmonic mean.
    adjusted_rand
        Share of pairs of rows on which both agree, less what chance gives.
    normalized_mutual_info
        Mutual information over the mean entropy: the V-measure.
    adjusted_mutual_info
        The same, less what chance gives.
    """

    majority_accuracy: float
    hungarian_accuracy: float
    homogeneity: float
    completeness: float
    v_measure: float
    adjusted_rand: float
    normalized_mutual_info: float
    adjusted_mutual_info: float


def compare_with_classes(contingency: Contingency) -> AgainstClasses:
    """Return every measure that a contingency table gives.

    Parameters
    ----------
    contingency
        At least one row.

    Notes
    -----
    O(n_clusters * n_classes * sqrt(n_rows)) time, for what chance shares; the
    one-to-one map is cubic in the smaller side.

    References
    ----------
    Rosenberg & Hirschberg, "V-Measure", EMNLP-CoNLL 2007, section 2. Hubert &
    Arabie, "Comparing partitions", Journal of Classification 2, 1985, equation
    (5). Vinh, Epps & Bailey, "Information theoretic measures for clusterings
    comparison", JMLR 11, 2010, equation (16), with the arithmetic mean.
    """
    table = contingency.table[contingency.table.sum(axis=1) > 0]
    clusters, classes = table.sum(axis=1), table.sum(axis=0)
    of_clusters, of_classes = _entropy(clusters), _entropy(classes)
    shared = _mutual_information(table, clusters, classes)
    homogeneity = shared / of_classes if of_classes else 1.0
    completeness = shared / of_clusters if of_clusters else 1.0
    both = homogeneity + completeness
    v_measure = 2.0 * homogeneity * completeness / both if both else 0.0
    mean = (of_clusters + of_classes) / 2.0
    return AgainstClasses(
        majority_accuracy=accuracy(contingency, fit_map(contingency)),
        hungarian_accuracy=accuracy(contingency, fit_map(contingency, "hungarian")),
        homogeneity=homogeneity,
        completeness=completeness,
        v_measure=v_measure,
        adjusted_rand=_adjusted_rand(table, clusters, classes),
        normalized_mutual_info=shared / mean if mean else 1.0,
        adjusted_mutual_info=_adjusted(shared, mean, clusters, classes),
    )


def _entropy(sizes: I64) -> float:
    """Return the entropy of a labeling in nats, from the rows of each label, none zero."""
    if len(sizes) == 1:
        return 0.0
    shares: F64 = sizes / sizes.sum()
    return float(-(shares * np.log(shares)).sum())


def _mutual_information(table: I64, clusters: I64, classes: I64) -> float:
    if 1 in table.shape:
        return 0.0
    n_rows = float(table.sum())
    i, j = np.nonzero(table)
    shares = table[i, j] / n_rows
    surprise = np.log(shares / (clusters[i] / n_rows) / (classes[j] / n_rows))
    return max(float((shares * surprise).sum()), 0.0)


def _adjusted(shared: float, mean: float, clusters: I64, classes: I64) -> float:
    """Return (shared - expected) / (mean - expected), as scikit-learn at its limits."""
    if len(clusters) == len(classes) == 1:
        return 1.0
    if 1 in (len(clusters), len(classes)):
        return 0.0
    expected = expected_information(clusters, classes)
    return _away_from_zero(shared - expected) / _away_from_zero(mean - expected)


def _away_from_zero(value: float) -> float:
    return min(value, -EPSILON) if value < 0.0 else max(value, EPSILON)


def _adjusted_rand(table: I64, clusters: I64, classes: I64) -> float:
    # Whole numbers: their squares pass 2**63 from three billion rows on.
    together = sum(int(n) ** 2 for n in table[table > 0])
    of_clusters = sum(int(n) ** 2 for n in clusters)
    of_classes = sum(int(n) ** 2 for n in classes)
    n_rows = int(table.sum())
    both, neither = together - n_rows, n_rows**2 + together - of_clusters - of_classes
    only_cluster, only_class = of_clusters - together, of_classes - together
    if only_cluster == 0 and only_class == 0:
        return 1.0
    chance = (both + only_class) * (only_class + neither)
    chance += (both + only_cluster) * (only_cluster + neither)
    return 2.0 * (both * neither - only_class * only_cluster) / chance
