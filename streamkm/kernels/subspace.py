"""Rows and centers seen in a few dimensions, where no distance is longer than it is.

W are orthonormal directions near all centers, and x goes to (W'x, |x - WW'x|): what
of it lies in their span, and the length of the rest. No two points come further
apart by that (the triangle inequality for the rests), so that a center too far
away there is too far away. Centers lie close to a span of few dimensions, since
they are means of many rows: most rows need to be measured to no center but their own.

Centers move on, and out of the span. So it grows: directions that are missing are put behind the
others, and a row is projected to those alone, when it is next measured. Until then what is known
of it is still true in the first directions.

Bounds from a few numbers per row and center are those of Bottesch, Bühler and Kächele, "Speeding
up k-means by approximating Euclidean distances via block vectors", ICML 2016, who take
norms of blocks of features; the directions here are those of the centers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.centers import CenterArrays, Centers, prepare
from streamkm.kernels.compiled import compiled
from streamkm.kernels.directions import combined, extended, largest, product
from streamkm.kernels.dots import dot
from streamkm.kernels.frame import Frame
from streamkm.kernels.update import writable
from streamkm.typing import F32, F64, I64

LEADING: Final = 512  # centers that directions are taken from: the cost goes with their number

# What compiled code takes of a level: the centers there, their slack and drift.
LevelArrays = tuple[CenterArrays, float, F64]
Levels = tuple[LevelArrays, LevelArrays]


@dataclass(frozen=True, slots=True, eq=False)
class Subspace:
    """Directions near all centers of one pass, and of those that follow.

    Parameters
    ----------
    directions
        Orthonormal, shape (n_directions, n_features); zeros where the centers span less.
    single
        The same in float32.
    grew_from
        What it was at first: the same directions but the last; None where it did not grow.
    """

    directions: F64
    single: F32
    grew_from: Subspace | None = None

    @classmethod
    def near(cls, centers: Centers, n_directions: int) -> Subspace:
        """Return directions in which the centers are large, of LEADING centers at most.

        All that they span, or else about the largest.
        O(n_directions * n_features * (n_leading + n_directions)).
        """
        directions = largest(_framed(centers, _leading(centers)), n_directions)
        return cls(directions, directions.astype(np.float32))

    def grown(self, centers: Centers, before: F64, n_directions: int) -> Subspace:
        """Return it with more directions: where centers lie outside, and where they move to.

        They are about the largest for centers and their last moves together: centers go on much
        as they moved before. `before` are those of the pass before, `n_directions` how many there
        are then. It grows once.
        """
        assert self.grew_from is None
        which = _leading(centers)
        moved = (centers.exact[which] - before[which]) * centers.frame.scale
        rest = np.concatenate([_framed(centers, which), moved])
        rest -= combined(product(rest, self.directions), self.directions)
        more = largest(rest, n_directions - len(self.directions))
        directions = extended(self.directions, more)
        return Subspace(directions, directions.astype(np.float32), self)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many directions there were at first, and after it grew, if it did."""
        grown = (len(self.directions),)
        return grown if self.grew_from is None else self.grew_from.sizes + grown


@dataclass(frozen=True, slots=True)
class Level:
    """The centers of a pass in the first directions of a subspace, ready for the kernels.

    Parameters
    ----------
    centers
        Of a feature for each direction, and one more: the length of the rest.
    slack
        What rounding may add to a center's distance to any row there.
    drift
        How far each center has moved where these directions do not show it, in all passes, shape
        (n_clusters,).
    """

    centers: Centers
    slack: float
    drift: F64

    @property
    def arrays(self) -> LevelArrays:
        """Return it as compiled code takes it."""
        return self.centers.arrays, self.slack, self.drift


