"""Rows that are computed, tile by tile: what blobs and digits share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

from numpy.typing import NDArray

from streamkm.errors import SourceError

TILE_ROWS: Final = 4096  # random numbers are keyed by these tiles, whatever range is read


def read_tiles(
    make: Callable[[int], NDArray[Any]], start: int, stop: int, out: NDArray[Any]
) -> NDArray[Any]:
    """Fill `out` with rows `start` to `stop` of tiles made by `make(tile_index)`."""
    for tile in range(start // TILE_ROWS, -(-stop // TILE_ROWS)):
        begin = tile * TILE_ROWS
        first, last = max(start, begin), min(stop, begin + TILE_ROWS)
        out[first - start : last - start] = make(tile)[first - begin : last - begin]
    return out


def parse_count(text: str, what: str) -> int:
    """Read `1000`, `1e9` or `1_000` as a whole number; `what` is the description it stands in.

    Raises
    ------
    SourceError
        If it is not a positive whole number.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 1 or value != int(value):
        raise SourceError(f"{what}: {text!r} is not a positive whole number")
    return int(value)


def parse_options(text: str, defaults: dict[str, float]) -> dict[str, float]:
    """Read `a=1&b=2` over defaults; unknown names are refused.

    Raises
    ------
    SourceError
        If a name is unknown or a value is not a number.
    """
    options = dict(defaults)
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in defaults:
            raise SourceError(f"unknown option {name!r}; known are {', '.join(defaults)}")
        try:
            options[name] = float(value)
        except ValueError as error:
            raise SourceError(f"option {name}={value!r} is not a number") from error
    return options
