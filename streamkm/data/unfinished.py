"""An output that was not finished: whose it is, and which of its blocks are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamkm.data.atomic import write_atomically
from streamkm.data.store import discard


@dataclass(frozen=True)
class DoneChunks:
    """One byte a chunk, 1 when it is written: tasks on any machine set their own.

    Parameters
    ----------
    path
        The file.
    chunk_rows
        Rows of a chunk; what is written at once begins at multiples of it.
    """

    path: str
    chunk_rows: int

    def create(self, n_rows: int) -> None:
        """Begin: no chunk is there."""
        write_atomically(Path(self.path), bytes(-(-n_rows // self.chunk_rows)))

    def add(self, start: int, stop: int) -> None:
        """Say that the rows from `start` to `stop`, whole chunks, are written."""
        chunks = self.chunks_of(start, stop)
        with open(self.path, "r+b", buffering=0) as stream:
            stream.seek(chunks.start)
            stream.write(b"\1" * (chunks.stop - chunks.start))

    def chunks_of(self, start: int, stop: int) -> slice:
        """Return the chunks that rows lie in."""
        return slice(start // self.chunk_rows, -(-stop // self.chunk_rows))

    def left_of(self, group: Any) -> LeftBlocks:
        """Return a group without the blocks that are there."""
        return LeftBlocks(group, self, Path(self.path).read_bytes())


@dataclass(frozen=True, slots=True)
class LeftBlocks:
    """The blocks of a group that are still to be written."""

    group: Any
    done: DoneChunks
    flags: bytes

    @property
    def n_rows(self) -> int:
        """Rows in the group, with those that are there."""
        return int(self.group.n_rows)

    def blocks(self) -> Iterator[Any]:
        """Yield those blocks in row order."""
        for block in self.group.blocks():
            if not all(self.flags[self.done.chunks_of(block.start, block.stop)]):
                yield block


class Unfinished:
    """The files beside an output's name while it is written.

    Parameters
    ----------
    final
        The name that it will have.
    plan
        What must agree for another call to go on with it; empty where none may.
    """

    def __init__(self, final: Path, plan: str) -> None:
        self.raw = final.with_name(final.name + ".partial")
        self.converted = final.with_name(final.name + ".converted.partial")
        self.done = final.with_name(final.name + ".partial.done")
        self._plan_file = final.with_name(final.name + ".partial.json")
        self._plan = plan

    def is_ours(self) -> bool:
        """Tell whether an earlier call with the same plan has left its work."""
        try:
            found = self._plan_file.read_text()
        except OSError:
            return False
        return bool(self._plan) and found == self._plan and self.raw.exists() and self.done.exists()

    def begun(self) -> None:
        """Say that all files are there: written last."""
        if self._plan:
            write_atomically(self._plan_file, self._plan.encode())

    def clear(self) -> None:
        """Remove all traces."""
        self._plan_file.unlink(missing_ok=True)  # first: without it nobody goes on
        for path in (self.done, self.raw, self.converted):
            discard(path)
