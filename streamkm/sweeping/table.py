"""A sweep's table as a file: CSV, Parquet or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from streamkm.data.atomic import write_atomically
from streamkm.errors import MissingExtraError, SourceError, StorageError, StoreExistsError
from streamkm.typing import Json

ENDINGS = (".csv", ".parquet", ".json")


def check_table(path: str | Path, *, overwrite: bool) -> None:
    """Refuse, before hours of work, a name that no table can have.

    Raises
    ------
    SourceError
        If the ending is not known.
    StoreExistsError
        If the name is taken and `overwrite` is False.
    """
    if Path(path).suffix.lower() not in ENDINGS:
        raise SourceError(f"{path}: the ending must be one of {', '.join(ENDINGS)}")
    if Path(path).exists() and not overwrite:
        raise StoreExistsError(f"{path} exists; pass overwrite (--overwrite) to replace it")


def write_table(rows: Sequence[Json], path: str | Path, *, overwrite: bool) -> None:
    """Write rows that have the same names; the file appears when it is whole."""
    check_table(path, overwrite=overwrite)
    final = Path(path)
    content = _WRITERS[final.suffix.lower()](rows)
    try:
        write_atomically(final, content)
    except OSError as error:
        raise StorageError(f"{final} cannot be written ({error})") from error


def _csv(rows: Sequence[Json]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _json(rows: Sequence[Json]) -> bytes:
    return (json.dumps(list(rows), indent=1) + "\n").encode()


def _parquet(rows: Sequence[Json]) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError.of("Parquet", "pyarrow", "tables") from error
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), buffer)
    return buffer.getvalue()


_WRITERS = {".csv": _csv, ".json": _json, ".parquet": _parquet}
