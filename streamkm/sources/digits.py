"""scikit-learn's bundled handwritten digits, made many by seeded shifts and noise.

The 1797 real digits of 8x8 pixels (Alpaydin & Kaynak, "Optical recognition of
handwritten digits", UCI, 1998), each row one of them, moved by less than half
a pixel, with a little noise: real shapes in any number, with no download.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.keyed import DIGITS, generator
from streamkm.sources.generated import TILE_ROWS, parse_count, parse_options, read_tiles
from streamkm.typing import F32, ColumnSource, Rows, SourceInfo

SIDE: Final = 8
STEP: Final = 0.4  # pixels; a whole one of eight would hide the digit's class
MOVES: Final = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))


@dataclass(frozen=True)
class DigitsSource:
    """Rows of 64 float32 pixels in about 0..16.

    Parameters
    ----------
    n_rows
        How many.
    noise
        Standard deviation of the noise, in grey levels of 16.
    seed
        Rows are a function of (seed, row tile) alone.
    moved
        Every digit under every move, shape (9, 1797, 64).
    classes
        The digit of each, shape (1797,).
    """

    n_rows: int
    noise: float
    seed: int
    moved: F32 = field(repr=False)
    classes: NDArray[np.uint8] = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.n_rows, SIDE * SIDE

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    @property
    def info(self) -> SourceInfo:
        """What was asked for, in one form."""
        return SourceInfo(
            name=f"digits:{self.n_rows}?noise={self.noise:g}&seed={self.seed}",
            sample_shape=(SIDE, SIDE),
            natural_rows=TILE_ROWS,
            scratch_bytes=TILE_ROWS * SIDE * SIDE * 8,
        )

    @property
    def labels(self) -> ColumnSource:
        """The true digit of each row."""
        return _DigitsLabels(self)

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        out = np.empty((stop - start, SIDE * SIDE), np.float32)
        return read_tiles(self._rows, start, stop, out)

    def _choices(self, tile: int) -> tuple[NDArray[np.int64], np.random.Generator]:
        draws = generator(self.seed, DIGITS, tile)
        return draws.integers(0, len(self.classes), TILE_ROWS), draws

    def _rows(self, tile: int) -> Rows:
        which, draws = self._choices(tile)
        moves = draws.integers(0, len(MOVES), TILE_ROWS)
        rows = draws.standard_normal((TILE_ROWS, SIDE * SIDE), np.float32)
        rows *= np.float32(self.noise)
        rows += self.moved[moves, which]
        return np.maximum(rows, 0.0, out=rows)

    def _classes(self, tile: int) -> NDArray[np.uint8]:
        return self.classes[self._choices(tile)[0]]


@dataclass(frozen=True)
class _DigitsLabels:
    source: DigitsSource

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape[:1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def read(self, start: int, stop: int) -> Rows:
        out = np.empty(stop - start, np.uint8)
        return read_tiles(self.source._classes, start, stop, out)


def open_source(locator: str) -> DigitsSource:
    """Open `1e6?noise=1&seed=0`."""
    # The digits travel to workers inside the source, so that no worker loads scikit-learn.
    from sklearn.datasets import load_digits

    size, _, query = locator.partition("?")
    options = parse_options(query, {"noise": 1.0, "seed": 0})
    bunch = load_digits()
    images = bunch.images.astype(np.float32)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    moved = np.stack([_move(padded, down, right) for down, right in MOVES])
    return DigitsSource(
        parse_count(size, f"digits:{locator}"),
        options["noise"],
        int(options["seed"]),
        moved.reshape(len(MOVES), len(images), SIDE * SIDE),
        bunch.target.astype(np.uint8),
    )


def _move(padded: F32, down: int, right: int) -> F32:
    """Move images by STEP pixels or not at all, by linear interpolation."""

    def cut(a: int, b: int) -> F32:
        return padded[:, 1 - a : 1 - a + SIDE, 1 - b : 1 - b + SIDE]

    by_rows = (1 - STEP) * cut(0, 0) + STEP * cut(down, 0)
    by_rows_beside = (1 - STEP) * cut(0, right) + STEP * cut(down, right)
    moved: F32 = ((1 - STEP) * by_rows + STEP * by_rows_beside).astype(np.float32)
    return moved
