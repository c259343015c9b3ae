"""`dask streamkm ...`: the click command that Dask's command line finds, which passes all on."""

from __future__ import annotations

import sys

import click  # comes with Dask


@click.command(
    "streamkm",
    help="k-means for data that does not fit in memory; the words of `streamkm`.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def streamkm(words: tuple[str, ...]) -> None:
    """Run `streamkm` with the words."""
    from streamkm.cli import main

    sys.exit(main(list(words)))
