"""A Zarr store behind a URL, whose failures are one line each."""

from __future__ import annotations

from typing import Any

from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import FsspecStore, WrapperStore

from streamkm.remote import options_of, reaching


class RemoteStore(WrapperStore[Any]):
    """Says of what cannot be read why, and which key it was."""

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a key; None where there is none."""
        with reaching(f"{self._store.path}/{key}"):
            return await super().get(key, prototype, byte_range)


def open_store(url: str) -> RemoteStore:
    """Open a store, read-only.

    Raises
    ------
    MissingExtraError
        If the package that the URL needs is not installed.
    """
    with reaching(url):
        inner = FsspecStore.from_url(url, read_only=True, storage_options=options_of(url))
    return RemoteStore(inner)
