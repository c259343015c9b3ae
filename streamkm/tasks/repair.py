"""The pass that looks at every chunk of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamkm.data.dataset import Dataset
from streamkm.errors import StorageError, StoreError
from streamkm.metering import metered, reading
from streamkm.tasks.base import PassResult, PassStats


@dataclass(frozen=True, slots=True)
class CheckContext:
    """Context of the check of a store.

    Parameters
    ----------
    dataset
        The store.
    names
        Its arrays of rows.
    """

    dataset: Dataset
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DamagedChunks:
    """Chunks that cannot be read: array and number."""

    chunks: tuple[tuple[str, int], ...]

    @classmethod
    def merge_all(cls, parts: Sequence[DamagedChunks]) -> DamagedChunks:
        """Put all chunks in order."""
        return cls(tuple(sorted(chunk for part in parts for chunk in part.chunks)))


def find_damaged(group: Any, context: CheckContext) -> PassResult:
    """Read every chunk of a group as a fit would; its checksum says whether it is whole."""
    found = []
    with metered() as meter:
        for block in group.blocks():
            for name in context.names:
                try:
                    with reading():
                        context.dataset.read_from(name, block.start, block.stop)
                except (StoreError, StorageError):
                    found.append((name, block.start // context.dataset.spec.chunk_rows))
    return PassResult((DamagedChunks(tuple(found)),), PassStats.of(meter, group.n_rows))
