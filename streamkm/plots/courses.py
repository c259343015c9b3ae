"""The history of a fit as curves: inertia and center shift of every restart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from streamkm.typing import Json

Curve = list[tuple[float, float]]
Courses = dict[Hashable, "Course"]


@dataclass(frozen=True, slots=True)
class Course:
    """One model's way: (updates of its centers, value), in order.

    Parameters
    ----------
    inertia
        Of the centers after so many updates.
    exact
        That of the final centers over all rows, where `inertia` was estimated
        from batches.
    shift
        How far the update of that number moved them, squared.
    """

    inertia: Curve = field(default_factory=list)
    exact: Curve = field(default_factory=list)
    shift: Curve = field(default_factory=list)

    @property
    def last(self) -> float:
        """The last update that is known."""
        return max((x for x, _ in [*self.inertia, *self.shift]), default=0)

    @property
    def result(self) -> float:
        """The last inertia; infinite where none is known."""
        return [(0.0, np.inf), *self.inertia, *self.exact][-1][1]


def is_tree(history: Sequence[Json]) -> bool:
    """Return whether a history is one of a tree of splits."""
    return any("round" in record for record in history)


def courses(history: Sequence[Json]) -> Courses:
    """Return the course of every restart of a history, by its number.

    Of a tree of splits: its own course, by the number of the pass, and that of
    every split.
    """
    found = _of_tree(history) if is_tree(history) else _of_restarts(history)
    return {key: course for key, course in found.items() if course.inertia or course.shift}


def _of_restarts(history: Sequence[Json]) -> Courses:
    """Read passes of models that improve step by step.

    The inertia of a Lloyd pass belongs to the centers that entered it, which
    is one update earlier; that of a closing pass to the final ones.
    """
    found: Courses = {}
    is_estimated = any(record["stage"] == "steps" for record in history)
    for record in history:
        values, shifts = record.get("inertia", []), record.get("center_shift", [])
        restarts = record.get("restarts", [0])[: max(len(values), len(shifts))]
        for at, restart in enumerate(restarts):
            course = found.setdefault(restart, Course())
            n_iter = record["n_iter"][at] if "n_iter" in record else course.last
            is_closing = "n_iter" not in record
            is_early = not is_closing and record["stage"] != "steps"
            curve = course.exact if is_closing and is_estimated else course.inertia
            _append(curve, n_iter - is_early, values, at)
            _append(course.shift, n_iter, shifts, at)
    return found


def _of_tree(history: Sequence[Json]) -> Courses:
    tree = Course()
    found: Courses = {"tree": tree}
    for record in history:
        _append(tree.inertia, record["pass"], record.get("inertia", []), 0)
        splits = zip(record.get("nodes", []), record.get("restarts", []), strict=False)
        for at, (node, restart) in enumerate(splits):
            course = found.setdefault((record["round"], node, restart), Course())
            _append(course.shift, record["pass"], record.get("center_shift", []), at)
    return found


def _append(curve: Curve, x: float, values: Sequence[float | None], at: int) -> None:
    """Append a value that is known; a shift of zero has no place on a logarithmic scale."""
    value = values[at] if at < len(values) else None
    if value is not None and np.isfinite(value) and value > 0.0:
        curve.append((x, value))
