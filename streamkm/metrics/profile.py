"""What a cluster of a table is: its center by feature, and how far that is from all rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.cluster.base import Clusterer
from streamkm.metrics.projection import Projection
from streamkm.typing import F64

OF_ROWS = "standard deviations"
OF_CENTERS = "standard deviations of the centers"


@dataclass(frozen=True, slots=True)
class Profile:
    """Centers by feature.

    Parameters
    ----------
    names
        Of the features that the model uses: those of the rows, else numbers.
    values
        Centers, in the data's units where the model knows them, shape
        (n_clusters, n_used).
    deviations
        The same, less the mean of all rows, in `unit`.
    unit
        Standard deviations of all rows; where no rows were read, of the centers,
        weighted by their rows.
    """

    names: tuple[str, ...]
    values: F64
    deviations: F64
    unit: str


def profile(model: Clusterer, projection: Projection | None = None) -> Profile | None:
    """Return the centers by feature; None where they are no points among the rows.

    Parameters
    ----------
    model
        Fitted.
    projection
        Of rows under the model, which knows their means and deviations.
    """
    if model.embeds:
        return None
    centers, units = model.cluster_centers_, model.centers_in_data_units_
    if projection is not None:
        mean, spread, unit = projection.mean, projection.spread, OF_ROWS
    else:
        mass = np.maximum(model.cluster_sizes_, 1e-300)
        mean = np.average(centers, axis=0, weights=mass)
        spread = np.sqrt(np.average((centers - mean) ** 2, axis=0, weights=mass))
        unit = OF_CENTERS
    away = centers - mean
    known = getattr(model, "feature_names_in_", None)
    used = model.frame_.view.columns
    picked = np.arange(model.n_features_in_) if used is None else used
    return Profile(
        names=tuple(str(k if known is None else known[k]) for k in picked.tolist()),
        values=centers if units is None else units,
        deviations=np.divide(away, spread, out=np.zeros_like(away), where=spread > 0.0),
        unit=unit,
    )
