"""One image by Pillow: its header, and its pixels at a size."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import MissingExtraError, SourceError
from streamkm.metering import count

GREY: Final = frozenset(["1", "L", "LA", "La"])
DEEP: Final = ("I", "F")  # more than eight bits a value: I;16, I, F
MODES: Final = {"grey": "L", "color": "RGB"}
ORIENTATION: Final = 0x0112  # EXIF
TURNED: Final = (5, 6, 7, 8)  # values of it that exchange width and height


@dataclass(frozen=True, slots=True)
class Header:
    """Width and height as seen, Pillow's name of the mode, bytes of the file."""

    size: tuple[int, int]
    mode: str
    n_bytes: int


def pillow() -> Any:
    """Return Pillow's module Image.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError.of("images", "Pillow", "images") from error
    return Image


@contextmanager
def _opened(path: str) -> Iterator[tuple[Any, int]]:
    """Open an image, and refuse what cannot be one of the rows.

    Raises
    ------
    SourceError
        If it is broken, too large, or has more than eight bits a value; names it.
    """
    image_module = pillow()
    name = "/".join(Path(path).parts[-2:])
    try:
        data = Path(path).read_bytes()
        with image_module.open(io.BytesIO(data)) as image:
            _refuse_odd(image, image_module.MAX_IMAGE_PIXELS, name)
            yield image, len(data)
    except (SourceError, FileNotFoundError):
        raise
    except Exception as error:  # decoders raise whatever they like
        what = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"{name}: a broken image ({what[:160]})") from error


def _refuse_odd(image: Any, most_pixels: int, name: str) -> None:
    if math.prod(image.size) > most_pixels:
        raise SourceError(
            f"{name}: {image.size[0]} x {image.size[1]} pixels, more than the {most_pixels} that "
            "Pillow takes for an image and not for an attack"
        )
    if image.mode.startswith(DEEP):
        raise SourceError(
            f"{name}: more than 8 bits a value ({image.mode}); save the images as 8-bit ones, or "
            "as one array (.npy)"
        )


def read_header(path: str) -> Header:
    """Read what an image says of itself."""
    with _opened(path) as (image, n_bytes):
        width, height = image.size
        if _is_turned(image):
            width, height = height, width
        return Header((width, height), image.mode, n_bytes)


def load(path: str, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    """Return the pixels of an image, channel by channel, flattened.

    Parameters
    ----------
    path
        The file; the first picture of several.
    size
        Width and height; an image of another size is resized (bilinear over
        the area that becomes a pixel).
    mode
        "grey" or "color"; what is transparent shows its own color.
    """
    from PIL import ImageOps

    with _opened(path) as (image, n_bytes):
        count(bytes_read=n_bytes)
        upright = ImageOps.exif_transpose(image) if _has_orientation(image) else image
        converted = upright.convert(MODES[mode])
        if converted.size != size:
            converted = converted.resize(size, pillow().Resampling.BILINEAR)
        pixels = np.asarray(converted)
    return np.moveaxis(pixels, -1, 0).reshape(-1) if mode == "color" else pixels.reshape(-1)


def _has_orientation(image: Any) -> bool:
    return image.format in ("JPEG", "MPO")  # others would decode the image to find out


def _is_turned(image: Any) -> bool:
    return _has_orientation(image) and image.getexif().get(ORIENTATION) in TURNED
