"""The errors that streamkm raises on purpose. Each is also a builtin.

StreamKMError
├── SourceError(ValueError)         an input cannot be read or understood
│   └── BadRowsError                rows hold NaN or infinity
├── StoreError(ValueError)          not a streamkm store, of another version, or damaged
│   ├── StoreExistsError            the target is there and overwrite was not asked
│   ├── IncompleteError             a conversion or a run has not finished
│   └── BusyError                   another process is at work there
├── MemoryLimitError(ValueError)    the work does not fit; says what would
├── EmptyClusterError(ValueError)   a cluster lost all rows under empty_cluster="error"
├── StorageError(OSError)           the disk is full, or refuses to be written or read
├── UnreachableError(OSError)       a URL cannot be reached, or its server refuses
├── ClusterError(RuntimeError)      workers are missing, blind or lack the package
└── MissingExtraError(ImportError)  names the extra and the pip line
"""

from __future__ import annotations


class StreamKMError(Exception):
    """Base of every error that streamkm raises on purpose."""


class SourceError(StreamKMError, ValueError):
    """An input cannot be read or understood."""


class BadRowsError(SourceError):
    """Rows hold NaN or infinity."""


class StoreError(StreamKMError, ValueError):
    """Not a streamkm store, one of another version, or a damaged one."""


class StoreExistsError(StoreError):
    """The target exists and overwriting was not asked for."""


class IncompleteError(StoreError):
    """A conversion or a run has not finished."""


class BusyError(StoreError):
    """Another process converts to this store, or runs in this run directory."""


class MemoryLimitError(StreamKMError, ValueError):
    """The work does not fit under the memory limit; the message says what would."""


class EmptyClusterError(StreamKMError, ValueError):
    """A cluster lost all its rows and `empty_cluster="error"` was asked."""


class StorageError(StreamKMError, OSError):
    """The disk is full, or refuses to be written or read."""


class UnreachableError(StreamKMError, OSError):
    """A URL cannot be reached, or its server refuses."""


class ClusterError(StreamKMError, RuntimeError):
    """The Dask workers are missing, cannot see the data, or lack the package."""


class MissingExtraError(StreamKMError, ImportError):
    """An optional dependency is missing; the message gives the pip line."""

    @classmethod
    def of(cls, what: str, package: str, extra: str) -> MissingExtraError:
        """Return the error of what needs a package that one of our extras installs."""
        verb = "need" if what.endswith("s") else "needs"
        return cls(f'{what} {verb} {package}; install it with: pip install "streamkm[{extra}]"')
