"""What a Parquet file says of some of its columns before any row is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from streamkm.errors import SourceError, StreamKMError
from streamkm.remote import is_url, open_file, reaching
from streamkm.sources.fields import Field, fields_of, pyarrow
from streamkm.sources.parquet_thrift import ChunkFacts, read_chunk_facts
from streamkm.sources.values import length_of_lists, n_missing

MOST_STRING_BYTES: Final = 100_000_000  # Arrow's own
MOST_ITEMS: Final = 1_000_000  # likewise
STATE_BYTES: Final = 5 << 19  # of a column: its dictionary, a page, and a page decoded


@dataclass(frozen=True, slots=True)
class Footer:
    """What reading some columns needs to know.

    Parameters
    ----------
    names
        All columns of the file.
    fields
        The columns that are wanted.
    group_rows
        Rows of every row group.
    stored_bytes
        Of these columns, compressed; the most that a row group holds.
    total_bytes
        Of these columns, compressed, in all row groups.
    state_bytes
        What it takes to read these columns forwards, at most.
    """

    names: tuple[str, ...]
    fields: tuple[Field, ...]
    group_rows: tuple[int, ...]
    stored_bytes: int
    total_bytes: int
    state_bytes: int


def open_parquet(path: str, buffer_bytes: int = 0, *, is_prefetched: bool = False) -> Any:
    """Open a file, on disk or behind a URL."""
    pyarrow("Parquet")
    from pyarrow.parquet import ParquetFile

    if is_url(path):
        return ParquetFile(open_file(path), buffer_size=buffer_bytes, pre_buffer=is_prefetched)
    size = max(Path(path).stat().st_size, 1)  # a footer has no list and no text that is longer
    return ParquetFile(
        path, buffer_size=buffer_bytes, pre_buffer=is_prefetched,
        thrift_string_size_limit=min(size, MOST_STRING_BYTES),
        thrift_container_size_limit=min(size, MOST_ITEMS),
    )  # fmt: skip


@contextmanager
def damage(path: str) -> Iterator[None]:
    """Say which file cannot be read, and why.

    Raises
    ------
    SourceError
        If it is damaged.
    UnreachableError
        If it is behind a URL that does not answer.
    """
    errors = (pyarrow("Parquet").ArrowException, OSError, ValueError)
    try:
        with reaching(path) if is_url(path) else nullcontext():
            yield
    except (StreamKMError, FileNotFoundError):
        raise
    except errors as error:
        what = " ".join(str(error).split())[:160]
        raise SourceError(
            f"{Path(path).name}: damaged, truncated or no Parquet ({what})"
        ) from error


def read_footer(path: str, wanted: Sequence[str], *, is_label: bool = False) -> Footer:
    """Read what a file says of the columns that are wanted.

    Raises
    ------
    SourceError
        If the file is damaged, or columns are missing or not numbers.
    """
    with damage(path):
        file = open_parquet(path)
        schema, meta, name = file.schema_arrow, file.metadata, Path(path).name
        fields = fields_of(schema, wanted, name, is_label=is_label)
        leaves = _leaves(schema)
        chosen = [leaves[schema.get_field_index(field.name)] for field in fields]
        with open_file(path) if is_url(path) else Path(path).open("rb") as content:
            groups = read_chunk_facts(content, chosen)
        fields = tuple(
            _complete(file, field, leaf, [group[i] for group in groups], name)
            for i, (field, leaf) in enumerate(zip(fields, chosen, strict=True))
        )
        rows = tuple(meta.row_group(g).num_rows for g in range(meta.num_row_groups))
        if min(rows, default=0) < 0:
            raise SourceError(f"{name}: damaged, a row group has {min(rows)} rows")
    stored = [sum(chunk.stored_bytes for chunk in group) for group in groups]
    states = [sum(min(chunk.decoded_bytes, STATE_BYTES) for chunk in group) for group in groups]
    return Footer(
        tuple(schema.names), fields, rows, max(stored, default=0), sum(stored),
        max(states, default=0),
    )  # fmt: skip


def _leaves(schema: Any) -> list[int]:
    """Return the number of the first stored column of every field."""
    first, found = 0, []
    for field in schema:
        found.append(first)
        first += _n_leaves(field.type)
    return found


def _n_leaves(kind: Any) -> int:
    if kind.num_fields == 0:
        return 1
    return sum(_n_leaves(kind.field(i).type) for i in range(kind.num_fields))


def _complete(file: Any, field: Field, leaf: int, chunks: Sequence[ChunkFacts], name: str) -> Field:
    """Return a field with the width of its lists, as a float where values are missing."""
    if field.width == 0:
        field = replace(field, width=_list_width(file, field.name, name))
    if field.classes is not None:
        return field
    has_nulls = field.stored.kind != "f" and _has_nulls(file, field.name, leaf, chunks)
    return replace(field, has_nulls=has_nulls)


def _list_width(file: Any, column: str, name: str) -> int:
    for batch in file.iter_batches(1024, columns=[column], use_threads=False):
        lengths = length_of_lists(batch.column(0))
        if len(lengths) == 1 and lengths != {0}:
            return lengths.pop()
        if lengths:
            break
    raise SourceError(
        f"{name}: the lists of column {column} are not of one length; each row needs as many "
        "features"
    )


def _has_nulls(file: Any, column: str, leaf: int, chunks: Sequence[ChunkFacts]) -> bool:
    """Return whether values are missing: by the footer, or where it does not say by reading."""
    if file.schema.column(leaf).max_definition_level == 0:
        return False
    found = [chunk.n_nulls for chunk in chunks]
    if None not in found:
        return any(found)
    batches = file.iter_batches(1 << 16, columns=[column], use_threads=False)
    return any(n_missing(batch.column(0)) for batch in batches)
