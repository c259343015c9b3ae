"""Clusters against known classes, from their contingency table alone."""

from __future__ import annotations

import numpy as np

from streamkm.typing import F64, I64


def homogeneity(table: I64) -> float:
    """Return 1 - H(class | cluster) / H(class): 1 where each cluster holds one class.

    Parameters
    ----------
    table
        Rows of each cluster and class, shape (n_clusters, n_classes).

    References
    ----------
    Rosenberg & Hirschberg, "V-Measure", EMNLP-CoNLL 2007, section 2.
    """
    total = table.sum()
    class_entropy = _entropy(table.sum(axis=0) / total)
    if class_entropy == 0.0:
        return 1.0
    sizes = table.sum(axis=1)
    inner = sum(
        size / total * _entropy(row / size) for row, size in zip(table, sizes, strict=True) if size
    )
    return float(1.0 - inner / class_entropy)


def majority_accuracy(table: I64) -> float:
    """Return the share of rows whose class is the most frequent one of their cluster."""
    return float(table.max(axis=1).sum() / table.sum())


def compare_with_classes(table: I64) -> dict[str, float]:
    """Return every measure of this file, by name."""
    return {"homogeneity": homogeneity(table), "majority_accuracy": majority_accuracy(table)}


def _entropy(shares: F64) -> float:
    positive = shares[shares > 0.0]
    return float(-(positive * np.log(positive)).sum())
