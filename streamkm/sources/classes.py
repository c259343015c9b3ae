"""Labels that are text: a class for each text, numbered in their order."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from streamkm.errors import SourceError
from streamkm.sources.tables import TableSource

MAX_CLASSES: Final = 1 << 16


def classified(source: TableSource) -> TableSource:
    """Return a table whose text labels are numbers; one pass finds the classes.

    Raises
    ------
    SourceError
        If labels are missing, or all different: they are no classes then.
    """
    if not any(field.classes is not None for field in source.fields):
        return source
    fields = source.fields
    if len(fields) != 1:
        raise SourceError(f"{source.name}: labels are one column; name it behind a colon")
    found: set[str | None] = set()
    for part in source.parts:
        for unit in range(len(part.edges) - 1):
            column = part.load(unit, source.columns).column(0)
            found.update(column.unique().to_pylist())
            if None in found or "" in found:
                raise SourceError(f"{part.name}: rows have no label in column {source.columns[0]}")
            if len(found) > MAX_CLASSES:
                raise SourceError(
                    f"{part.name}: column {source.columns[0]} holds more than {MAX_CLASSES} "
                    "different texts, which are no classes"
                )
    classes = tuple(sorted(map(str, found)))
    return source.with_fields((replace(fields[0], classes=classes),))
