"""Gaussian blobs computed per row range: data of any size that takes no disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamkm.errors import SourceError
from streamkm.keyed import BLOBS, generator
from streamkm.sources.generated import TILE_ROWS, parse_count, parse_options, read_tiles
from streamkm.typing import F64, ColumnSource, Rows, SourceInfo


@dataclass(frozen=True)
class BlobSource:
    """Rows drawn around centers that are uniform in [-10, 10].

    Parameters
    ----------
    n_rows, n_features
        The shape.
    std
        Standard deviation of every blob, by feature.
    seed
        Rows are a function of (seed, row tile) alone.
    centers
        Shape (n_centers, n_features).
    """

    n_rows: int
    n_features: int
    std: float
    seed: int
    centers: F64 = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.n_rows, self.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    @property
    def info(self) -> SourceInfo:
        """What was asked for, in one form."""
        name = f"blobs:{self.n_rows}x{self.n_features}?centers={len(self.centers)}"
        return SourceInfo(
            name=f"{name}&std={self.std:g}&seed={self.seed}",
            natural_rows=TILE_ROWS,
            scratch_bytes=TILE_ROWS * self.n_features * 16,
        )

    @property
    def labels(self) -> ColumnSource:
        """Which center each row was drawn around."""
        return _BlobLabels(self)

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        out = np.empty((stop - start, self.n_features), np.float32)
        return read_tiles(lambda tile: self._tile(tile)[1], start, stop, out)

    def _tile(self, tile: int) -> tuple[Rows, Rows]:
        draws = generator(self.seed, BLOBS, 1, tile)
        labels = draws.integers(0, len(self.centers), TILE_ROWS)
        noise = draws.standard_normal((TILE_ROWS, self.n_features), np.float32)
        return labels, self.centers[labels] + self.std * noise


@dataclass(frozen=True)
class _BlobLabels:
    source: BlobSource

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape[:1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int32)

    def read(self, start: int, stop: int) -> Rows:
        out = np.empty(stop - start, np.int32)
        return read_tiles(lambda tile: self.source._tile(tile)[0], start, stop, out)


def open_source(locator: str) -> BlobSource:
    """Open `1e9x64?centers=100&std=1&seed=0`."""
    name, (size, _, query) = f"blobs:{locator}", locator.partition("?")
    rows, times, columns = size.partition("x")
    if not times:
        raise SourceError(f"{name}: say the shape as ROWSxCOLUMNS, such as blobs:1e6x16")
    options = parse_options(query, {"centers": 8, "std": 1.0, "seed": 0})
    n_features, seed = parse_count(columns, name), int(options["seed"])
    shape = (parse_count(str(options["centers"]), name), n_features)
    centers = generator(seed, BLOBS, 0).uniform(-10.0, 10.0, shape)
    return BlobSource(parse_count(rows, name), n_features, options["std"], seed, centers)
