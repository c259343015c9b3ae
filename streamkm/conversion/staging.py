"""The folder in which a store grows: its plan, what is missing, and the last rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import zarr
from zarr.storage import LocalStore

from streamkm.data.atomic import writing
from streamkm.data.exchange import put_in_place
from streamkm.data.lock import only_one
from streamkm.data.spec import DatasetSpec
from streamkm.data.store import (
    Array,
    check_replaceable,
    create_array,
    discard,
    remove_leftovers,
    writable_array,
)
from streamkm.errors import (
    SourceError,
    StorageError,
    StoreError,
    StoreExistsError,
    UnreachableError,
)
from streamkm.kernels.select import SelectedRows
from streamkm.kernels.summary import Summary
from streamkm.runtime.memory import format_bytes
from streamkm.typing import Json

FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Staging:
    """A store under construction, beside its final name.

    Parameters
    ----------
    store
        The final path.
    scratch
        Folder for what a shuffle puts aside; inside the staging folder by
        default.
    """

    def __init__(self, store: str | Path, scratch: str | Path | None = None) -> None:
        if not str(store):
            raise StoreError("the store's path is empty")
        self.store = Path(os.path.abspath(store))  # without .., and with a name
        self.path = self.store.with_name(self.store.name + ".partial")
        self.plan = self.store.with_name(self.store.name + ".partial.json")
        digest = hashlib.sha256(str(self.store.absolute()).encode()).hexdigest()[:12]
        base = Path(scratch) / f"streamkm-{digest}" if scratch else self.path / "fragments"
        self.fragments = base

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Refuse a second conversion to the same store for the time of a block.

        Raises
        ------
        BusyError
            If one is under way.
        StorageError
            If nothing can be written there.
        """
        file = self.store.with_name(self.store.name + ".partial.lock")
        with ExitStack() as stack:
            with writing(self.store):
                file.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(only_one(file, f"converting to {self.store}"))
            yield

    def prepare(self, spec: DatasetSpec, identity: Json, *, overwrite: bool) -> None:
        """Continue what is there if it is the same conversion, else begin.

        Raises
        ------
        StoreExistsError
            If the final name is taken and `overwrite` was not asked.
        """
        self.refuse_taken(overwrite=overwrite)
        plan = json.dumps({"identity": identity, "spec": spec.to_attributes()}, sort_keys=True)
        if not self._is_same(plan):
            self.discard()
            self._begin(spec, plan)
        remove_leftovers(self.path)
        self.fragments.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.fragments)

    def refuse_taken(self, *, overwrite: bool) -> None:
        """Refuse a name that is taken, and may not be replaced.

        Raises
        ------
        StoreExistsError
            If it is.
        """
        if (self.store.exists() or self.store.is_symlink()) and not overwrite:
            raise StoreExistsError(
                f"{self.store} exists; pass overwrite (--overwrite) to replace it"
            )
        check_replaceable(self.store, "dataset")

    def _is_same(self, plan: str) -> bool:
        try:
            return self.path.exists() and self.plan.read_text() == plan
        except OSError:
            return False

    def _begin(self, spec: DatasetSpec, plan: str) -> None:
        self.path.mkdir(parents=True)
        group = zarr.create_group(LocalStore(self.path), zarr_format=3)
        shape, dtype = (spec.n_rows, spec.n_features), np.dtype(spec.dtype)
        create_array(group, "X", shape, dtype, spec.chunk_rows, spec.codec)
        if spec.target_dtype is not None:
            y_dtype = np.dtype(spec.target_dtype)
            create_array(group, "y", shape[:1], y_dtype, spec.chunk_rows, spec.codec)
        self.plan.write_text(plan)  # last: a plan says that the arrays are there

    def arrays(self, spec: DatasetSpec) -> tuple[Array, Array | None]:
        """Return X and y, open for writing."""
        path = self.path.absolute()
        has_labels = spec.target_dtype is not None
        return writable_array(path, "X"), writable_array(path, "y") if has_labels else None

    def finalise(self, spec: DatasetSpec, summary: Summary, sample: SelectedRows) -> None:
        """Write the sample and the attributes, and give the store its name."""
        fingerprint = digest_of(self.path, spec)
        group = zarr.open_group(LocalStore(self.path), mode="r+")
        chosen = sample.by_row()
        arrays = {"sample": chosen.rows, "sample_index": chosen.indices}
        for name, values in arrays.items() if len(chosen.rows) else ():
            if name in group:
                del group[name]
            array = create_array(group, name, values.shape, values.dtype, len(values), spec.codec)
            array[:] = values
        group.attrs.update(spec.finished(summary.to_json(), fingerprint).to_attributes())
        shutil.rmtree(self.fragments, ignore_errors=True)
        remove_leftovers(self.path)
        put_in_place(self.path, self.store)
        self.plan.unlink()

    def discard(self) -> None:
        """Remove all traces."""
        shutil.rmtree(self.fragments, ignore_errors=True)
        self.plan.unlink(missing_ok=True)
        discard(self.path)

    def check_disk(self, n_bytes: int, fragment_bytes: int) -> None:
        """Refuse before any work what the disks cannot hold.

        Raises
        ------
        StorageError
            With what is needed and what is free.
        """
        needs = [(_existing(self.store.parent), n_bytes)]
        if fragment_bytes:
            needs.append((_existing(self.fragments), fragment_bytes))
        same = len(needs) == 2 and needs[0][0].stat().st_dev == needs[1][0].stat().st_dev
        if same:
            needs = [(needs[0][0], n_bytes + fragment_bytes)]
        for folder, needed in needs:
            free = shutil.disk_usage(folder).free
            if free < needed:
                also = "; a shuffle needs a second copy: --tmp DIR puts it elsewhere"
                raise StorageError(
                    f"the disk of {folder} has {format_bytes(free)} free, the conversion may need "
                    f"{format_bytes(needed)}{also if fragment_bytes else ''}"
                )


