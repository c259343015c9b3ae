"""Folders of images, a folder for each class or all in one, brought to one size.

What is kept of a folder is the number of its images: their names are listed
again where they are read, so that a million of them take no memory elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import numpy as np

from streamkm.errors import SourceError
from streamkm.metering import count
from streamkm.sources.pixels import GREY, Header, load, read_header
from streamkm.typing import I32, ColumnSource, Rows, SourceInfo

ENDINGS: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
BANDS: Final = {"grey": 1, "color": 3}
LOOKED_AT: Final = 64  # images, where all that must be known was said


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of images: its name below the root, and how many there are."""

    name: str
    n_images: int


@dataclass(frozen=True)
class ImageSource:
    """Rows of pixels, channel by channel.

    Parameters
    ----------
    root
        The folder.
    folders
        Those of the classes by name, or the root itself.
    size
        Width and height.
    mode
        "grey" or "color".
    scratch_bytes
        What decoding the largest image takes.
    """

    root: str
    folders: tuple[Folder, ...]
    size: tuple[int, int]
    mode: str
    scratch_bytes: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of images, and of values of one."""
        return sum(folder.n_images for folder in self.folders), math.prod(self.sample_shape)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """(height, width), or (3, height, width) in color."""
        width, height = self.size
        return (height, width) if self.mode == "grey" else (3, height, width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Unsigned bytes."""
        return np.dtype(np.uint8)

    @property
    def info(self) -> SourceInfo:
        """Name and sample shape."""
        return SourceInfo(
            name=Path(self.root).absolute().name,
            sample_shape=self.sample_shape,
            scratch_bytes=self.scratch_bytes,
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class by its label; empty where all images are in one folder."""
        return tuple(folder.name for folder in self.folders if folder.name)

    @property
    def labels(self) -> ColumnSource | None:
        """The class of each image, where classes have folders."""
        if not self.class_names:
            return None
        return _ImageLabels(tuple(folder.n_images for folder in self.folders), self.class_names)

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        out = np.empty((stop - start, self.shape[1]), np.uint8)
        for row, path in zip(out, self._paths(start, stop), strict=True):
            row[:] = load(path, self.size, self.mode)
        count(bytes_decoded=out.nbytes)
        return out

    def _paths(self, start: int, stop: int) -> Iterator[str]:
        begin = 0
        for folder in self.folders:
            first, last = max(start - begin, 0), min(stop - begin, folder.n_images)
            if first < last:
                place = Path(self.root, folder.name)
                names = _listed(str(place), place.stat().st_mtime_ns)
                if len(names) != folder.n_images:
                    raise SourceError(
                        f"{place}: {len(names)} images, it had {folder.n_images} when it was opened"
                    )
                yield from (str(place / name) for name in names[first:last])
            begin += folder.n_images


@dataclass(frozen=True)
class _ImageLabels:
    n_images: tuple[int, ...]
    class_names: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (sum(self.n_images),)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int32)

    def read(self, start: int, stop: int) -> I32:
        ends = np.cumsum(self.n_images)
        return np.searchsorted(ends, np.arange(start, stop), side="right").astype(np.int32)


def is_image(name: str) -> bool:
    """Return whether a file is an image, by its name."""
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


@lru_cache(maxsize=2)
def _listed(folder: str, mtime_ns: int) -> Sequence[str]:
    """Return the images of a folder by name; listed again when it has changed."""
    return sorted(entry.name for entry in Path(folder).iterdir() if is_image(entry.name))


def open_source(locator: str) -> ImageSource:
    """Open `folder` or `folder?size=32x32&mode=grey`; the size is width x height.

    By default the size that all images have, and color where one of them has
    some. With both said, the images are not looked at beforehand.
    """
    root, _, query = locator.partition("?")
    size, mode = _options(query)
    folders = _folders(Path(root))
    paths = ImageSource(root, folders, (1, 1), "grey", 0)._paths(
        0, sum(folder.n_images for folder in folders)
    )
    found = _Look()
    for path in islice(paths, LOOKED_AT if size and mode else None):
        found.add(path, read_header(path), is_sized=size is not None)
    mode = mode or ("color" if found.has_color else "grey")
    return ImageSource(root, folders, size or found.size, mode, found.scratch_bytes)


class _Look:
    """What the headers of all images say."""

    def __init__(self) -> None:
        self.size = (0, 0)
        self.first = ""
        self.has_color = False
        self.scratch_bytes = 0

    def add(self, path: str, header: Header, *, is_sized: bool) -> None:
        """Take one image in."""
        if not self.first:
            self.first, self.size = path, header.size
        if header.size != self.size and not is_sized:
            here, there = ("{} x {}".format(*size) for size in (header.size, self.size))
            raise SourceError(
                f"{Path(path).name} is {here}, {Path(self.first).name} is {there}: say one size "
                f"for all, as images:FOLDER?size={self.size[0]}x{self.size[1]}"
            )
        self.has_color = self.has_color or header.mode not in GREY
        n_bytes = 8 * math.prod(header.size) + header.n_bytes
        self.scratch_bytes = max(self.scratch_bytes, n_bytes)


def _options(query: str) -> tuple[tuple[int, int] | None, str | None]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = set(options) - {"size", "mode"}
    if unknown:
        raise SourceError(f"unknown option {min(unknown)!r}; known are size and mode")
    size, mode = options.get("size"), options.get("mode")
    if mode is not None and mode not in BANDS:
        raise SourceError(f"mode={mode!r} must be one of {', '.join(BANDS)}")
    if size is None:
        return None, mode
    sides = size.split("x")
    sides = sides * 2 if len(sides) == 1 else sides
    if len(sides) != 2 or not all(side.isdecimal() and 0 < int(side) < 1 << 15 for side in sides):
        raise SourceError(f"size={size!r} is not WIDTHxHEIGHT in pixels, such as 32x32")
    return (int(sides[0]), int(sides[1])), mode


def _folders(root: Path) -> tuple[Folder, ...]:
    if not root.exists():
        raise FileNotFoundError(root)
    if not root.is_dir():
        raise SourceError(f"{root}: not a folder of images")
    loose = _n_images(root)
    below = sorted(item.name for item in root.iterdir() if item.is_dir())
    classes = [Folder(name, _n_images(root / name)) for name in below if name[0] != "."]
    classes = [folder for folder in classes if folder.n_images]
    if loose and classes:
        raise SourceError(
            f"{root}: images lie both in it and in its folders ({classes[0].name}); which of them "
            "are meant?"
        )
    if not loose and not classes:
        raise SourceError(f"{root}: no images in it or in its folders ({', '.join(ENDINGS)})")
    return tuple(classes) or (Folder("", loose),)


def _n_images(folder: Path) -> int:
    return sum(is_image(entry.name) for entry in folder.iterdir())
