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
from streamkm.kernels.compiled import compiled, compiled_reordered
from streamkm.kernels.dots import dot
from streamkm.kernels.frame import Frame
from streamkm.typing import F32, F64, I64

LEADING: Final = 512  # centers that directions are taken from: the cost goes with their number
STEPS: Final = 3  # of iteration: more find no directions that rule out more rows
STRETCH: Final = 512  # features of some centers and directions that stay in cache together
RANK: Final = 1e-6  # of a row's length: what is left of it is rounding
SMALLEST: Final = 1e-140  # length whose square is a normal number

# What compiled code takes of a level: the centers there, their slack and drift.
LevelArrays = tuple[CenterArrays, float, F64]
Levels = tuple[LevelArrays, LevelArrays]


@dataclass(frozen=True, slots=True)
class Subspace:
    """Directions near all centers of one pass, and of those that follow.

    Parameters
    ----------
    directions
        Orthonormal, shape (n_directions, n_features); zeros where the centers span less.
    single
        The same in float32, and zeros behind the last.
    sizes
        How many there were at first, and after it grew, if it did.
    """

    directions: F64
    single: F32
    sizes: tuple[int, ...]

    @classmethod
    def near(cls, centers: Centers, n_directions: int) -> Subspace:
        """Return directions in which the centers are large, of LEADING centers at most.

        All that they span, or else about the largest.
        O(n_directions * n_features * (n_leading + n_directions)).
        """
        framed = _framed(centers, _leading(centers))
        return cls._of(_largest(framed, n_directions), (n_directions,))

    def grown(self, centers: Centers, before: F64, n_directions: int) -> Subspace:
        """Return it with more directions: where centers lie outside, and where they move to.

        They are about the largest for centers and their last moves together: centers go on much
        as they moved before. `before` are those of the pass before, `n_directions` how many there
        are then.
        """
        which = _leading(centers)
        moved = (centers.exact[which] - before[which]) * centers.frame.scale
        framed = np.concatenate([_framed(centers, which), moved])
        rest = framed - _combined(_product(framed, self.directions), self.directions)
        more = _largest(rest, n_directions - len(self.directions))
        directions = np.concatenate([self.directions, more])
        _orthonormalize(directions, len(self.directions))
        return self._of(directions, (self.sizes[0], len(directions)))

    @classmethod
    def _of(cls, directions: F64, sizes: tuple[int, ...]) -> Subspace:
        single = np.zeros((len(directions) + 1, directions.shape[1]), np.float32)
        single[:-1] = directions
        return cls(directions, single, sizes)


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
            The shadow of the pass before, in the same subspace or in what it was before it grew,
            and by how much the centers have moved since; None in the first pass.
        """
        n_clusters, n_features = centers.exact.shape
        which = np.arange(n_clusters)
        inside, squares = np.empty((n_clusters, len(subspace.directions))), np.empty(n_clusters)
        if since is not None:
            before, steps = since
            if before.inside.shape == inside.shape:
                which = np.flatnonzero(steps)  # most centers stand still in most passes
                inside[:], squares[:] = before.inside, before.squares
        framed = _framed(centers, which)
        inside[which] = _product(framed, subspace.directions)
        squares[which] = np.einsum("ij,ij->i", framed, framed)
        # What is left of squares that cancel is as wrong as they were rounded.
        rounding = 4.0 * np.sqrt(n_features * 2.0**-53)
        order = centers.slots[:n_clusters].astype(np.int64)
        levels = []
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
    return _product((centers.exact - before) * centers.frame.scale, subspace.directions)


def _leading(centers: Centers) -> slice:
    return slice(None, None, -(-len(centers.exact) // LEADING))


def _largest(rows: F64, n: int) -> F64:
    """Return about the `n` directions in which rows are largest, zeros where they span fewer.

    By orthogonal iteration (Rutishauser, "Simultaneous iteration method for symmetric matrices",
    Numer. Math. 16, 1970), where they may span more.
    """
    directions = np.zeros((n, rows.shape[1]))
    directions[: len(rows)] = rows[:n]
    for _ in range(STEPS if n < len(rows) else 0):
        _orthonormalize(directions, 0)
        directions = _combined(_product(directions, rows), rows)
    _orthonormalize(directions, 0)
    return directions


def _framed(centers: Centers, which: I64 | slice) -> F64:
    framed = centers.exact[which] - centers.frame.shift
    framed *= centers.frame.scale
    return framed


def _product(left: F64, right: F64) -> F64:
    """Return left @ right.T."""
    out = np.zeros((len(left), len(right)))
    _multiply(left, right, out)
    return out


def _combined(weights: F64, rows: F64) -> F64:
    """Return weights @ rows."""
    out = np.zeros((len(weights), rows.shape[1]))
    _add_rows(weights, rows, out)
    return out


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


@compiled
def _orthonormalize(rows: F64, first: int) -> None:  # pragma: no cover - compiled
    """Make rows from `first` orthonormal, in place, as those before are: Gram and Schmidt, twice.

    One that lies in the span of others becomes zeros.
    """
    for i in range(first, len(rows)):
        row = rows[i]
        size = np.sqrt(dot(row, row))
        left = size
        for _ in range(2):
            for k in range(i):
                _take_off(row, rows[k], dot(row, rows[k]))
            left = np.sqrt(dot(row, row))
        has_own = left > max(RANK * size, SMALLEST)
        for j in range(len(row)):
            row[j] = row[j] / left if has_own else 0.0


@compiled
def _take_off(x: F64, y: F64, times: float) -> None:  # pragma: no cover - compiled
    for j in range(len(x)):
        x[j] -= times * y[j]


@compiled_reordered
def _multiply(left: F64, right: F64, out: F64) -> None:  # pragma: no cover - compiled
    """Add left @ right.T: no BLAS, whose threads would spin into the pass that follows."""
    n, m, width = len(left), len(right), left.shape[1]
    for begin in range(0, width, STRETCH):
        end = min(begin + STRETCH, width)
        for i in range(0, n, 2):
            i1 = min(i + 1, n - 1)
            x, y = left[i, begin:end], left[i1, begin:end]
            for k in range(0, m, 2):
                k1 = min(k + 1, m - 1)
                p, q = right[k, begin:end], right[k1, begin:end]
                a = b = c = d = 0.0
                for j in range(len(x)):
                    a += x[j] * p[j]
                    b += x[j] * q[j]
                    c += y[j] * p[j]
                    d += y[j] * q[j]
                out[i, k] += a
                if k1 > k:
                    out[i, k1] += b
                if i1 > i:
                    out[i1, k] += c
                if i1 > i and k1 > k:
                    out[i1, k1] += d


@compiled_reordered
def _add_rows(weights: F64, rows: F64, out: F64) -> None:  # pragma: no cover - compiled
    """Add weights @ rows, likewise."""
    n, width = len(rows), rows.shape[1]
    for begin in range(0, width, STRETCH):
        end = min(begin + STRETCH, width)
        for i in range(len(out)):
            total = out[i, begin:end]
            for k in range(0, n, 2):
                k1 = min(k + 1, n - 1)
                a, b = weights[i, k], weights[i, k1] if k1 > k else 0.0
                x, y = rows[k, begin:end], rows[k1, begin:end]
                for j in range(len(total)):
                    total[j] += a * x[j] + b * y[j]
