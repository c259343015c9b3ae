"""What a source that stands before another one passes through."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamkm.typing import ColumnSource, RowSource, SourceInfo


class WrappedSource:
    """Rows of another source; a subclass says how they are read.

    Parameters
    ----------
    source
        Where the rows come from.
    """

    def __init__(self, source: RowSource) -> None:
        self.source = source

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The source's dtype."""
        return self.source.dtype

    @property
    def info(self) -> SourceInfo:
        """What the source says."""
        return self.source.info

    @property
    def labels(self) -> ColumnSource | None:
        """The source's labels."""
        return self.source.labels
