"""The command line. The only part that prints, and that turns an error into a line."""

from __future__ import annotations

import io
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import streamkm
from streamkm.errors import StreamKMError

FAILED = 1
USAGE = 2
INTERRUPTED = 130


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
        interrupted.
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
    try:
        make_app(words)(words, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return USAGE
    except StreamKMError as error:
        return _fail(error, words)
    except KeyboardInterrupt:
        advice = (
            "convert and fit --run go on where they stopped: run the same command again, or resume"
        )
        print(f"streamkm: interrupted; {advice}", file=sys.stderr, flush=True)
        return INTERRUPTED
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
    print(f"streamkm: {kind}{text}", file=sys.stderr)
    if not is_ours:
        print("streamkm: this should not happen; -v shows where", file=sys.stderr)
    return FAILED


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"streamkm: warning: {' '.join(str(message).split())}", file=sys.stderr)
