"""How rows are seen: which of their features, on which scale, at which length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamkm.typing import F64, I64, Json, Rows

NO_COLUMNS: Final[I64] = np.empty(0, np.int64)
NOTHING: Final[F64] = np.empty(0)

# What compiled code takes of a `View`: columns, offset, factor, is_unit, is_plain.
ViewArrays = tuple[I64, F64, F64, bool, bool]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What becomes of a row x in a tile: (x[columns] - offset) / divisor, or that at unit length.

    Parameters
    ----------
    columns
        Features that are looked at, in this order, shape (n_used,); None for all.
    offset, divisor
        For each of them, shape (n_used,), float64; None for values as they are.
    is_unit
        Whether rows are then scaled to unit length; one of zeros stays so.
    """

    columns: I64 | None = None
    offset: F64 | None = None
    divisor: F64 | None = None
    is_unit: bool = False

    @property
    def keeps_values(self) -> bool:
        """Whether values are as they are in the data."""
        return self.divisor is None and not self.is_unit

    @property
    def is_plain(self) -> bool:
        """Whether rows are as they are in the data."""
        return self.columns is None and self.keeps_values

    @property
    def arrays(self) -> ViewArrays:
        """Return the view as compiled code takes it; it multiplies, since that is faster."""
        columns = NO_COLUMNS if self.columns is None else self.columns
        if self.offset is None or self.divisor is None:
            return columns, NOTHING, NOTHING, self.is_unit, self.is_plain
        return columns, self.offset, 1.0 / self.divisor, self.is_unit, False

    def width(self, n_features: int) -> int:
        """Return how many features are looked at, of rows that have `n_features`."""
        return n_features if self.columns is None else len(self.columns)

    def picked(self, values: Rows) -> Rows:
        """Return the values of the features looked at, shape (..., n_features) to (..., n_used)."""
        return values if self.columns is None else values[..., self.columns]

    def scaled(self, values: F64) -> F64:
        """Return values of the features looked at on their scale, as in a tile."""
        if self.offset is None or self.divisor is None:
            return values
        return (values - self.offset) * (1.0 / self.divisor)

    def unscaled(self, values: F64) -> F64:
        """Return scaled values in the data's own units, shape (..., n_used)."""
        if self.offset is None or self.divisor is None:
            return values
        return values * self.divisor + self.offset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(str(self.to_json()))

    def to_json(self) -> Json:
        """Return plain numbers for the attributes of a store; floats round-trip exactly."""
        arrays = {name: getattr(self, name) for name in ("columns", "offset", "divisor")}
        found: Json = {name: value.tolist() for name, value in arrays.items() if value is not None}
        return {**found, "is_unit": self.is_unit}

    @classmethod
    def from_json(cls, values: Json, n_features: int) -> View:
        """Read what `to_json` wrote, for rows that have `n_features`.

        Raises
        ------
        ValueError
            If such rows cannot be seen so.
        """

        def read(name: str, dtype: type) -> Any:
            return np.asarray(values[name], dtype) if name in values else None

        columns, offset, divisor = (
            read("columns", np.int64), read("offset", np.float64), read("divisor", np.float64),
        )  # fmt: skip
        view = cls(columns, offset, divisor, bool(values["is_unit"]))
        used = np.arange(n_features) if columns is None else columns
        fits = len(used) > 0 and used.min() >= 0 and used.max() < n_features
        for constants in (offset, divisor):
            fits = fits and (constants is None or constants.shape == used.shape)
        if not fits or (offset is None) != (divisor is None):
            raise ValueError(f"its view of the rows does not fit {n_features} features")
        return view


AS_THEY_ARE: Final = View()
AT_UNIT_LENGTH: Final = View(is_unit=True)
