"""What a run says while it goes on: progress, history and dashboards listen to this."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.typing import Json


@dataclass(frozen=True, slots=True)
class PassStarted:
    """A pass over the rows begins.

    Parameters
    ----------
    stage
        What it does, in a word: convert, shuffle, survey, seed, assign, close, predict.
    title
        The same for people, with what is known of how far the whole is.
    n_rows
        Rows that it will go through.
    """

    stage: str
    title: str
    n_rows: int


@dataclass(frozen=True, slots=True)
class GroupDone:
    """A task has gone through its rows."""

    n_rows: int


@dataclass(frozen=True, slots=True)
class PassDone:
    """A pass has ended; `record` is its line of the history."""

    record: Json


Event = PassStarted | GroupDone | PassDone
