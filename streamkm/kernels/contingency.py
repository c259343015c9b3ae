"""Counts of rows by cluster and class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.typing import I32, I64, Rows


@dataclass(frozen=True, slots=True)
class Contingency:
    """Rows of each cluster and class.

    Parameters
    ----------
    table
        Shape (n_clusters, n_classes), int64.
    """

    table: I64

    @classmethod
    def merge_all(cls, parts: Sequence[Contingency]) -> Contingency:
        """Add them all."""
        return cls(np.sum([part.table for part in parts], axis=0))


def count_pairs(labels: I32, classes: Rows, n_clusters: int, n_classes: int) -> Contingency:
    """Count the rows of one block; classes are whole numbers from 0."""
    flat = labels.astype(np.int64) * n_classes + classes.astype(np.int64)
    counts = np.bincount(flat, minlength=n_clusters * n_classes)
    return Contingency(counts.reshape(n_clusters, n_classes).astype(np.int64))
