"""`fetch`: from the name of a public dataset to a store."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from streamkm.conversion.convert import convert
from streamkm.data.catalog import find_dataset
from streamkm.data.dataset import Dataset
from streamkm.data.download import Download, Listener, download
from streamkm.data.named import Split
from streamkm.data.store import check_replaceable
from streamkm.data.unpack import unpack
from streamkm.errors import StoreExistsError
from streamkm.runtime.base import Executor


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a download left in the cache.

    Parameters
    ----------
    folder
        Where the files are.
    source
        What `convert` and `open_source` take.
    files
        The files, with their sha256.
    unpacked
        What was taken out of the first of them.
    """

    folder: Path
    source: str
    files: tuple[Download, ...]
    unpacked: tuple[Path, ...]

    def remove(self) -> None:
        """Remove the files, and their folder where nothing else is in it."""
        for path in (*self.unpacked, *(file.path for file in self.files)):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def cache_folder() -> Path:
    """Return where downloads are kept: STREAMKM_CACHE, or the platform's place for caches."""
    named = os.environ.get("STREAMKM_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~")).expanduser() / "streamkm" / "Cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/streamkm").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "streamkm"


def fetch_files(
    name: str,
    split: str | None = None,
    cache: str | Path | None = None,
    listener: Listener | None = None,
) -> Fetched:
    """Download the files of a public dataset, those that are missing.

    Parameters
    ----------
    name
        A name of the catalog; see `streamkm datasets`.
    split
        Which part, such as "train" or "test"; None for the first.
    cache
        Where downloads are kept; None for `cache_folder()`.
    listener
        Told (file name, bytes so far, bytes of the whole) as they come.

    Returns
    -------
    fetched
        What to open, and the checksums of what came.

    Raises
    ------
    SourceError
        If the name is unknown, or no mirror gives a file with its checksum.
    StorageError
        If the disk is full or refuses to be written.
    """
    dataset = find_dataset(name)
    part: Split = dataset.split(split)
    folder = Path(cache or cache_folder()) / dataset.name
    files = tuple(download(file, folder, listener) for file in part.files)
    unpacked = tuple(folder / Path(member).name for member in part.members)
    for member, out in zip(part.members, unpacked, strict=True):
        unpack(files[0].path, member, out)
    return Fetched(folder, part.opens.format(folder=folder), files, unpacked)


def fetch(
    name: str,
    store: str | Path,
    *,
    split: str | None = None,
    shuffle: bool = False,
    overwrite: bool = False,
    cache: str | Path | None = None,
    keep: bool = True,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
) -> Dataset:
    """Download a public dataset and convert it to a store.

    Parameters
    ----------
    name
        A name of the catalog; `streamkm datasets` shows them.
    store
        Folder of the new store.
    split
        Which part, such as "train" or "test"; None for the first.
    shuffle
        Put the rows into a random order, as `convert` does.
    overwrite
        Replace an existing store, once the new one is whole.
    cache
        Folder where downloads are kept; None for STREAMKM_CACHE, or the
        platform's place for caches.
    keep
        Keep the downloads, so that the next fetch needs no network.
    executor, memory_limit
        As for `convert`.

    Returns
    -------
    dataset
        The store, open for reading.

    Raises
    ------
    SourceError
        If the name is unknown, or no mirror gives a file with its checksum.
    StoreExistsError
        If the store exists and `overwrite` was not asked; nothing is downloaded.
    StorageError
        If the disk is full or refuses to be written.

    Notes
    -----
    A download that broke off goes on where it stopped, in this call or a later
    one, where the server can do that. What has not the published checksum is
    thrown away, and the next mirror is tried.

    Examples
    --------
    >>> import streamkm
    >>> store = streamkm.fetch("mnist", "mnist.zarr")  # doctest: +SKIP
    >>> store.shape  # doctest: +SKIP
    (60000, 784)
    """
    find_dataset(name).split(split)
    refuse_taken(Path(store), overwrite)
    found = fetch_files(name, split, cache)
    made = convert(
        found.source,
        store,
        shuffle=shuffle,
        overwrite=overwrite,
        executor=executor,
        memory_limit=memory_limit,
    )
    if not keep:
        found.remove()
    return made


def refuse_taken(store: Path, overwrite: bool) -> None:
    """Refuse a name that is taken before anything is downloaded."""
    if store.exists() and not overwrite:
        raise StoreExistsError(f"{store} exists; pass overwrite (--overwrite) to replace it")
    check_replaceable(store, "dataset")
