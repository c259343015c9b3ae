"""Commands derived from the signatures and docstrings of the functions they call.

No option is written twice: its name, type, default and help come from the one
declaration in the library.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from cyclopts import Parameter, Token

SHORT: Final = {"n_clusters": "-k"}
NAMES: Final = {"run_dir": "--run"}
# What a command line can say where the library takes anything.
PLAIN: Final[dict[str, Any]] = {
    "random_state": int | None,
    "run_dir": Path | None,
    "src": str,
    "store": Path,
    "target": str | None,
    "tmp": Path | None,
}
REQUIRED: Final = ("n_clusters",)
# Help where the library takes what words cannot say, or words what the library does not take.
SAID: Final = {
    "init": '"k-means++" (greedy, on the stored sample), "k-means||" (five passes that draw '
    '2 * n_clusters candidates each), "random" (rows of the data), "gaussian" (normal draws with '
    "each feature's mean and standard deviation), the path of a saved model, or a .npy file of "
    "centers, of shape (n_clusters, n_features) and on the scale of --scale.",
    "columns": "Features to use: their numbers, such as 0:3,7 (which is 0, 1, 2, 7), or the names "
    "of the store's columns, such as height,girth; all by default.",
}


def derived_parameters(
    function: Callable[..., Any], docstring: str, skip: tuple[str, ...], **said: str
) -> list[inspect.Parameter]:
    """Return the parameters of a command that calls `function`.

    Their help is that of the docstring, or SAID or `said` where a command line differs.
    """
    hints = get_type_hints(function)
    is_open = {"columns": True, "init": "gaussian" in words_of(hints.get("init"))}
    ours = {name: text for name, text in SAID.items() if is_open[name]}
    helps = parameter_texts(docstring) | ours | said
    out = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ("self", *skip):
            continue
        hint = PLAIN.get(parameter.name, command_type(hints[parameter.name]))
        names = [SHORT[parameter.name]] if parameter.name in SHORT else []
        converter: Any = whole_number if hint in (int, int | None) else None
        if float in get_args(hint) and words_of(hint):
            converter = word_or_number
        settings = Parameter(
            name=NAMES.get(parameter.name),
            help=helps.get(parameter.name),
            alias=names or None,
            negative=None if parameter.default is True else (),
            converter=converter,
        )
        is_required = parameter.name in REQUIRED
        is_positional = parameter.default is inspect.Parameter.empty and not is_required
        out.append(
            inspect.Parameter(
                parameter.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD
                if is_positional
                else inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if is_required else parameter.default,
                annotation=Annotated[hint, settings],
            )
        )
    return out


def whole_number(hint: Any, tokens: Sequence[Token]) -> int | None:
    """Read a whole number, or "none" where that is allowed; 1.5 is refused, not rounded."""
    word = tokens[0].value
    if hint == int | None and word.lower() == "none":
        return None
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"{word!r} is not a whole number") from None


def word_or_number(hint: Any, tokens: Sequence[Token]) -> str | float:
    """Read one of the words of a type, or a number."""
    word, words = tokens[0].value, words_of(hint)
    if word in words:
        return word
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{word!r} is no number and none of {', '.join(words)}") from None


def words_of(hint: Any) -> list[str]:
    """Return the words that a type allows."""
    return [
        w for member in get_args(hint) if get_origin(member) is Literal for w in get_args(member)
    ]


def command_type(hint: Any) -> Any:
    """Return the part of a type that words can say; arrays are given as .npy files."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    members = get_args(hint)
    literals = [member for member in members if get_origin(member) is Literal]
    others = [m for m in members if m is not type(None) and m not in literals]
    if literals:
        kept: Any = literals[0]
        if others:
            kept = kept | (float if float in others else Path)
        return kept | None if type(None) in members else kept
    plain = [m for m in members if m in (int, float, str, Path, type(None))]
    return Union[tuple(plain)]  # noqa: UP007 - built at run time


def parameter_texts(docstring: str) -> dict[str, str]:
    """Return the descriptions in a numpydoc Parameters section, by name."""
    text = inspect.cleandoc(docstring)
    match = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}\n|\Z)", text, re.S | re.M)
    found: dict[str, str] = {}
    if match is None:
        return found
    for names, body in re.findall(r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?|\n)+)", match[1], re.M):
        for name in names.split(","):
            found[name.strip()] = " ".join(body.split())
    return found


def make_command(
    body: Callable[..., Any], parameters: list[inspect.Parameter], name: str, doc: str
) -> Callable[..., Any]:
    """Return a function of the given signature that calls `body` with all of it by name."""

    def command(*args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(command).bind(*args, **kwargs)
        return body(**bound.arguments)

    positional = [p for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    keyword = [p for p in parameters if p.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD]
    signature = inspect.Signature([*positional, *keyword])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__name__, command.__doc__ = name, doc
    return command
