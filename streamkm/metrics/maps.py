"""What class a cluster stands for: maps fitted on some rows and applied to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.kernels.contingency import Contingency
from streamkm.typing import I64

HOW: Final = ("majority", "hungarian")


@dataclass(frozen=True, slots=True)
class ClassMap:
    """The class that each cluster stands for.

    Parameters
    ----------
    classes
        Shape (n_clusters,), int64; of no meaning where `is_known` is False.
    is_known
        False for a cluster that had no rows, or under "hungarian" no class for
        itself: its rows count as wrong. Shape (n_clusters,).
    """

    classes: I64
    is_known: NDArray[np.bool_]

    def to_json(self) -> list[int | None]:
        """Return the class of each cluster, None where there is none."""
        pairs = zip(self.classes.tolist(), self.is_known.tolist(), strict=True)
        return [int(value) if known else None for value, known in pairs]


def fit_map(
    contingency: Contingency, how: Literal["majority", "hungarian"] = "majority"
) -> ClassMap:
    """Say what class each cluster stands for.

    Parameters
    ----------
    contingency
        Of the rows that decide, from `contingency` or `Scores.contingency`.
    how
        "majority": its most frequent class, ties to the lowest. "hungarian": at
        most one cluster for each class, so that the most rows are right.

    Returns
    -------
    class_map
        For `accuracy`, on the same rows or others.

    Raises
    ------
    SourceError
        If `how` is neither.

    References
    ----------
    Kuhn, "The Hungarian method for the assignment problem", Naval Research
    Logistics Quarterly 2, 1955, in scipy's version for rectangular tables.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.metrics import Contingency, accuracy, fit_map
    >>> train = Contingency(np.array([3, 7]), np.array([[9, 1], [6, 4], [0, 5]]))
    >>> fit_map(train).to_json(), fit_map(train, "hungarian").to_json()
    ([3, 3, 7], [3, None, 7])
    >>> test = Contingency(np.array([3, 7]), np.array([[2, 0], [1, 1], [0, 4]]))
    >>> accuracy(test, fit_map(train))
    0.875
    """
    table = contingency.table
    if how == "majority":
        return ClassMap(contingency.classes[table.argmax(axis=1)], table.sum(axis=1) > 0)
    if how != "hungarian":
        raise SourceError(f"how must be one of {', '.join(HOW)}, got {how!r}")
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    classes = np.zeros(len(table), np.int64)
    classes[rows] = contingency.classes[columns]
    is_known = np.zeros(len(table), np.bool_)
    is_known[rows] = table[rows, columns] > 0
    return ClassMap(classes, is_known)


def accuracy(contingency: Contingency, class_map: ClassMap) -> float:
    """Return the share of rows whose class is the one that their cluster stands for.

    Parameters
    ----------
    contingency
        Of the rows that are judged.
    class_map
        Fitted on these rows or on others, of the same model.

    Raises
    ------
    SourceError
        If the two are of models with different numbers of clusters.
    """
    table, classes = contingency.table, contingency.classes
    if len(table) != len(class_map.classes):
        raise SourceError(
            f"a map of {len(class_map.classes)} clusters, a table of {len(table)}: of other models"
        )
    column = np.searchsorted(classes, class_map.classes)
    column[column == len(classes)] = 0
    is_there = class_map.is_known & (classes[column] == class_map.classes)
    return float(table[np.arange(len(table)), column][is_there].sum() / table.sum())
