"""Reads that fail for a moment: tried again, a little later each time, before the task fails."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

WAITS_S: Final = (0.1, 0.5, 2.5)
# A network file system that loses its server, or a disk that is busy with itself.
PASSING: Final = frozenset(
    {
        errno.EIO, errno.EAGAIN, errno.EINTR, errno.EBUSY, errno.ETIMEDOUT, errno.ESTALE,
        errno.ECONNRESET, errno.ECONNABORTED, errno.ENETDOWN, errno.ENETUNREACH,
        errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EREMOTEIO,
    }
)  # fmt: skip


def retried(read: Callable[..., T], *arguments: Any) -> T:
    """Return what `read` gives for the arguments; errors that may pass are waited for three times.

    Raises
    ------
    OSError
        The last one, or the first that does not pass by itself.
    """
    for wait_s in WAITS_S:
        try:
            return read(*arguments)
        except OSError as error:
            if error.errno not in PASSING:
                raise
        time.sleep(wait_s)
    return read(*arguments)
