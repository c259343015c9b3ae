"""One at a time: a lock on a name that a dead process does not hold."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streamkm.errors import BusyError

PATIENCE_S: Final = 0.3  # somebody may only be looking whether the lock is held
RETRY_S: Final = 0.05
UNSUPPORTED: Final = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def only_one(file: Path, doing: str) -> Iterator[None]:
    """Hold a lock for the time of a block, in a file that is removed behind it.

    The system drops the lock with the process, however that ends: a file that is
    left over holds nobody up. On a file system that has no locks there are none.

    Parameters
    ----------
    file
        Its folder must exist.
    doing
        What must not be done twice at once, as a sentence goes on: "converting to x".

    Raises
    ------
    BusyError
        If another holds the lock; says which process.
    OSError
        If the file cannot be created.
    """
    held = _acquire(file, doing)
    try:
        yield
    finally:
        if held is not None:
            file.unlink(missing_ok=True)  # before the lock goes: never another's file
            os.close(held)


def is_locked(file: Path) -> bool:
    """Tell whether a process that is alive holds the lock."""
    try:
        seen = os.open(file, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try(seen, fcntl.LOCK_SH)
    finally:
        os.close(seen)


def _acquire(file: Path, doing: str) -> int | None:
    """Return the open, locked file; None where there are no locks."""
    end = time.monotonic() + PATIENCE_S
    while True:
        opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            is_ours = _try(opened, fcntl.LOCK_EX)
        except OSError as error:
            os.close(opened)
            if error.errno in UNSUPPORTED:
                file.unlink(missing_ok=True)
                return None
            raise
        if is_ours and _is_same(opened, file):
            os.truncate(opened, 0)
            os.write(opened, str(os.getpid()).encode())
            return opened
        who = os.pread(opened, 20, 0).decode("ascii", "replace")
        os.close(opened)
        if not is_ours and time.monotonic() >= end:
            process = f"process {who}" if who else "another process"
            raise BusyError(f"{process} is {doing} at this moment; wait until it has ended")
        if not is_ours:
            time.sleep(RETRY_S)


def _try(opened: int, how: int) -> bool:
    try:
        fcntl.flock(opened, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(opened: int, file: Path) -> bool:
    """Tell whether a file still has its name: who held the lock before has removed it."""
    try:
        return os.path.samestat(os.fstat(opened), file.stat())
    except FileNotFoundError:
        return False
