"""Parameters `scale`, `normalize` and `columns`: what is asked for, and the view that follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Final, Literal

import numpy as np

from streamkm.cluster.checks import check_choice, refusal
from streamkm.errors import SourceError
from streamkm.kernels.summary import Summary
from streamkm.kernels.view import View
from streamkm.typing import F64, Json

Scale = Literal["none", "standard", "minmax"] | float
Normalize = Literal["l2"] | None
Columns = Sequence[int] | str | None

SCALES: Final = ("none", "standard", "minmax")
# Least variance of a feature, in units of its squared range. 2**41 rows of which one differs
# have more: below it there is rounding, or what differs has no weight.
LEAST_VARIANCE: Final = 2.0**-44
LEAST_DIVISOR: Final = float(np.finfo(np.float64).tiny)  # its reciprocal is finite


@dataclass(frozen=True, slots=True)
class Scaling:
    """What an estimator asks for; see `KMeans`.

    Parameters
    ----------
    scale
        One of SCALES, or a positive number.
    normalize
        "l2" or None.
    columns
        Features that are used, in this order; None for all.
    is_cosine
        Whether distances are those of directions.
    """

    scale: str | float = "none"
    normalize: str | None = None
    columns: tuple[int, ...] | None = None
    is_cosine: bool = False

    @classmethod
    def of(cls, model: Any) -> Scaling:
        """Read an estimator's parameters.

        Raises
        ------
        SourceError
            If one is out of its range.
        """
        scale = model.scale
        if not (scale in SCALES if isinstance(scale, str) else _is_positive(scale)):
            raise refusal(model, "scale", f"one of {', '.join(SCALES)}, or a positive number")
        if model.normalize is not None:
            check_choice(model, "normalize", ("l2",))
        scale = scale if isinstance(scale, str) else float(scale)
        return cls(scale, model.normalize, _columns_of(model), model.metric == "cosine")

    @property
    def needs_moments(self) -> bool:
        """Whether its constants come from the rows."""
        return self.scale in ("standard", "minmax")

    @property
    def is_unit(self) -> bool:
        """Whether rows count at unit length."""
        return self.is_cosine or self.normalize is not None

    @property
    def picks(self) -> View:
        """The features that are looked at, as they are."""
        return View(None if self.columns is None else np.array(self.columns, np.int64))

    def to_json(self) -> Json:
        """Return those parameters that are asked for, as JSON."""
        columns = None if self.columns is None else list(self.columns)
        values = {"scale": self.scale, "normalize": self.normalize, "columns": columns}
        return {name: value for name, value in values.items() if value not in (None, "none")}

    def refuse_beyond(self, n_features: int) -> None:
        """Refuse columns that rows do not have."""
        if self.columns is not None and max(self.columns) >= n_features:
            raise SourceError(
                f"columns: there is no feature {max(self.columns)}, the rows have 0 to "
                f"{n_features - 1}"
            )

    def refuse_other(self, name: str, model: Any) -> None:
        """Refuse a model whose centers lie in another space than those of this fit."""
        if model.embeds:
            return  # its centers never lie among rows
        theirs, ours = _said(Scaling.of(model)), _said(self)
        if theirs != ours:
            raise SourceError(
                f"{name}: a model with {theirs} has its centers in another space than one with "
                f"{ours}; give an array of centers in the space of the latter"
            )

    def view(self, n_features: int, summary: Summary | None = None) -> View:
        """Return how rows are seen.

        Parameters
        ----------
        n_features
            Of the rows.
        summary
            Their moments, as they are; not needed unless `needs_moments`.

        Raises
        ------
        SourceError
            If moments are needed and there are none.
        """
        picks = self.picks
        if self.scale == "none":
            return replace(picks, is_unit=self.is_unit)
        if not isinstance(self.scale, str):
            n_used = picks.width(n_features)
            offset, divisor = np.zeros(n_used), np.full(n_used, self.scale)
        elif summary is not None:
            offset, divisor = _constants(self.scale, summary.through(picks))
        else:
            raise SourceError(
                f"scale={self.scale!r} takes its constants from all rows, which nobody has looked "
                "at here: `fit` does so first; or give a number as scale"
            )
        return View(picks.columns, offset, divisor, self.is_unit)


def _constants(scale: str, summary: Summary) -> tuple[F64, F64]:
    """Return offset and divisor of every feature; a constant one is divided by 1."""
    span = summary.maximum - summary.minimum
    if scale == "minmax":
        offset, divisor = summary.minimum, span
    else:
        variance = summary.m2 / summary.weight
        is_lost = variance <= LEAST_VARIANCE * span**2
        offset, divisor = summary.mean, np.where(is_lost, 0.0, np.sqrt(variance))
    return offset, np.where(divisor < LEAST_DIVISOR, 1.0, divisor)


def _is_positive(value: Any) -> bool:
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and 0.0 < float(value) < float("inf")


def _columns_of(model: Any) -> tuple[int, ...] | None:
    if model.columns is None:
        return None
    allowed = "different feature numbers from 0, such as [0, 3, 7] or '0:3,7', or None"
    try:
        columns = model.columns
        found = list(_spelled(columns) if isinstance(columns, str) else columns)
    except (TypeError, ValueError):
        raise refusal(model, "columns", allowed) from None
    are_numbers = all(isinstance(c, Integral) and not isinstance(c, bool) for c in found)
    if not found or not are_numbers or min(found) < 0 or len(set(found)) < len(found):
        raise refusal(model, "columns", allowed)
    return tuple(int(c) for c in found)


def _spelled(words: str) -> Iterator[int]:
    """Read numbers and ranges: "0:3,7" is 0, 1, 2, 7."""
    for word in words.split(","):
        first, colon, stop = word.partition(":")
        yield from range(int(first), int(stop)) if colon else (int(first),)


def _said(scaling: Scaling) -> str:
    asked = scaling.to_json()
    return ", ".join(f"{name}={value!r}" for name, value in asked.items()) or "no scaling"
