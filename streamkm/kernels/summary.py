"""Moments as plain numbers, and what follows from them: the frame and the grids of a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.kernels.exact_sum import float_grid, integer_grid
from streamkm.kernels.frame import Frame
from streamkm.kernels.lloyd import Grids
from streamkm.kernels.tile import is_exact_integer
from streamkm.kernels.view import View
from streamkm.typing import F64, I32, Json


@dataclass(frozen=True, slots=True)
class Summary:
    """Moments as plain numbers: what a store keeps and what a fit starts from.

    Parameters
    ----------
    count, weight, max_weight
        Rows, their total weight, the largest weight.
    mean, m2
        Weighted mean and weighted sum of squared deviations, shape (n_features,).
    minimum, maximum
        Shape (n_features,).
    """

    count: int
    weight: float
    max_weight: float
    mean: F64
    m2: F64
    minimum: F64
    maximum: F64

    @property
    def mean_variance(self) -> float:
        """Mean over features of the weighted variance: the scale of `tol`."""
        return float(np.mean(self.m2)) / self.weight if self.weight > 0 else 0.0

    @property
    def magnitude(self) -> F64:
        """Largest absolute value of each feature."""
        return np.maximum(np.abs(self.minimum), np.abs(self.maximum))

    def through(self, view: View) -> Summary:
        """Return the moments of the rows as a view shows them; it must not change their length.

        Multiplying and shifting keep the order of values, rounding included,
        so that range and magnitude are those of what is in the tiles.
        """
        factor = 1.0 if view.divisor is None else 1.0 / view.divisor
        with np.errstate(over="ignore", invalid="ignore"):  # too large to square: told elsewhere
            return replace(
                self,
                mean=view.scaled(view.picked(self.mean)),
                m2=view.picked(self.m2) * factor**2,
                minimum=view.scaled(view.picked(self.minimum)),
                maximum=view.scaled(view.picked(self.maximum)),
            )

    def frame(self) -> Frame:
        """Return the frame for distances."""
        reach = np.maximum(self.maximum - self.mean, self.mean - self.minimum).max(initial=0.0)
        return Frame.about(self.mean, float(reach))

    def grids(
        self, dtype: np.dtype[Any], *, is_weighted: bool, most_weight: float | None = None
    ) -> Grids:
        """Return the grids of sums over these rows.

        Parameters
        ----------
        dtype
            Of the rows: small integers are summed as integers.
        is_weighted
            Whether rows have weights.
        most_weight
            The largest weight, where it is not that of the data.
        """
        weight = self.max_weight if most_weight is None else most_weight
        n_features = len(self.mean)
        is_integer = is_exact_integer(dtype) and not is_weighted
        sums = integer_grid(n_features) if is_integer else float_grid(self.magnitude * weight)
        weights = float_grid(np.array([weight])) if is_weighted else None
        return Grids(sums, weights, is_small=is_integer and dtype.itemsize <= 2)

    def spread_grid(self, centers: F64) -> I32:
        """Return the grid of weighted sums of squared distances to any of the centers."""
        low = np.minimum(self.minimum, centers.min(axis=0))
        high = np.maximum(self.maximum, centers.max(axis=0))
        return float_grid(np.array([float(((high - low) ** 2).sum()) * self.max_weight]))

    def to_json(self) -> Json:
        """Return plain numbers for a store's attributes; floats round-trip exactly."""
        return {
            "count": self.count,
            "weight": self.weight,
            "max_weight": self.max_weight,
            **{name: getattr(self, name).tolist() for name in ("mean", "m2", "minimum", "maximum")},
        }

    @classmethod
    def from_json(cls, values: Json) -> Summary:
        """Read what `to_json` wrote."""
        arrays = {
            name: np.asarray(values[name], np.float64)
            for name in ("mean", "m2", "minimum", "maximum")
        }
        return cls(
            count=int(values["count"]),
            weight=float(values["weight"]),
            max_weight=float(values["max_weight"]),
            **arrays,
        )