@dataclass(frozen=True, slots=True)
class Shadow:
    """The centers of a pass in a subspace, and in what it was at first.

    Parameters
    ----------
    subspace
        Where rows are seen, too.
    inside
        Where the centers lie, shape (n_clusters, n_directions).
    squares
        Their squared lengths, with what is not seen of them, shape (n_clusters,).
    levels
        By the sizes of the subspace.
    """

    subspace: Subspace
    inside: F64
    squares: F64
    levels: tuple[Level, ...]

    @classmethod
    def of(cls, subspace: Subspace, centers: Centers, since: tuple[Shadow, F64] | None) -> Shadow:
        """Return the centers of a pass as they are seen in a subspace.

        Parameters
        ----------
        subspace, centers
            Where, and what.
        since
            The shadow of the pass before, in the same subspace or in what it grew from, and by how
            much the centers have moved since; None where it was in another.
        """
        n_clusters, n_features = centers.exact.shape
        which = np.arange(n_clusters)
        inside, squares = np.empty((n_clusters, len(subspace.directions))), np.empty(n_clusters)
        if since is not None:
            before, steps = since
            if before.subspace is subspace:
                which = np.flatnonzero(steps)  # most centers stand still in most passes
                inside[:], squares[:] = before.inside, before.squares
        framed = np.empty((len(which), n_features))
        shift, scale = centers.frame.shift, centers.frame.scale
        _frame_some(centers.exact, which, writable(shift), scale, framed, squares)
        inside[which] = product(framed, subspace.directions)
        # What is left of squares that cancel is as wrong as they were rounded.
        rounding = 4.0 * np.sqrt(n_features * 2.0**-53)
        order, levels = centers.slots[:n_clusters], []
        for i, size in enumerate(subspace.sizes):
            seen, drift = np.empty((n_clusters, size + 1)), np.zeros(n_clusters)
            _fill_seen(inside, squares, seen)
            if since is not None and i < len(before.levels):
                drift[:] = before.levels[i].drift
                least = rounding * centers.max_norm * 2.0**-18
                _add_drift(inside, before.inside, size, steps, rounding, least, drift)
            ready = prepare(seen, Frame(np.zeros(size + 1), 1.0), order)
            levels.append(Level(ready, float(rounding * centers.max_norm + 1e-30), drift))
        return cls(subspace, inside, squares, tuple(levels))

    @property
    def last(self) -> Level:
        """The centers in all directions."""
        return self.levels[-1]

    @property
    def arrays(self) -> Levels:
        """Return the first and the last level as compiled code takes them."""
        return self.levels[0].arrays, self.levels[-1].arrays


def seen_moves(subspace: Subspace, centers: Centers, before: F64) -> F64:
    """Return by what centers have moved within the span, shape (n_clusters, n_directions)."""
    return product((centers.exact - before) * centers.frame.scale, subspace.directions)


def _leading(centers: Centers) -> slice:
    return slice(None, None, -(-len(centers.exact) // LEADING))


@compiled
def _frame_some(
    exact: F64, which: I64, shift: F64, scale: float, framed: F64, squares: F64
) -> None:  # pragma: no cover - compiled
    """Frame some centers, and take their squared lengths where those of all stand."""
    for i in range(len(which)):
        center, row = exact[which[i]], framed[i]
        for j in range(len(row)):
            row[j] = (center[j] - shift[j]) * scale
        squares[which[i]] = dot(row, row)


def _framed(centers: Centers, which: I64 | slice) -> F64:
    framed = centers.exact[which] - centers.frame.shift
    framed *= centers.frame.scale
    return framed


@compiled
def _fill_seen(inside: F64, squares: F64, seen: F64) -> None:  # pragma: no cover - compiled
    """Fill where centers lie in the first directions, and the length of the rest."""
    for k in range(len(seen)):
        rest, size = squares[k], seen.shape[1] - 1
        for j in range(size):
            seen[k, j] = inside[k, j]
            rest -= inside[k, j] * inside[k, j]
        seen[k, size] = np.sqrt(max(rest, 0.0))


@compiled
def _add_drift(
    inside: F64, before: F64, size: int, steps: F64, rounding: float, least: float, drift: F64
) -> None:  # pragma: no cover - compiled
    """Add what the first directions do not show of the moves of centers, and what may round."""
    for k in range(len(drift)):
        if steps[k] > 0.0:
            unseen = steps[k] * steps[k]
            for j in range(size):
                unseen -= (inside[k, j] - before[k, j]) ** 2
            drift[k] += np.sqrt(max(unseen, 0.0)) + rounding * steps[k] + least
