"""What features are called: rows under other names, or in another order, are refused."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamkm.data.dataset import Dataset
from streamkm.errors import SourceError
from streamkm.sources.fields import listed
from streamkm.sources.locators import split_member, write_columns
from streamkm.sources.tables import TableSource
from streamkm.typing import RowSource


def keep_names(model: Any, rows: RowSource) -> None:
    """Set scikit-learn's `feature_names_in_` where the rows of a fit have names."""
    names = rows.info.feature_names
    if names:
        model.feature_names_in_ = np.array(names, object)
    elif hasattr(model, "feature_names_in_"):
        del model.feature_names_in_  # of other rows


def refuse_other_rows(model: Any, rows: RowSource) -> None:
    """Refuse rows whose features are not those of a fitted model; rows without names pass.

    Raises
    ------
    SourceError
        If names, their order, or the number of features differ.
    """
    wanted, names = known_names(model), rows.info.feature_names
    if wanted and names and names != wanted:
        raise SourceError(
            f"{rows.info.name} has the columns {listed(names)}; the model was fitted to "
            f"{listed(wanted)}, in this order{_way(rows, names, wanted)}"
        )
    if rows.shape[1] != model.n_features_in_:
        raise SourceError(
            f"X has {rows.shape[1]} features, but {type(model).__name__} is expecting "
            f"{model.n_features_in_} features as input"
        )


def refuse_other_names(what: str, ours: Sequence[str], theirs: Sequence[str]) -> None:
    """Refuse what has features of other names, or in another order, where both are known.

    Raises
    ------
    SourceError
        If so.
    """
    if ours and theirs and tuple(ours) != tuple(theirs):
        raise SourceError(
            f"{what} has the columns {listed(theirs)}, these rows have {listed(ours)}; names and "
            "order must be the same"
        )


def known_names(model: Any) -> tuple[str, ...]:
    """Return what the features of a model's rows were called, as far as it is known."""
    return tuple(getattr(model, "feature_names_in_", ()))


def _way(rows: RowSource, names: Sequence[str], wanted: Sequence[str]) -> str:
    """Say how to get the model's columns of rows that may have them."""
    columns = write_columns(wanted)
    if isinstance(rows, TableSource):
        path = split_member(rows.name)[0]
        return f": name them behind the file, as in {shlex.quote(f'{path}:{columns}')}"
    if not set(wanted) <= set(names):
        return ""
    if isinstance(rows, Dataset):
        return f": convert their table again with --columns {shlex.quote(columns)}"
    return ": select them in its order"
