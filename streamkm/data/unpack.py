"""One member of an archive, copied out under a name that is ours.

Nothing is ever extracted by the names that an archive holds: a member is asked for by its exact
name, must be a plain file, and goes where the caller says. So `..`, absolute names and links
have no way out.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from streamkm.errors import SourceError, StorageError

MAX_RATIO: Final = 1032  # zlib's documented maximum
# RuntimeError: versions, methods and passwords that zipfile does not know; its names are UTF-8.
DAMAGE: Final = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError,
    RuntimeError, UnicodeDecodeError, OverflowError,
)  # fmt: skip


def unpack(archive: Path, member: str, out: Path) -> None:
    """Copy one member of a .tar.gz or .zip to a file, which appears when it is whole.

    Parameters
    ----------
    archive
        The .tar.gz, .tgz or .zip.
    member
        Exact name of a plain file in it.
    out
        The new file; kept as it is where it exists with the member's size.

    Raises
    ------
    SourceError
        If the archive is damaged, or the member missing, no plain file, or larger than the
        archive can hold.
    StorageError
        If the disk is full or refuses to be written.
    """
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with _open_member(archive, member) as (stream, size):
            if size > archive.stat().st_size * MAX_RATIO:
                raise SourceError(f"{archive.name}: {member} promises {size} bytes, too many")
            if out.exists() and out.stat().st_size == size:
                return
            if size > shutil.disk_usage(out.parent).free:
                raise StorageError(f"{out.parent}: {member} takes {size} bytes, more than is free")
            with open(part, "wb") as target:
                shutil.copyfileobj(stream, target)
            if part.stat().st_size != size:
                raise SourceError(f"{archive.name}: truncated in {member}")
        os.replace(part, out)
    except DAMAGE as error:
        what = " ".join(str(error).split())[:160]  # it may quote names of any length
        raise SourceError(f"{archive.name}: damaged or truncated ({what})") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _open_member(archive: Path, member: str) -> Iterator[tuple[IO[bytes], int]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            if member not in packed.namelist():
                raise SourceError(f"{archive.name}: holds no {member}")
            info = packed.getinfo(member)
            if info.is_dir() or (info.external_attr >> 16) & 0o170000 not in (0, 0o100000):
                raise SourceError(f"{archive.name}: {member} is no plain file")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise SourceError(f"{archive.name}: damaged, or not deflated; zip it again")
            try:
                stream = packed.open(info)
            except OSError as error:  # where the file begins is said to be before the archive
                raise SourceError(f"{archive.name}: damaged or truncated ({error})") from error
            with stream:
                yield stream, info.file_size
        return
    with tarfile.open(archive, "r:gz") as tape:
        for entry in tape:
            if entry.name.removeprefix("./") == member:
                if not entry.isreg() or entry.issparse():
                    raise SourceError(f"{archive.name}: {member} is no plain file")
                opened = tape.extractfile(entry)
                assert opened is not None
                with opened:
                    yield opened, entry.size
                return
    raise SourceError(f"{archive.name}: holds no {member}")
