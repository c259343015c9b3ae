"""Compiled functions that do not count arrays: none may come to be or be handed out in them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest
from numba.core.dispatcher import Dispatcher

import streamkm.kernels
from streamkm.kernels.compiled import CAN_BORROW

ARRAYS = re.compile(r"[FIU](8|32|64)|NDArray|Rows|Scratch|Arrays|Lanes")


def all_compiled():
    for module in pkgutil.iter_modules(streamkm.kernels.__path__):
        found = importlib.import_module(f"streamkm.kernels.{module.name}")
        for name, value in vars(found).items():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == found.__name__:
                yield name, value


def returns_arrays(function):
    return ARRAYS.search(str(inspect.signature(function.py_func).return_annotation)) is not None


@pytest.mark.skipif(not CAN_BORROW, reason="this Numba counts all arrays")
def test_what_borrows_arrays_returns_none_and_calls_nothing_that_makes_them():
    """The caller would free what was never counted; nobody what was made and not handed on."""
    known = dict(all_compiled())
    makers = [name for name, function in known.items() if returns_arrays(function)]
    assert {"make_scratch", "bin_constants"} <= set(makers)
    borrowing = {n: f for n, f in known.items() if f.targetoptions.get("_nrt") is False}
    assert len(borrowing) > 50
    calls = re.compile(rf"\b({'|'.join(makers)})\(")
    for name, function in borrowing.items():
        assert not returns_arrays(function), name
        _, body = inspect.getsource(function.py_func).split("->", 1)
        assert not calls.search(body), name
