"""How a local Zarr array lies on disk, read from its metadata as the two formats define it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import zarr
from zarr.storage import LocalStore

from streamkm.direct.codecs import DECODERS, Chain
from streamkm.typing import Json

ORDERS: Final[dict[str, Literal["<", ">"]]] = {"little": "<", "big": ">"}
V2_FIELDS: Final = ("shape", "chunks", "dtype", "order", "compressor", "filters")


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """Where a shard says which bytes are which chunk.

    Parameters
    ----------
    is_first
        Whether it lies before the chunks; else behind them.
    is_checked
        Whether a checksum follows it.
    """

    is_first: bool
    is_checked: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """An array's files and what is in them.

    Parameters
    ----------
    folder
        The array's.
    prefix, separator
        A file's name is the prefix and its coordinates, separated.
    shape
        Of the array.
    file_shape, chunk_shape
        Values of one file, and of what is compressed together: the same
        without shards.
    stored_dtype
        With the byte order on disk.
    fill_value
        What a chunk that is not there holds.
    chain
        How a chunk's bytes are decoded.
    index
        The shards' index; None without shards.
    """

    folder: str
    prefix: str
    separator: str
    shape: tuple[int, ...]
    file_shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    stored_dtype: np.dtype[Any]
    fill_value: Any
    chain: Chain
    index: ShardIndex | None

    @property
    def chunks_of_file(self) -> tuple[int, ...]:
        """Chunks of a file along each dimension."""
        return tuple(f // c for f, c in zip(self.file_shape, self.chunk_shape, strict=True))

    def key(self, coordinates: tuple[int, ...]) -> str:
        """Return the name of a file, relative to the folder."""
        return self.prefix + self.separator.join(map(str, coordinates))


def layout_of(array: zarr.Array[Any], folder: Path | None = None) -> Layout | None:
    """Describe an array; None where Zarr itself must read it.

    Parameters
    ----------
    folder
        Where the array lies, for stores that are wrapped; found without it
        only for plain local stores.
    """
    if folder is None:
        if type(array.store) is not LocalStore:
            return None
        folder = Path(array.store.root, array.path)
    if array.ndim == 0 or array.dtype.kind not in "buif":
        return None
    parse = _from_v3 if array.metadata.zarr_format == 3 else _from_v2
    try:
        found = parse(array, folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # Zarr opened it: what is unusual here is its to read
    return found if found is not None and found.shape == array.shape else None


def _from_v3(array: zarr.Array[Any], folder: Path) -> Layout | None:
    node = json.loads((folder / "zarr.json").read_text())
    grid, keys, codecs = node["chunk_grid"], node["chunk_key_encoding"], node["codecs"]
    if grid["name"] != "regular" or node.get("storage_transformers"):
        return None
    inner = outer = tuple(grid["configuration"]["chunk_shape"])
    index = None
    if codecs[0]["name"] == "sharding_indexed":
        settings = codecs[0]["configuration"]
        index = _index_of(settings)
        if index is None or len(codecs) > 1:
            return None
        inner, codecs = tuple(settings["chunk_shape"]), settings["codecs"]
    chain = _chain_of([codec["name"] for codec in codecs[1:]])
    if codecs[0]["name"] != "bytes" or chain is None:
        return None
    is_default = keys["name"] == "default"
    separator = keys.get("configuration", {}).get("separator", "/" if is_default else ".")
    return Layout(
        folder=str(folder),
        prefix="c" + separator if is_default else "",
        separator=separator,
        shape=tuple(node["shape"]),
        file_shape=outer,
        chunk_shape=inner,
        stored_dtype=_in_order(np.dtype(array.dtype), codecs[0]),
        fill_value=array.fill_value,
        chain=chain,
        index=index,
    )


def _from_v2(array: zarr.Array[Any], folder: Path) -> Layout | None:
    node = json.loads((folder / ".zarray").read_text())
    shape, chunks, dtype, order, compressor, filters = (node[name] for name in V2_FIELDS)
    chain = _chain_of([compressor["id"]] if compressor else [])
    # Of one column both orders are the same.
    if chain is None or filters or (order != "C" and len(shape) > 1):
        return None
    return Layout(
        folder=str(folder),
        prefix="",
        separator=node.get("dimension_separator", "."),
        shape=tuple(shape),
        file_shape=tuple(chunks),
        chunk_shape=tuple(chunks),
        stored_dtype=np.dtype(dtype),
        fill_value=0 if node["fill_value"] is None else array.fill_value,
        chain=chain,
        index=None,
    )


def _chain_of(names: list[str]) -> Chain | None:
    """Return how to decode: at most one compression, and behind it at most one checksum."""
    is_checked = names[-1:] == ["crc32c"]
    rest = names[:-1] if is_checked else names
    if not rest:
        return Chain(None, is_checked)
    return Chain(rest[0], is_checked) if len(rest) == 1 and rest[0] in DECODERS else None


def _index_of(settings: Json) -> ShardIndex | None:
    codecs = settings["index_codecs"]
    chain = _chain_of([codec["name"] for codec in codecs[1:]])
    is_little = codecs[0]["name"] == "bytes" and codecs[0]["configuration"]["endian"] == "little"
    if chain is None or chain.compressor is not None or not is_little:
        return None
    return ShardIndex(settings.get("index_location", "end") == "start", chain.is_checked)


def _in_order(dtype: np.dtype[Any], codec: Json) -> np.dtype[Any]:
    if dtype.itemsize == 1:
        return dtype
    return dtype.newbyteorder(ORDERS[codec["configuration"]["endian"]])
