"""Cluster centers drawn as images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.typing import F64

MAX_COLUMNS: Final = 10
INK: Final = "#222222"


def draw_centers(
    centers: F64, sample_shape: Sequence[int], titles: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """Draw every center as an image.

    Parameters
    ----------
    centers
        Shape (n_clusters, n_features).
    sample_shape
        (height, width) for grey images, (3, height, width) for color.
    titles
        What to write over each, such as its class and size.
    title
        What to write over all.

    Returns
    -------
    figure
        Up to ten images a row.

    Raises
    ------
    SourceError
        If the samples are not images.
    """
    is_color = len(sample_shape) == 3 and sample_shape[0] == 3
    if not is_color and len(sample_shape) != 2:
        raise SourceError(f"samples of shape {tuple(sample_shape)} are not images")
    n_columns = _columns(len(centers))
    n_rows = math.ceil(len(centers) / n_columns)
    figure = Figure(figsize=(1.25 * n_columns, 1.5 * n_rows + 0.5), layout="constrained", dpi=150)
    grid: NDArray[Any] = np.asarray(figure.subplots(n_rows, n_columns, squeeze=False))
    low, high = float(centers.min()), float(centers.max())
    for index, axes in enumerate(grid.ravel()):
        axes.set_axis_off()
        if index >= len(centers):
            continue
        image = centers[index].reshape(sample_shape)
        if is_color:
            image = (image.transpose(1, 2, 0) - low) / max(high - low, 1e-300)
        axes.imshow(image, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
        if titles is not None:
            axes.set_title(titles[index], fontsize=9, color=INK, pad=3)
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return figure


def _columns(n_clusters: int) -> int:
    """Return a number of columns that leaves no nearly empty last row."""
    if n_clusters <= MAX_COLUMNS:
        return n_clusters if n_clusters <= 5 else math.ceil(n_clusters / 2)
    return min(MAX_COLUMNS, math.ceil(math.sqrt(n_clusters)))
