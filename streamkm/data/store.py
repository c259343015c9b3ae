"""Zarr groups: opening them metered and read-only, and writing whole chunks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import zarr
from zarr.abc.store import ByteRequest
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, WrapperStore

from streamkm.errors import IncompleteError, StoreError, StoreExistsError, StreamKMError
from streamkm.metering import count, fetching
from streamkm.remote import fetch, is_url
from streamkm.remote.zarr_store import open_store

Array = zarr.Array[Any]

# Blosc's own threads would make the bytes of a chunk depend on timing; Zarr calls it from
# worker threads, where it uses none.
CODECS: Final[dict[str, dict[str, Any]]] = {
    "none": {},
    "lz4": {"cname": "lz4", "clevel": 1, "shuffle": "shuffle"},
    "zstd": {"cname": "zstd", "clevel": 1, "shuffle": "bitshuffle"},
}
# Measured (docs/performance.md): zstd saves an eighth of photographs, nothing of digits or
# embeddings, and is read at a sixth to two thirds of the speed.
DEFAULT_CODEC: Final = "lz4"


class MeteredStore(WrapperStore[Any]):
    """Counts the stored bytes that each task reads."""

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a key and count its bytes."""
        with fetching():
            value = await super().get(key, prototype, byte_range)
        if value is not None:
            count(bytes_read=len(value))
        elif "c" in key.split("/"):
            # Every chunk was written: one that is missing is damage, not a stretch of zeros.
            raise StoreError(f"chunk {key} is missing")
        return value


def open_group(path: str) -> zarr.Group:
    """Open a group of format 3 read-only, metered, by path or URL.

    Raises
    ------
    StoreError
        If there is no Zarr group.
    UnreachableError
        If it is behind a URL that does not answer.
    """
    if is_url(path):
        if fetch(f"{path.rstrip('/')}/zarr.json") is None:  # tells what is out of reach, once
            raise StoreError(f"{path}: no such file or store")
        inner: Any = open_store(path)
    else:
        refuse_unfinished(path)
        if not Path(path).exists():
            raise StoreError(f"{path}: no such file or store")
        inner = LocalStore(path, read_only=True)
    try:
        return zarr.open_group(MeteredStore(inner), mode="r", zarr_format=3)
    except StreamKMError:
        raise
    except Exception as error:  # Zarr raises whatever damaged metadata lead it to
        raise StoreError(f"{path}: not a Zarr group") from error


def refuse_unfinished(path: str) -> None:
    """Refuse a store whose conversion goes on or was killed: its gaps would read as zeros.

    Raises
    ------
    IncompleteError
        If the path is one, or the name that it will have.
    """
    name = path.rstrip("/")
    plan = f"{name}.json" if name.endswith(".partial") else f"{name}.partial.json"
    is_there = not name.endswith(".partial") and Path(name).exists()  # a store that grows is whole
    if not is_there and Path(plan).is_file():
        raise IncompleteError(
            f"{path}: its conversion is not finished; wait for it, or run it again"
        )


def array_of(group: zarr.Group, name: str, path: str) -> Array:
    """Return an array of a group; its chunks are no larger than itself, as they were written.

    Raises
    ------
    StoreError
        If it is missing or damaged.
    """
    try:
        array = group[name]
    except KeyError as error:
        raise StoreError(f"{path}: damaged, array {name!r} is missing") from error
    except StreamKMError:
        raise
    except Exception as error:  # Zarr raises whatever damaged metadata lead it to
        what = " ".join(str(error).split())[:120] or type(error).__name__
        raise StoreError(f"{path}: damaged, array {name!r} ({what})") from error
    if not isinstance(array, zarr.Array):
        raise StoreError(f"{path}: damaged, {name!r} is not an array")
    unit = array.shards or array.chunks
    if not all(0 < step <= max(size, 1) for step, size in zip(unit, array.shape, strict=True)):
        raise StoreError(f"{path}: damaged, chunks of {name!r} are {unit}, it is {array.shape}")
    return array


def writable_array(path: str | Path, name: str) -> Array:
    """Open an array for writing whole chunks; all-zero chunks are written too.

    Without that a chunk that exists would not mean a chunk that is done.
    """
    array = zarr.open_group(LocalStore(path), mode="r+")[name]
    assert isinstance(array, zarr.Array)
    return array.with_config({"write_empty_chunks": True})


def create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunk_rows: int,
    codec: str,
    fill_value: Any = 0,
) -> Array:
    """Create an array that is chunked along its rows only, with a checksum on each chunk."""
    settings = CODECS[codec]
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(min(chunk_rows, shape[0]), *shape[1:]),
        compressors=[*([BloscCodec(**settings)] if settings else []), Crc32cCodec()],
        fill_value=fill_value,
        config={"write_empty_chunks": True},
    )


def chunk_file(array: Array, index: int) -> Path:
    """Return where chunk `index` along the rows of a local array lies."""
    root = Path(str(array.store).removeprefix("file://"), array.path)
    return Path(root, "c", str(index), *("0",) * (array.ndim - 1))


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files of writes that were killed."""
    for leftover in path.rglob("*.partial"):
        leftover.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Delete a store; renamed first, so that a killed delete leaves nothing under its name."""
    if not path.exists() and not path.is_symlink():
        return
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    doomed = path.with_name(path.name + ".deleting")
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def check_replaceable(path: Path, kind: str) -> None:
    """Refuse to replace anything but a thing of the same kind.

    Parameters
    ----------
    kind
        "dataset" or "model" for what is ours, "array" for a plain Zarr array,
        "file" for a file.

    Raises
    ------
    StoreExistsError
        If something else has the name: other people's folders, the input.
    """
    if not path.exists() or (path.is_file() and kind == "file"):
        return
    try:
        node = json.loads((path / "zarr.json").read_text())
        ours = node.get("attributes", {}).get("streamkm", {})
        found = ours.get("kind") or node.get("node_type")
    except (OSError, ValueError, AttributeError):
        found = "other"
    if found != kind:
        raise StoreExistsError(
            f"{path} is not of the kind {kind!r}, so it is not replaced; choose another name"
        )


def stored_bytes(path: str | Path, names: Sequence[str]) -> int:
    """Return the bytes that the chunks of some arrays take on disk."""
    return sum(
        file.stat().st_size
        for name in names
        for file in Path(path, name).rglob("*")
        if file.is_file()
    )