def chunk_names(spec: DatasetSpec) -> Iterator[str]:
    """Yield the files of the chunks of rows and labels, relative to the store."""
    ends = {"X": "/0"} if spec.target_dtype is None else {"X": "/0", "y": ""}
    for name, end in ends.items():
        for index in range(-(-spec.n_rows // spec.chunk_rows)):
            yield f"{name}/c/{index}{end}"


def digest_of(folder: Path, spec: DatasetSpec, instead: Mapping[str, Path] | None = None) -> str:
    """Return the digest of the checksums of all chunks: the fingerprint of a store.

    Parameters
    ----------
    folder
        The store.
    spec
        What it says of itself.
    instead
        Files that are taken for chunks of these names.

    Raises
    ------
    StoreError
        If a chunk is missing or empty; names it.
    """
    digest = hashlib.sha256()
    for name in chunk_names(spec):
        file = (instead or {}).get(name, folder / name)
        try:
            with open(file, "rb") as stream:
                stream.seek(-4, 2)  # the crc32c that closes every chunk
                digest.update(stream.read(4))
        except OSError as error:
            raise StoreError(f"{file}: this chunk was not written ({error})") from error
    return digest.hexdigest()


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


@contextmanager
def storage_errors(staging: Staging) -> Iterator[None]:
    """Turn what the disk says into one clear line; drop the remains of refused input."""
    try:
        yield
    except UnreachableError:  # go on where it stopped
        raise
    except StorageError:  # it says what
        raise
    except SourceError:  # refused input: there is nothing to go on with
        staging.discard()
        raise
    except OSError as error:
        if error.errno in FULL:
            raise StorageError(
                f"the disk is full ({staging.path}); free some space and run the same command "
                "again: it goes on where it stopped"
            ) from error
        raise StorageError(f"{staging.store} cannot be written ({error})") from error
