"""Parameters out of their range: one clear error each, in scikit-learn's words."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final

from sklearn.exceptions import ConvergenceWarning

from streamkm.errors import SourceError

METRICS: Final = ("euclidean", "cosine")


def refusal(model: Any, name: str, allowed: str) -> SourceError:
    """Return the error that names a parameter, what it may be, and what it is."""
    return SourceError(
        f"The {name!r} parameter of {type(model).__name__} must be {allowed}. "
        f"Got {getattr(model, name)!r} instead."
    )


def check_whole(model: Any, *names: str, least: int = 1, optional: bool = False) -> None:
    """Require whole numbers of at least `least`, or None where it is optional."""
    for name in names:
        value: Any = getattr(model, name)
        if optional and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            also = " or None" if optional else ""
            raise refusal(model, name, f"an int in the range [{least}, inf){also}")


def check_number(
    model: Any, *names: str, optional: bool = False, is_positive: bool = False
) -> None:
    """Require numbers that are not negative, or positive, or None where it is optional."""
    for name in names:
        value: Any = getattr(model, name)
        if optional and value is None:
            continue
        is_real = isinstance(value, Real) and not isinstance(value, bool)
        if not is_real or not (value > 0 if is_positive else value >= 0):
            also = " or None" if optional else ""
            raise refusal(
                model, name, f"a float in the range {'(' if is_positive else '['}0, inf){also}"
            )


def check_rows(model: Any, n_rows: int) -> None:
    """Require as many rows as clusters."""
    if n_rows < model.n_clusters:
        raise SourceError(
            f"n_samples={n_rows} should be >= n_clusters={model.n_clusters}: "
            "there are fewer rows than clusters"
        )


def warn_of_few(model: Any, n_found: int) -> None:
    """Warn where fewer clusters than were asked for have rows, in scikit-learn's words."""
    if n_found < model.n_clusters:
        warnings.warn(
            f"Number of distinct clusters ({n_found}) found smaller than n_clusters "
            f"({model.n_clusters}). Possibly due to duplicate points in X.",
            ConvergenceWarning,
            stacklevel=5,
        )


def check_choice(model: Any, name: str, choices: Iterable[str]) -> None:
    """Require one of some words."""
    value = getattr(model, name)
    if not isinstance(value, str) or value not in choices:
        raise refusal(model, name, f"one of {', '.join(choices)}")


def check_init(model: Any, names: Iterable[str]) -> None:
    """Require the name of a start, a path, an array, a fitted model or a callable."""
    init = model.init
    if isinstance(init, str) and init not in names and not Path(init).exists():
        allowed = f"one of {', '.join(names)}, an array, a fitted model, its path or a callable"
        raise refusal(model, "init", allowed)
