"""Files that exist whole or not at all: temporary file, fsync, rename."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamkm.errors import StorageError, StreamKMError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content; a reader sees the old or the new, after a power cut too."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk says while a thing is written into one clear line.

    Raises
    ------
    StorageError
        For an OSError that is none of ours.
    """
    try:
        yield
    except StreamKMError:
        raise
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error})") from error
