"""Which columns of a table become features, and of which type.

Rule of the types: columns of one type keep it, mixed ones get the smallest type
that NumPy finds for all (`np.result_type`): int64 and float32 become float64. A
missing value is a NaN, so that whole numbers with some become floats: float32
up to 16 bits, float64 beyond.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamkm.errors import MissingExtraError, SourceError
from streamkm.sources.locators import write_columns

INDEX: Final = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name
SHOWN: Final = 12
LONG: Final = 80  # characters of a name that are shown
MOST_NAMES: Final = 1 << 20  # features above which they have no names: a schema may promise any


def pyarrow(what: str) -> Any:
    """Return the module pyarrow.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import pyarrow as module
    except ImportError as error:
        raise MissingExtraError.of(what, "pyarrow", "tables") from error
    return module


@dataclass(frozen=True, slots=True)
class Field:
    """A column that becomes one feature, or several where it holds lists of one length.

    Parameters
    ----------
    name
        In the file.
    stored
        Type of its values, in NumPy.
    width
        How many features it becomes.
    has_nulls
        Whether values are missing.
    classes
        Of labels that are text, each of which becomes its number here; empty
        while they are not known, None for numbers.
    """

    name: str
    stored: np.dtype[Any]
    width: int = 1
    has_nulls: bool = False
    classes: tuple[str, ...] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the feature: a float where values are missing."""
        if self.has_nulls and self.stored.kind != "f":
            return np.result_type(self.stored, np.float32)
        return self.stored


def width_of(fields: Iterable[Field]) -> int:
    """Return the number of features."""
    return sum(field.width for field in fields)


def feature_names(fields: Sequence[Field]) -> tuple[str, ...]:
    """Return a name for each feature, "name[i]" inside of lists; none where they are not known.

    Files that do not name their columns count them: such names say nothing of the values.
    """
    if all(field.name.isdigit() for field in fields) or any(field.width == 0 for field in fields):
        return ()
    if width_of(fields) > MOST_NAMES:
        return ()
    return tuple(
        field.name if field.width == 1 else f"{field.name}[{i}]"
        for field in fields
        for i in range(field.width)
    )


def common_dtype(fields: Sequence[Field]) -> np.dtype[Any]:
    """Return the dtype of rows that hold all fields."""
    return np.result_type(*(field.dtype for field in fields))


def choose(names: Sequence[str], wanted: Sequence[str], name: str) -> list[str]:
    """Return the columns that are wanted: by default, or with some "-name", all others.

    What pandas calls an index without a name is no column.

    Raises
    ------
    SourceError
        If one is not there, or stands for several.
    """
    if wanted and all(column[:1] == "-" and column not in names for column in wanted):
        left_out = choose(names, [column[1:] for column in wanted], name)
        wanted = [column for column in without_index(names) if column not in left_out]
    chosen = list(wanted) or without_index(names)
    if not chosen:
        raise SourceError(f"{name}: holds no columns")
    missing = [column for column in chosen if column not in names]
    if missing:
        raise SourceError(f"{name}: no column {listed(missing)}; it holds {listed(names)}")
    twice = [column for column in dict.fromkeys(chosen) if names.count(column) > 1]
    if twice or len(set(chosen)) < len(chosen):
        again = twice or [column for column in dict.fromkeys(chosen) if chosen.count(column) > 1]
        raise SourceError(f"{name}: {listed(again)} is there more than once")
    return chosen


def without_index(names: Sequence[str]) -> list[str]:
    """Return the names that are not of a pandas index."""
    return [column for column in names if not INDEX.fullmatch(column)]


def listed(names: Sequence[str]) -> str:
    """Write names for people, the first dozen, the start of long ones, in one line."""
    words = [
        str(name) if len(str(name)) <= LONG else f"{str(name)[:LONG]}..." for name in names[:SHOWN]
    ]
    shown = " ".join(", ".join(words).splitlines())
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def refuse_text(name: str, refused: Sequence[str], good: Sequence[str], option: str = "") -> None:
    """Raise where columns are not numbers; say which, and how to name the others.

    A file's stand behind its name, which every command takes, unless there is an `option`.

    Raises
    ------
    SourceError
        If `refused` is not empty.
    """
    if not refused:
        return
    columns = write_columns(good[:SHOWN])
    shown = option + shlex.quote(columns) if option else shlex.quote(f"{name}:{columns}")
    place = "" if option else " behind a colon"
    more = "..." if len(good) > SHOWN else ""
    way = (
        f"name the columns to use{place}: {shown}{more}"
        if good
        else "there is no column of numbers"
    )
    if not option:
        label = shlex.quote(f"{name}:COLUMN")
        way = f"a column of labels is named by --target {label}; {way}"
    raise SourceError(f"{name}: columns that are not numbers: {listed(refused)}; {way}")


def fields_of(
    schema: Any,
    wanted: Sequence[str],
    name: str,
    option: str = "",
    *,
    is_label: bool = False,
) -> tuple[Field, ...]:
    """Return the fields of an Arrow schema; lists of any length have width 0, to be measured.

    Text is admitted as labels only.

    Raises
    ------
    SourceError
        If columns are missing or not numbers; names them.
    """
    fields: list[Field] = []
    refused = []
    for column in choose(schema.names, wanted, name):
        kind = schema.field(column).type
        field = _text_field(column, kind) if is_label else None
        field = field or _field(column, kind)
        if field is None:
            refused.append(f"{column} ({kind})")
        else:
            fields.append(field)
    refuse_text(name, refused, [field.name for field in fields], option)
    return tuple(fields)


def text_field(name: str) -> Field:
    """Return the field of a column of labels that are text."""
    return Field(name, np.dtype(np.int32), classes=())


def _text_field(name: str, kind: Any) -> Field | None:
    types = pyarrow("a table").types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return text_field(name) if is_text else None


def _field(name: str, kind: Any) -> Field | None:
    types = pyarrow("a table").types
    if types.is_fixed_size_list(kind):
        inner = _field(name, kind.value_type)
        is_row = inner and inner.width == 1 and kind.list_size > 0  # damage makes it negative
        return Field(name, inner.stored, kind.list_size) if inner and is_row else None
    if types.is_list(kind) or types.is_large_list(kind):
        inner = _field(name, kind.value_type)
        return Field(name, inner.stored, 0) if inner and inner.width == 1 else None
    if types.is_decimal(kind):
        return Field(name, np.dtype(np.float64))
    if types.is_boolean(kind):
        return Field(name, np.dtype(np.bool_))
    if types.is_integer(kind) or types.is_floating(kind):
        return Field(name, np.dtype(kind.to_pandas_dtype()))
    return None
