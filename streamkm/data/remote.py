"""Bytes of a URL from an offset on: HTTP with Range, FTP with REST, else from the beginning."""

from __future__ import annotations

import contextlib
import ftplib
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from streamkm.errors import SourceError

TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class RemoteBytes:
    """An open stream of a remote file.

    Parameters
    ----------
    stream
        Its bytes from `start` on.
    start
        The offset that was asked for, or 0 from a server that always begins anew.
    total_bytes
        Length of the whole file, or None where the server does not say.
    """

    stream: BinaryIO
    start: int
    total_bytes: int | None


@contextlib.contextmanager
def open_remote(url: str, offset: int) -> Iterator[RemoteBytes]:
    """Open a URL at an offset.

    Raises
    ------
    SourceError
        If the scheme is none of http, https and ftp.
    OSError
        If the server is not there, refuses, or has less than `offset` bytes.
    """
    scheme = urllib.parse.urlsplit(url).scheme
    if scheme in ("http", "https"):
        with _open_http(url, offset) as found:
            yield found
    elif scheme == "ftp":
        with _open_ftp(url, offset) as found:
            yield found
    else:
        raise SourceError(f"{url}: only http, https and ftp are downloaded from")


@contextlib.contextmanager
def _open_http(url: str, offset: int) -> Iterator[RemoteBytes]:
    # Some hosts refuse urllib's own name.
    headers = {"User-Agent": "streamkm", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was checked
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        stream = cast("BinaryIO", response)
        length = response.headers.get("Content-Length")
        if response.status == 206:
            said = response.headers.get("Content-Range", "")
            match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", said)
            if match is None or int(match[1]) != offset:
                raise OSError(f"asked for bytes from {offset}, got {said!r}")
            yield RemoteBytes(stream, offset, None if match[2] == "*" else int(match[2]))
        else:
            yield RemoteBytes(stream, 0, None if length is None else int(length))


@contextlib.contextmanager
def _open_ftp(url: str, offset: int) -> Iterator[RemoteBytes]:
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.unquote(parts.path)
    try:
        with ftplib.FTP(timeout=TIMEOUT_S) as ftp:  # noqa: S321 - what the corpus offers; checksums guard it
            ftp.connect(parts.hostname or "", parts.port or 21)
            ftp.login()
            ftp.voidcmd("TYPE I")
            total = ftp.size(path)
            connection, _ = ftp.ntransfercmd(f"RETR {path}", rest=offset or None)
            with connection, connection.makefile("rb") as stream:
                yield RemoteBytes(stream, offset, total)
    except (ftplib.Error, EOFError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
