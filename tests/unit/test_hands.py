"""Hands: all tasks are run and merged, and what goes wrong in one comes out."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import pytest

from streamkm.runtime.hands import Hands


@dataclass(frozen=True)
class Part:
    numbers: tuple[int, ...]

    @classmethod
    def merge_all(cls, parts):
        return cls(tuple(sorted(n for part in parts for n in part.numbers)))


@dataclass(frozen=True)
class Unit:
    index: int
    n_rows: int


@pytest.mark.parametrize("n_groups", [1, 2, 3])
def test_hands_run_every_group_and_tell_of_it_where_they_were_called(n_groups):
    told = []

    def listen(event):
        told.append((event.n_rows, threading.get_ident()))

    groups = [Unit(i, 10 + i) for i in range(n_groups)]
    found = Hands(3).map_merge(
        lambda group, context: Part((group.index * context,)), groups, 7, listen
    )
    assert found.numbers == tuple(7 * i for i in range(n_groups))
    assert told == [(10 + i, threading.get_ident()) for i in range(n_groups)]


def test_hands_work_at_the_same_time():
    both = threading.Barrier(2, timeout=30)

    def meet(group, context):
        both.wait()
        return Part((group.index,))

    assert Hands(2).map_merge(meet, [Unit(0, 1), Unit(1, 1)], None, None).numbers == (0, 1)


@pytest.mark.parametrize("which", [0, 1])
def test_what_a_hand_raises_comes_out(which):
    def fail(group, context):
        if group.index == which:
            raise OSError("the disk is gone")
        return Part(())

    with pytest.raises(OSError, match="the disk is gone"):
        Hands(2).map_merge(fail, [Unit(0, 1), Unit(1, 1)], None, None)


def test_no_hand_goes_on_when_an_error_is_out():
    done = []

    def work(group, context):
        if group.index == 0:
            raise OSError("the disk is gone")
        time.sleep(0.05)
        done.append(group.index)
        return Part(())

    with pytest.raises(OSError, match="the disk is gone"):
        Hands(2).map_merge(work, [Unit(0, 1), Unit(1, 1)], None, None)
    assert done == [1]
