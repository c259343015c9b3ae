"""Data behind a URL, through fsspec: which package it takes, timeouts, and errors in one line.

What a store needs besides its URL (an endpoint, keys, anonymous access) is said
where fsspec and the cloud's own tools read it, so that workers find it too:
`AWS_ENDPOINT_URL`, `AWS_PROFILE`, `FSSPEC_S3_ANON=true`, `~/.config/fsspec`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from streamkm.errors import MissingExtraError, SourceError, StreamKMError, UnreachableError

CONNECT_S: Final = 10
READ_S: Final = 60
NOT_FOUND: Final = 404
STAMPS: Final = ("ETag", "etag", "LastModified", "mtime", "updated", "size")
MISSING: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


def is_url(path: str) -> bool:
    """Return whether a path is a URL, such as s3://bucket/data.zarr."""
    return "://" in path


def options_of(url: str) -> dict[str, Any]:
    """Return what fsspec is told beside the URL: timeouts, under what the user's settings say."""
    from fsspec.config import conf

    protocol = url.partition("://")[0]
    defaults: dict[str, Any] = {}
    if protocol in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S)
        defaults = {"client_kwargs": {"timeout": timeout}}
    elif protocol in ("s3", "s3a"):
        times = {"connect_timeout": CONNECT_S, "read_timeout": READ_S}
        defaults = {"config_kwargs": {**times, "retries": {"max_attempts": 2}}}
    return {**defaults, **conf.get(protocol, {})}


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn what goes wrong on the way to a URL into one line.

    Raises
    ------
    MissingExtraError
        If the protocol's package is not installed.
    SourceError
        If the protocol is unknown.
    UnreachableError
        If the server cannot be reached, or refuses.
    """
    try:
        yield
    except StreamKMError:
        raise
    except MISSING as error:
        cause = error.__cause__  # HTTP calls whatever goes wrong a missing file
        if cause is None or isinstance(cause, MISSING) or getattr(cause, "status", 0) == NOT_FOUND:
            raise
        raise UnreachableError(f"{url}: cannot be read ({_said(cause)})") from error
    except ImportError as error:
        raise MissingExtraError(
            f"{url}: {str(error).splitlines()[0]}; install what URLs need with: "
            'pip install "streamkm[remote]"'
        ) from error
    except ValueError as error:
        if "rotocol not known" in str(error):
            raise SourceError(
                f"{url}: no such protocol; s3://, gs:// and https:// are known"
            ) from error
        if "range requests" in str(error):
            raise UnreachableError(
                f"{url}: its server only gives whole files (no range requests); download it first"
            ) from error
        raise
    except Exception as error:
        raise UnreachableError(f"{url}: cannot be read ({_said(error)})") from error


def _said(error: BaseException) -> str:
    what = " ".join(str(error).split())[:200] or type(error).__name__
    if "credentials" in what.lower():
        what += "; public data is read with FSSPEC_S3_ANON=true"
    return what


def filesystem(url: str) -> Any:
    """Return the fsspec file system of a URL."""
    import fsspec

    with reaching(url):
        return fsspec.filesystem(url.partition("://")[0], **options_of(url))


def fetch(url: str) -> bytes | None:
    """Return the content of a small file, None where there is none."""
    with reaching(url):
        try:
            return bytes(filesystem(url).cat_file(url))
        except MISSING:
            return None


def stamp_of(url: str) -> str:
    """Return what tells the content of a URL from an earlier one, as far as its server says."""
    with reaching(url):
        try:
            info = filesystem(url).info(url)
        except MISSING:
            info = {}
    said = {key: str(info[key]) for key in STAMPS if info.get(key)}
    found = fetch(f"{url.rstrip('/')}/zarr.json") if not said else None
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode() + (found or b"")).hexdigest()


def open_file(url: str) -> Any:
    """Open a file for reading anywhere in it; nothing is read ahead."""
    with reaching(url):
        return filesystem(url).open(url, "rb", cache_type="none")


def glob_url(url: str, endings: Sequence[str]) -> list[str]:
    """Return the URLs of files by name: those of a glob or of a folder, or the file itself."""
    if url.endswith(tuple(endings)) and not set(url) & set("*?["):
        return [url]
    pattern = url if set(url) & set("*?[") else url.rstrip("/") + "/*"
    with reaching(url):
        files = filesystem(url)
        return [
            files.unstrip_protocol(name)
            for name in sorted(files.glob(pattern))
            if name.endswith(tuple(endings))
        ]
