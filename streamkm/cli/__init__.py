"""The command line. The only part that prints, and that turns an error into a line."""

from __future__ import annotations

import io
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import streamkm
from streamkm.cli.interrupt import INTERRUPTED, TERMINATED, Terminated, advice, going_on, terminable
from streamkm.errors import ClusterError, StorageError, StreamKMError

FAILED = 1
USAGE = 2

MISSING = r'Command ".*" parameter --(\S+) requires an argument\.'
PARAMETER = r"The '(\w+)' parameter of \w+ must be (.*)\. Got (.*) instead\."  # of all estimators


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments
        Words behind `streamkm`; those of this process by default.

    Returns
    -------
    status
        0; 1 for an error, in one line on stderr; 2 for wrong usage; 130 when
        interrupted, 143 when terminated.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        print(f"streamkm {streamkm.__version__}")
        return 0
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # names that the terminal cannot write
    from cyclopts import CycloptsError

    from streamkm.cli.app import make_app

    warnings.showwarning = _show_warning
    for name in ("asyncio", "fsspec", "gcsfs", "s3fs"):  # their log would be more than a line
        logging.getLogger(name).addHandler(logging.NullHandler())
    logging.getLogger("distributed.client").addFilter(_is_told)
    try:
        with terminable():
            make_app(words)(
                words, exit_on_error=False, print_error=False, result_action="return_value"
            )
    except CycloptsError as error:
        chain = " ".join(["streamkm", *(error.command_chain or ())])
        text = usage_words(" ".join(str(error).split()), words)
        print(f"streamkm: {text} (see {chain} --help)", file=sys.stderr)
        return USAGE
    except StreamKMError as error:
        return _fail(error, words)
    except KeyboardInterrupt as stopped:
        is_told = isinstance(stopped, Terminated)
        what = "terminated" if is_told else "interrupted"
        print(f"streamkm: {what}; {advice(words)}", file=sys.stderr, flush=True)
        return TERMINATED if is_told else INTERRUPTED
    except BrokenPipeError:
        return FAILED
    except Exception as error:  # noqa: BLE001 - a person gets one line, -v the rest
        return _fail(error, words)
    return 0


def _fail(error: Exception, words: Sequence[str]) -> int:
    if "-v" in words or "--verbose" in words:
        traceback.print_exc()
    is_ours = isinstance(error, StreamKMError)
    kind = "" if is_ours else f"{type(error).__name__}: "
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ClusterError | StorageError) and (then := going_on(words)):
        text = f"{text}; {then}"
    print(f"streamkm: {kind}{plain_words(text)}", file=sys.stderr)
    if not is_ours:
        print("streamkm: this should not happen; -v shows where", file=sys.stderr)
    return FAILED


def plain_words(text: str) -> str:
    """Say a library's message about a parameter as a command line says it."""
    found = re.fullmatch(PARAMETER, text)
    if found is None:
        return text
    name, allowed, value = found.groups()
    least = re.fullmatch(r"(an int|a float) in the range ([\[(])(\d+), inf\)( or None)?", allowed)
    if least is not None:
        kind = "a whole number" if least[1] == "an int" else "a number"
        bound = f"of at least {least[3]}" if least[2] == "[" else f"above {least[3]}"
        allowed = f"{kind} {bound}{least[4] or ''}"
    return f"--{name.replace('_', '-')} must be {allowed}, not {value}"


def usage_words(text: str, words: Sequence[str]) -> str:
    """Say that a word is missing where a library says that its option has no value."""
    found = re.fullmatch(MISSING, text)
    if found is None or {"-k", f"--{found[1]}"} & set(words):
        return text
    name = "-k, the number of clusters," if found[1] == "n-clusters" else found[1].upper()
    return f"{name} is missing"


def _is_told(record: logging.LogRecord) -> bool:
    """Return whether a line of Dask's log is shown: not that of a wait given up as all ends."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != "CancelledError"


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"streamkm: warning: {' '.join(str(message).split())}", file=sys.stderr)
