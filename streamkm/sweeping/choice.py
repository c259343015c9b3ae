"""Which number of clusters: the knee of the inertia, and the best by each measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.metrics.measures import MEASURES
from streamkm.typing import Json

CLEAR: Final = 0.05  # of the span of both axes: a bend that an eye sees


@dataclass(frozen=True, slots=True)
class Choice:
    """One criterion's number of clusters.

    Parameters
    ----------
    criterion
        "knee", or a measure.
    n_clusters
        What it chooses.
    value
        The measure there: the median over the repeats.
    reason
        Why, in a sentence.
    """

    criterion: str
    n_clusters: int
    value: float
    reason: str


def medians(rows: Sequence[Json], measure: str) -> tuple[list[int], list[float]]:
    """Return the numbers of clusters that have a measure, ascending, and its medians."""
    found: dict[int, list[float]] = {}
    for row in rows:
        value = row.get(measure)
        if isinstance(value, (int, float)) and np.isfinite(value):
            found.setdefault(row["n_clusters"], []).append(float(value))
    ks = sorted(found)
    return ks, [float(np.median(found[k])) for k in ks]


def choices(rows: Sequence[Json]) -> list[Choice]:
    """Return every criterion's choice, the knee first.

    Parameters
    ----------
    rows
        The table of a sweep.
    """
    found = []
    knee = find_knee(*medians(rows, "inertia"))
    if knee is not None:
        found.append(knee)
    for measure in MEASURES:
        ks, values = medians(rows, measure.name)
        if len(ks) < 2 or not measure.across_k:
            continue
        more_is_better = measure.better == "higher"
        best = int(np.argmax(values) if more_is_better else np.argmin(values))
        word = "largest" if more_is_better else "smallest"
        edge = ""
        if best in (0, len(ks) - 1):
            edge = f"; it is the {'least' if best == 0 else 'most'} tried, so look further"
        reason = f"{word} of {len(ks)} medians{edge}"
        found.append(Choice(measure.name, ks[best], values[best], reason))
    return found


def find_knee(ks: Sequence[int], inertias: Sequence[float]) -> Choice | None:
    """Return the knee of the inertia: farthest below the chord between first and last.

    Both axes are logarithmic (k-means' inertia falls about as a power of k, a
    straight line there), and scaled to one. None for fewer than three numbers,
    or where no point lies clearly below the chord.

    References
    ----------
    Satopää, Albrecht, Irwin & Raghavan, "Finding a 'kneedle' in a haystack",
    ICDCS workshops 2011, section III.
    """
    values = np.asarray(inertias, np.float64)
    if len(ks) < 3 or not (values > 0.0).all() or not values[-1] < values[0]:
        return None
    x = np.log(np.asarray(ks, np.float64) / ks[0]) / np.log(ks[-1] / ks[0])
    y = np.log(values / values[-1]) / np.log(values[0] / values[-1])
    below = (1.0 - x) - y
    best = int(np.argmax(below))
    if below[best] <= CLEAR:
        return None
    reason = (
        f"the inertia falls fastest up to here: farthest ({below[best]:.2f} of the span) below the "
        f"line from {ks[0]} to {ks[-1]} clusters, both axes logarithmic"
    )
    return Choice("knee", int(ks[best]), float(values[best]), reason)
