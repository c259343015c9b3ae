"""Downloads that go on where they stopped, from the first mirror that gives the right bytes."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import time
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamkm.data.named import RemoteFile
from streamkm.data.remote import open_remote
from streamkm.errors import SourceError, StorageError, StreamKMError

PIECE_BYTES: Final = 1 << 20
TRIES: Final = 3  # a mirror, in a row without a byte more
PAUSE_S: Final = 0.5  # more with every try
GONE: Final = (403, 404, 410)

Listener = Callable[[str, int, int | None], None]
"""Told the file's name, the bytes that are there, and those of the whole."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is there.

    Parameters
    ----------
    path
        Where.
    sha256
        What its bytes are.
    is_verified
        Whether they were compared with a published checksum.
    """

    path: Path
    sha256: str
    is_verified: bool


def download(file: RemoteFile, folder: Path, listener: Listener | None = None) -> Download:
    """Return a file of a folder, downloading what is missing of it.

    Parameters
    ----------
    file
        What, from where, and its checksum.
    folder
        Made where it is missing. What has come so far lies there as NAME.part.
    listener
        Told how far it is.

    Raises
    ------
    SourceError
        If no mirror gives the file with its checksum.
    StorageError
        If the disk is full or refuses to be written.
    """
    final = folder / file.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if final.exists():
            found = _checked(file, final)
            if found is not None:
                return found
            final.unlink()
        return _from_mirrors(file, final, listener)
    except StreamKMError:
        raise
    except OSError as error:
        raise StorageError(f"{final} cannot be written ({error})") from error


def _from_mirrors(file: RemoteFile, final: Path, listener: Listener | None) -> Download:
    part = final.with_name(final.name + ".part")
    problems = []
    for url in file.urls:
        for is_last in (False, True):  # what an earlier call left may be the wrong half
            began_with = _size(part)
            problem = _from_mirror(url, file, part, listener)
            if problem is not None:
                problems.append(f"{url}: {problem}")
                break
            found = _checked(file, part)
            if found is not None:
                os.replace(part, final)
                return Download(final, found.sha256, found.is_verified)
            part.unlink()
            if is_last or not began_with:
                problems.append(f"{url}: its checksum is not {file.checksum}; thrown away")
                break
    kept = (
        f"; {_size(part)} bytes are kept, the same call goes on from there" if _size(part) else ""
    )
    raise SourceError(f"{file.name} cannot be downloaded ({'; '.join(problems)}){kept}")


def _from_mirror(url: str, file: RemoteFile, part: Path, listener: Listener | None) -> str | None:
    """Make the part whole from one mirror; return what went wrong, or None."""
    failures, problem = 0, ""
    while failures < TRIES:
        time.sleep(failures * PAUSE_S)
        before = _size(part)
        try:
            _transfer(url, file, part, listener)
        except StreamKMError:
            raise
        except urllib.error.HTTPError as error:
            problem = f"HTTP status {error.code}"
            if error.code == 416 and part.exists():
                part.unlink()  # longer than the file: not a part of it
            elif error.code in GONE:
                return problem
        except _WrongFileError as error:
            return str(error)
        except (OSError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        else:
            return None
        failures = 0 if _size(part) > before else failures + 1
    return problem


class _WrongFileError(Exception):
    """The server has something else under the name."""


def _transfer(url: str, file: RemoteFile, part: Path, listener: Listener | None) -> None:
    have = _size(part)
    if have and have == file.size_bytes:
        return
    with open_remote(url, have) as remote:
        total = remote.total_bytes or file.size_bytes
        if file.size_bytes not in (None, total):
            raise _WrongFileError(f"has {total} bytes, expected {file.size_bytes}")
        done = remote.start
        _check_disk(part, (total or 0) - done)
        with _writing(part, "ab" if done else "wb") as write:
            while piece := remote.stream.read(PIECE_BYTES):
                write(piece)
                done += len(piece)
                if total is not None and done > total:
                    raise _WrongFileError(f"sends more than its {total} bytes")
                if listener is not None:
                    listener(file.name, done, total)
    if total is not None and done != total:
        raise ConnectionError(f"the connection ended at byte {done} of {total}")


@contextlib.contextmanager
def _writing(part: Path, mode: str) -> Iterator[Callable[[bytes], None]]:
    """Open a part; what the disk refuses is a StorageError, not a failure of the network."""

    def refused(error: OSError) -> StorageError:
        return StorageError(f"{part} cannot be written ({error})")

    with contextlib.ExitStack() as stack:
        try:
            out = stack.enter_context(open(part, mode))
        except OSError as error:
            raise refused(error) from error

        def write(piece: bytes) -> None:
            try:
                out.write(piece)
            except OSError as error:
                raise refused(error) from error

        yield write


def _check_disk(part: Path, more_bytes: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if more_bytes > free:
        raise StorageError(
            f"{part.parent}: {more_bytes} bytes are missing, the disk has {free} free; "
            "make room or name another --cache"
        )


def _checked(file: RemoteFile, path: Path) -> Download | None:
    """Return the file if its bytes are the published ones, or none are published."""
    kind, _, expected = (file.checksum or "sha256:").partition(":")
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", kind}}
    with open(path, "rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            for digest in digests.values():
                digest.update(piece)
    if expected and digests[kind].hexdigest() != expected:
        return None
    return Download(path, digests["sha256"].hexdigest(), bool(expected))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
