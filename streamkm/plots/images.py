"""Samples as images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.plots.style import DPI, Theme
from streamkm.typing import F64

DARK_BORDER: Final = 0.1  # of the range: darker than that is the paper of a drawing

Images = NDArray[Any]


def is_color(sample_shape: Sequence[int]) -> bool:
    """Return whether samples are color images, channels first or last."""
    return len(sample_shape) == 3 and 3 in (sample_shape[0], sample_shape[-1])


def is_image(sample_shape: Sequence[int]) -> bool:
    """Return whether samples of a shape are images."""
    return len(sample_shape) == 2 or is_color(sample_shape)


def as_images(rows: F64, sample_shape: Sequence[int]) -> Images:
    """Return rows as images, shape (n, height, width) or (n, height, width, 3).

    Raises
    ------
    SourceError
        If the samples are no images.
    """
    if not is_image(sample_shape):
        raise SourceError(f"samples of shape {tuple(sample_shape)} are not images")
    images = np.asarray(rows, np.float64).reshape(-1, *sample_shape)
    if is_color(sample_shape) and sample_shape[0] == 3:
        images = images.transpose(0, 2, 3, 1)
    return images


@dataclass(frozen=True, slots=True)
class Look:
    """How values become light: one range for all images of a picture.

    Parameters
    ----------
    low, high
        What is darkest and lightest.
    cmap
        A gray colormap of matplotlib.
    """

    low: float
    high: float
    cmap: str

    @classmethod
    def of(cls, images: Images, theme: Theme) -> Look:
        """Return the range of some images, and whether they are drawings.

        Gray images with a dark border are drawings (digits, clothes): they are
        shown in the theme's ink on its paper, as strong as the strongest is.
        Others are photographs: their range is 0 to 1, or 0 to 255, or their own.
        """
        low, high = float(np.nanmin(images)), float(np.nanmax(images))
        edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
        border = np.nanmedian(np.concatenate([edge.ravel() for edge in edges]))
        if images.ndim == 3 and border <= low + DARK_BORDER * (high - low):
            return cls(low, high, "gray" if theme.is_dark else "gray_r")
        for most in (1.0, 255.0):
            if low >= 0.0 and high <= most:
                return cls(0.0, most, "gray")
        return cls(low, high, "gray")

    def show(self, axes: Axes, image: Images, x: float, y: float, width: float) -> None:
        """Draw an image whose upper left corner is (x, y), in inches."""
        height = width * image.shape[0] / image.shape[1]
        if image.ndim == 3:
            image = (image - self.low) / max(self.high - self.low, 1e-300)
        is_small = image.shape[1] <= width * DPI
        # Not by imshow, which sets the limits of the axes each time: sheets hold hundreds.
        drawn = AxesImage(
            axes, cmap=self.cmap, interpolation="none" if is_small else "antialiased",
            extent=(x, x + width, y + height, y),
        )  # fmt: skip
        drawn.set_data(image)
        drawn.set_clim(self.low, self.high)
        axes.add_image(drawn)
