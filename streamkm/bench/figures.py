"""From rounds to a table: medians, ratios, and their geometric means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamkm.bench.contestants import REFERENCE
from streamkm.typing import Json

Table = Sequence[Mapping[str, Any]]
ELKAN: Final = "scikit-learn, elkan"


@dataclass(frozen=True, slots=True)
class Round:
    """What one contestant took in one round.

    Parameters
    ----------
    call_s
        Seconds of the whole call.
    pass_s
        Of one pass; None where too few iterations were made.
    n_iter
        Iterations of the call.
    bytes_read
        By the call; None where nobody counts them.
    """

    call_s: float
    pass_s: float | None
    n_iter: int
    bytes_read: int | None

    @classmethod
    def of_passes(cls, short: Json, long: Json) -> Round:
        """Take one pass from the difference of two fits: what a fit does besides drops out."""
        more = long["n_iter"] - short["n_iter"]
        pass_s = (long["seconds"] - short["seconds"]) / more if more > 0 else None
        return cls(long["seconds"], pass_s, long["n_iter"], long["bytes_read"])

    @classmethod
    def of_fit(cls, whole: Json) -> Round:
        """Take a fit as it is."""
        return cls(whole["seconds"], None, whole["n_iter"], whole["bytes_read"])


@dataclass(frozen=True, slots=True)
class Result:
    """One contestant in one case.

    Parameters
    ----------
    case, shape
        What it was; rows, features, dtype, clusters.
    measure
        "pass" or "convergence".
    contestant, version
        Who.
    rounds
        What each took.
    inertia
        Of the last round's centers, in float64.
    first_call_s
        Of the first fit in a new process.
    peak_bytes, held_bytes
        Memory of the process at most, and before the fit: its rows, the libraries.
    skipped
        Why there are no rounds.
    """

    case: str
    shape: tuple[int, int, str, int]
    measure: str
    contestant: str
    version: str | None
    rounds: tuple[Round, ...] = ()
    inertia: float | None = None
    first_call_s: float | None = None
    peak_bytes: int | None = None
    held_bytes: int | None = None
    skipped: str | None = None


def table_of(results: Sequence[Result]) -> list[Json]:
    """Return one row a result: medians, and how many times as fast as scikit-learn.

    The measured seconds of a row are those of one pass, or of the call to
    convergence; `seconds` is their median, `least_s` and `most_s` their range.
    """
    rows = [_row(result) for result in results]
    references = {
        (row["case"], row["measure"]): row for row in rows if row["contestant"] == REFERENCE
    }
    for row in rows:
        reference = references.get((row["case"], row["measure"]), {})
        for name in ("seconds", "call_s"):
            key = "times_as_fast" if name == "seconds" else "call_times_as_fast"
            row[key] = ratio(reference.get(name), row[name])
        row["inertia_ratio"] = ratio(row["inertia"], reference.get("inertia"))
    return rows


def _row(result: Result) -> Json:
    n_rows, n_features, dtype, n_clusters = result.shape
    calls = [r.call_s for r in result.rounds]
    timed = calls
    if result.measure == "pass":
        timed = [r.pass_s for r in result.rounds if r.pass_s is not None]
    last = result.rounds[-1] if result.rounds else None
    return {
        "case": result.case, "measure": result.measure, "contestant": result.contestant,
        "version": result.version, "n_rows": n_rows, "n_features": n_features, "dtype": dtype,
        "n_clusters": n_clusters, "repeats": len(result.rounds),
        "seconds": median(timed), "least_s": min(timed, default=None),
        "most_s": max(timed, default=None), "call_s": median(calls),
        "first_call_s": result.first_call_s,
        "n_iter": last.n_iter if last else None, "inertia": result.inertia,
        "peak_bytes": result.peak_bytes, "held_bytes": result.held_bytes,
        "bytes_read": last.bytes_read if last else None, "skipped": result.skipped,
    }  # fmt: skip


def median(values: Sequence[float]) -> float | None:
    """Return the median; None of nothing."""
    return statistics.median(values) if values else None


def ratio(above: float | None, below: float | None) -> float | None:
    """Return a ratio; None where a side is missing, or not positive: noise larger than a pass."""
    if above is None or below is None or above <= 0.0 or below <= 0.0:
        return None
    return above / below


def geometric_mean(values: Sequence[float]) -> float | None:
    """Return the geometric mean; None of nothing."""
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else None


@dataclass(frozen=True, slots=True)
class Summary:
    """One contestant over all cases of a measure.

    Parameters
    ----------
    measure, contestant
        Which.
    against
        What it is compared with.
    n_cases
        Cases in which both took part.
    mean, least
        Geometric mean, and the least, of how many times as fast it was.
    """

    measure: str
    contestant: str
    against: str
    n_cases: int
    mean: float
    least: float


def summaries(table: Table) -> list[Summary]:
    """Return how all contestants did, and streamkm against scikit-learn's better algorithm."""
    found = []
    for measure, name in dict.fromkeys((row["measure"], row["contestant"]) for row in table):
        rows = [r for r in table if (r["measure"], r["contestant"]) == (measure, name)]
        if name == REFERENCE:
            continue
        plain = [r["times_as_fast"] for r in rows]
        found += _summary(measure, name, REFERENCE, plain)
        if measure == "convergence" and name.startswith("streamkm"):
            best = [ratio(_best_s(table, row["case"]), row["seconds"]) for row in rows]
            found += _summary(measure, name, "the better of lloyd and elkan", best)
    return found


def _summary(
    measure: str, name: str, against: str, values: Sequence[float | None]
) -> list[Summary]:
    known = [value for value in values if value is not None]
    mean = geometric_mean(known)
    return [] if mean is None else [Summary(measure, name, against, len(known), mean, min(known))]


def _best_s(table: Table, case: str) -> float | None:
    """Return the seconds of scikit-learn's faster algorithm to convergence."""
    return min(
        (
            row["seconds"]
            for row in table
            if row["case"] == case
            and row["measure"] == "convergence"
            and row["contestant"] in (REFERENCE, ELKAN)
            and row["seconds"] is not None
        ),
        default=None,
    )
