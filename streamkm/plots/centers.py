"""Cluster centers drawn as images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from streamkm.metrics.scores import majority_names
from streamkm.plots.grid import SEPARATOR, Grid, clear, sheet
from streamkm.plots.images import Look, as_images
from streamkm.plots.style import ThemeName, theme_of
from streamkm.typing import F64, I64

LARGEST: Final = 1.25  # inches, of one cell


def draw_centers(
    centers: F64,
    sample_shape: Sequence[int],
    titles: Sequence[str] | None = None,
    title: str = "",
    *,
    theme: ThemeName = "light",
) -> Figure:
    """Draw every center as an image.

    Parameters
    ----------
    centers
        Shape (n_clusters, n_features).
    sample_shape
        (height, width) for gray images; (3, height, width) or (height, width,
        3) for color.
    titles
        What to write over each, such as `center_titles` gives: smaller where
        there are many, left out where it could not be read.
    title
        What to write over all.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        At most twelve inches wide, and about as high; all images share one
        range of values.

    Raises
    ------
    SourceError
        If the samples are not images.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.plots import draw_centers
    >>> figure = draw_centers(np.eye(4), (2, 2), ["a", "b", "c", "d"])
    >>> len(figure.axes[0].images)
    4
    """
    inks = theme_of(theme)
    images = as_images(centers, sample_shape)
    grid = Grid.of(len(images), images.shape[1] / images.shape[2], titles or [], LARGEST)
    figure, axes = sheet(*grid.whole, inks, title)
    look = Look.of(images, inks)
    for index, image in enumerate(images):
        look.show(axes, image, *grid.corner(index), grid.width)
    grid.write_titles(axes, inks)
    clear(axes, *grid.whole)
    return figure


def center_titles(
    sizes: I64, table: I64 | None = None, class_names: Sequence[Any] | None = None
) -> list[str]:
    """Return a title for every cluster: its number, its majority class, and its size.

    Parameters
    ----------
    sizes
        Rows of each cluster, shape (n_clusters,).
    table
        Rows of each cluster and class, shape (n_clusters, n_classes).
    class_names
        One a class; by default its number.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.plots import center_titles
    >>> center_titles(np.array([1500, 20]))
    ['#0 · 1,500', '#1 · 20']
    >>> center_titles(np.array([1500, 20]), np.array([[0, 1500], [12, 8]]), ["cat", "dog"])
    ['#0 · dog · 1,500', '#1 · cat · 20']
    """
    names = [""] * len(sizes)
    if table is not None:
        table = np.asarray(table)
        called = range(table.shape[1]) if class_names is None else class_names
        names = majority_names(table, [str(name) for name in called])
    return [
        SEPARATOR.join([f"#{k}", name, f"{size:,}"] if name else [f"#{k}", f"{size:,}"])
        for k, (name, size) in enumerate(zip(names, np.asarray(sizes).tolist(), strict=True))
    ]
