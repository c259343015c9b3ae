"""The attributes of a store: all that it says of itself, with a format version.

Stores hold no times, paths or host names, so that two conversions of one
source are equal byte for byte.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from streamkm.errors import IncompleteError, StoreError
from streamkm.typing import Json

FORMAT_VERSION: Final = 1
OPTIONAL: Final = ("class_names", "feature_names", "dropped_rows")  # lists that few stores have
MOST_DROPPED: Final = 1000  # row numbers that are kept
KEY: Final = "streamkm"
VECTORS: Final = ("mean", "m2", "minimum", "maximum")  # of the moments
NUMBERS: Final = ("count", "weight", "max_weight")
CORESET_KEY: Final = "streamkm_coreset"  # what a coreset says of itself besides


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """What a store holds and where it came from.

    Parameters
    ----------
    n_rows, n_features, dtype
        Of `X`.
    chunk_rows
        Rows of one chunk.
    codec
        How chunks are compressed, a name of `CODECS`.
    sample_shape
        Shape of a sample before it was flattened, empty for plain rows.
    source
        What the data was called.
    shuffle_seed
        Seed of the permutation of the rows, None where they keep their order.
    n_dropped
        Rows with NaN or infinity that were left out.
    target_dtype
        Dtype of the labels `y`, None where there are none.
    moments
        `Summary.to_json()` of the rows; empty until complete.
    fingerprint
        Digest of the checksums of all chunks; empty until complete.
    class_names
        What the labels 0, 1, ... were called; empty where they were numbers.
    feature_names
        What the features were called; empty where nobody said.
    dropped_rows
        Where the rows that were left out were in the source, counted from 0: the
        first 1000.
    """

    n_rows: int
    n_features: int
    dtype: str
    chunk_rows: int
    codec: str
    sample_shape: tuple[int, ...] = ()
    source: str = ""
    shuffle_seed: int | None = None
    n_dropped: int = 0
    target_dtype: str | None = None
    moments: Json | None = None
    fingerprint: str = ""
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    dropped_rows: tuple[int, ...] = ()

    @property
    def row_bytes(self) -> int:
        """Bytes of one decoded row."""
        return self.n_features * np.dtype(self.dtype).itemsize

    @property
    def is_complete(self) -> bool:
        """Whether the conversion was finished."""
        return bool(self.fingerprint)

    def finished(self, moments: Json, fingerprint: str) -> DatasetSpec:
        """Return the spec of the complete store."""
        return replace(self, moments=moments, fingerprint=fingerprint)

    def to_attributes(self) -> Json:
        """Return the group's attributes."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fields["sample_shape"] = list(self.sample_shape)
        for key in OPTIONAL:
            if items := list(fields.pop(key)):
                fields[key] = items
        return {KEY: {"format_version": FORMAT_VERSION, "kind": "dataset", **fields}}

    @classmethod
    def from_attributes(cls, attributes: Any, name: str) -> DatasetSpec:
        """Read the group's attributes.

        Raises
        ------
        StoreError
            If they are not a dataset's, or of a newer version.
        IncompleteError
            If the conversion was not finished.
        """
        values = check_version(attributes, name, "dataset", FORMAT_VERSION)
        try:
            lists = {key: tuple(values.get(key, ())) for key in OPTIONAL}
            values = {**values, "sample_shape": tuple(values["sample_shape"]), **lists}
            spec = cls(**{key: values[key] for key in cls.__dataclass_fields__})
            wrong = _wrong(spec)
        except (KeyError, TypeError, ValueError) as error:
            what = " ".join(str(error).split())[:120]  # it may quote a value of any length
            raise StoreError(f"{name}: damaged attributes ({what})") from error
        if wrong:
            shown = " ".join(str(getattr(spec, wrong)).split())[:60]
            raise StoreError(f"{name}: damaged attributes ({wrong} is {shown})")
        if not spec.is_complete:
            raise IncompleteError(f"{name}: its conversion was not finished; run it again")
        return spec


def _wrong(spec: DatasetSpec) -> str:
    """Return the name of a value that cannot be, or an empty text."""
    names, kept = spec.feature_names, spec.dropped_rows
    sizes = spec.sample_shape
    is_right = {
        "n_rows": _is_count(spec.n_rows, 1),
        "n_features": _is_count(spec.n_features, 1),
        "chunk_rows": _is_count(spec.chunk_rows, 1),
        "dtype": _is_dtype(spec.dtype),
        "codec": isinstance(spec.codec, str),
        "sample_shape": all(_is_count(size, 1) for size in sizes)
        and (not sizes or math.prod(sizes) == spec.n_features),
        "source": isinstance(spec.source, str),
        "shuffle_seed": spec.shuffle_seed is None or _is_count(spec.shuffle_seed, 0),
        "n_dropped": _is_count(spec.n_dropped, 0),
        "target_dtype": spec.target_dtype is None or _is_dtype(spec.target_dtype),
        "fingerprint": isinstance(spec.fingerprint, str),
        "class_names": all(isinstance(text, str) for text in spec.class_names),
        "feature_names": all(isinstance(text, str) for text in names)
        and len(names) in (0, spec.n_features),
        "dropped_rows": all(_is_count(row, 0) for row in kept),
    }
    is_right["moments"] = not spec.is_complete or _are_moments(spec.moments, spec.n_features)
    return next((name for name, is_good in is_right.items() if not is_good), "")


def _is_count(value: Any, least: int) -> bool:
    return type(value) is int and least <= value < 1 << 63


def _is_dtype(value: Any) -> bool:
    return isinstance(value, str) and np.dtype(value).kind in "buif"


def _are_moments(values: Any, n_features: int) -> bool:
    """Return whether values are `Summary.to_json()` of rows of `n_features`."""
    vectors = [np.asarray(values[name], np.float64) for name in VECTORS]
    numbers = np.asarray([values[name] for name in NUMBERS], np.float64)
    is_flat = all(vector.shape == (n_features,) for vector in vectors)
    return is_flat and numbers.shape == (len(NUMBERS),) and bool((numbers >= 0).all())


def check_version(attributes: Any, name: str, kind: str, newest: int) -> Json:
    """Return the part of the attributes that is ours.

    Raises
    ------
    StoreError
        If there is none, or it is of a newer format.
    """
    values = attributes.get(KEY) if hasattr(attributes, "get") else None
    if not isinstance(values, dict) or values.get("kind") != kind:
        raise StoreError(f"{name}: not a streamkm {kind}")
    version = values.get("format_version")
    if not isinstance(version, int) or version > newest:
        raise StoreError(
            f"{name}: written in format {str(version)[:20]}, this streamkm reads up to {newest}; "
            "upgrade streamkm"
        )
    return values
