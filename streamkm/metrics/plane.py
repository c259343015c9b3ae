"""A model that looks at two features, as a picture of the plane needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.cluster.base import Clusterer
from streamkm.metrics.projection import Projection, view_of
from streamkm.typing import F64, I32, I64, Labeler, Rows

VALUES_AT_ONCE: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Plane:
    """Rows of a sample at the two features that a model looks at.

    Parameters
    ----------
    labeler
        The model's, which says what cluster a row belongs to.
    columns
        The two features, of `n_features` that rows have.
    points
        Of the sample, shape (n, 2), in the data's units.
    centers
        Shape (n_clusters, 2), in the data's units; None where the model has none
        there: in an embedding, or at unit length.
    names
        Of the two features.
    """

    labeler: Labeler
    columns: I64
    n_features: int
    points: Rows
    centers: F64 | None
    names: tuple[str, str]

    @property
    def n_clusters(self) -> int:
        """Labels run from 0 to `n_clusters` - 1."""
        return self.labeler.n_clusters

    def assign(self, points: Rows) -> tuple[I32, F64]:
        """Return labels and squared distances of points; other features count for nothing."""
        labels, sq_dist = np.empty(len(points), np.int32), np.empty(len(points))
        step = max(VALUES_AT_ONCE // self.n_features, 1)
        for start in range(0, len(points), step):
            part = points[start : start + step]
            rows = np.zeros((len(part), self.n_features), part.dtype)
            rows[:, self.columns] = part
            found = self.labeler.assign(rows)
            labels[start : start + step], sq_dist[start : start + step] = found
        return labels, sq_dist


def n_looked_at(model: Clusterer) -> int:
    """Return how many features a fitted model looks at."""
    return view_of(model).width(model.n_features_in_)


def plane(model: Clusterer, projection: Projection) -> Plane:
    """Return the sample of a projection as its model, which looks at two features, sees it."""
    view, n_features = view_of(model), model.n_features_in_
    columns = np.arange(n_features) if view.columns is None else view.columns
    known = getattr(model, "feature_names_in_", None)
    ordinal = ("first feature", "second feature")
    numbered = ordinal if view.columns is None else [f"feature {column}" for column in columns]
    first, second = numbered if known is None else (str(known[column]) for column in columns)
    return Plane(
        labeler=model.labeler_,
        columns=columns,
        n_features=n_features,
        points=view.picked(projection.rows),
        centers=model.centers_in_data_units_,
        names=(first, second),
    )
