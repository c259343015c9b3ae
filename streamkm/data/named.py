"""What the catalog says of a public dataset: its files, its parts, its terms."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.errors import SourceError


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file to download.

    Parameters
    ----------
    name
        What it is called in the cache.
    urls
        Mirrors of the same bytes, tried in order.
    size_bytes
        Its length, or None where that is not known.
    checksum
        "sha256:..." or "md5:...", or None where none is known.
    """

    name: str
    urls: tuple[str, ...]
    size_bytes: int | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """One part of a dataset, such as its training set.

    Parameters
    ----------
    name
        What it is called on the command line.
    n_rows
        Rows that it holds.
    files
        What must be downloaded for it.
    opens
        What `open_source` gets, with the files' folder in place of `{folder}`.
    members
        Members of the archive `files[0]` that are put beside it, under their base names.
    """

    name: str
    n_rows: int
    files: tuple[RemoteFile, ...]
    opens: str
    members: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """What must be downloaded, as far as it is known."""
        return sum(file.size_bytes or 0 for file in self.files)


@dataclass(frozen=True, slots=True)
class NamedDataset:
    """A dataset that `fetch` knows; the first split is the default.

    Parameters
    ----------
    name, title
        On the command line, and for people.
    what, details
        What its rows are, in a word and in a line.
    n_features
        Numbers in a row.
    splits
        Its parts.
    licence, citation, homepage
        The terms as its authors state them, what to cite, and where to read more.
    """

    name: str
    title: str
    what: str
    details: str
    n_features: int
    splits: tuple[Split, ...]
    licence: str
    citation: str
    homepage: str

    def split(self, name: str | None = None) -> Split:
        """Return a split by name, the default one for None.

        Raises
        ------
        SourceError
            If there is none of this name.
        """
        for split in self.splits:
            if name in (None, split.name):
                return split
        known = ", ".join(split.name for split in self.splits)
        raise SourceError(f"{self.name} has no split {name!r}; it has {known}")
