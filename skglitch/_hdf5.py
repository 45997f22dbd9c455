"""Robust reading of HDF5 files."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ._files import check_expansion
from ._lazy import import_extra

# Strings of variable length are in heaps. h5py writes them near the start or the end of a file, of
# which this many bytes are searched.
_SEARCHED = 2**22
# The largest compression ratio of gzip. Files with hours of gaps come close.
_MOST_EXPANDED = 1032
# The signature of a heap, its version and three reserved bytes. Eight bytes with its size follow.
_HEAP = b"GCOL\x01\0\0\0"


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading. Errors inside name the file, so check values outside."""
    h5py = import_h5py()
    name = repr(str(path))
    check_structure(path)
    if not h5py.is_hdf5(path):
        raise ValueError(f"{name} is not an HDF5 file.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except BlockingIOError as error:
        raise BlockingIOError(
            f"{name} is locked: another program has it open for writing. Try again later."
        ) from error
    except ImportError as error:
        raise ImportError(f"{name} cannot be read: {error}.") from error
    except MemoryError as error:
        raise ValueError(f"{name} is damaged or too large for the memory: {error}.") from error
    except Exception as error:
        # Only system errors have an errno. For damaged files, h5py raises errors of many types.
        if isinstance(error, OSError) and error.errno is not None:
            raise type(error)(f"{name} cannot be read: {error}.") from error
        raise ValueError(f"{name} is damaged: {error}.") from error


def check_structure(path: Path) -> None:
    """Raise an error if an HDF5 file is being written, or its damage could hang or crash HDF5."""
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} does not exist.")
    with path.open("rb") as stream:
        parts = [stream.read(_SEARCHED)]
        stream.seek(max(stream.tell(), os.fstat(stream.fileno()).st_size - _SEARCHED))
        parts.append(stream.read())
    head = parts[0][:12]
    if head[8:9] in (b"\x03", b"\x04") and int.from_bytes(head[11:]) & 1:
        # HDF5 does not distinguish the two.
        raise BlockingIOError(
            f"{str(path)!r} is open for writing in another program, or was not closed by it. In "
            "the latter case h5clear --status makes it readable."
        )
    # HDF5 walks a heap by the sizes in it. A size of zero is an infinite loop, which Python cannot
    # interrupt, and a size beyond the heap can crash the interpreter.
    for part in parts:
        at = part.find(_HEAP)
        while at >= 0:
            if not _is_sound_heap(memoryview(part)[at:]):
                raise ValueError(f"{str(path)!r} is damaged: a heap of texts is inconsistent.")
            at = part.find(_HEAP, at + 1)


def _is_sound_heap(data: memoryview) -> bool:
    """Whether the objects in a heap are contiguous. Its end may be missing."""
    size = int.from_bytes(data[8:16], "little")
    place = 16
    while place + 16 <= min(size, len(data)):
        # Index, reference count, four reserved bytes and size. Index 0 is free space.
        is_free = data[place : place + 2] == b"\0\0"
        length = int.from_bytes(data[place + 8 : place + 16], "little")
        step = length if is_free else 16 + (length + 7) // 8 * 8
        if step < 16 or place + step > size:
            return False
        place += step
    return True


def has_dataset(file: Any, name: str) -> bool:
    """Whether an open HDF5 file has a data set of this name."""
    # Not get(), which returns None for damaged objects.
    return name in file and isinstance(file[name], import_h5py().Dataset)


def list_datasets(file: Any) -> list[str]:
    """List the data sets of an open HDF5 file."""
    h5py = import_h5py()
    names = []
    # Not visititems, which does not terminate if groups contain each other.
    todo, seen = [("", file)], set()
    while todo:
        prefix, group = todo.pop()
        if group not in seen:
            seen.add(group)
            for name in group:
                if isinstance(group.get(name, getlink=True), h5py.HardLink):
                    item, path = group[name], f"{prefix}{name}"
                    if isinstance(item, h5py.Dataset):
                        names.append(path)
                    elif isinstance(item, h5py.Group):
                        todo.append((f"{path}/", item))
    return sorted(names)


def read_array(file: Any, name: str, part: slice | None = None) -> Any:
    """Read (a part of) a data set of an open HDF5 file, None if it is empty or there is none."""
    if not has_dataset(file, name):
        return None
    series = file[name]
    if series.shape is None:
        return None
    _refuse_sequences(series.dtype, f"data set {name!r}")
    n_bytes = _size_of_sources(file, series) if series.is_virtual else series.id.get_storage_size()
    if series.chunks:
        n_chunks = math.prod(-(-n // c) for n, c in zip(series.shape, series.chunks, strict=True))
        is_whole = series.id.get_num_chunks() >= n_chunks
    else:
        is_whole = not series.nbytes or n_bytes > 0
    offset = series.id.get_offset()
    if series.dtype.kind == "O" and offset is not None:
        # Length, heap address and index of each string.
        with open(file.filename, "rb") as stream:
            stream.seek(offset)
            lengths = np.frombuffer(stream.read(n_bytes // 16 * 16), dtype="<u4")[::4]
            is_whole = is_whole and lengths.max(initial=0) < stream.seek(0, os.SEEK_END)
    if not is_whole:
        # HDF5 would fill in zeros.
        raise ValueError(f"data set {name!r} of shape {series.shape} is incomplete")
    n_samples = series.size if part is None else part.stop - part.start
    check_expansion(n_samples * series.dtype.itemsize, n_bytes, _MOST_EXPANDED)
    try:
        return series[() if part is None else part]
    except OSError as error:
        properties, is_known = series.id.get_create_plist(), import_h5py().h5z.filter_avail
        filters = [properties.get_filter(n)[0] for n in range(properties.get_nfilters())]
        unknown = [code for code in filters if not is_known(code)]
        if not unknown:
            raise
        raise ImportError(
            f"data set {name!r} is compressed by the HDF5 filter {unknown[0]}: pip install "
            "hdf5plugin, and import it before reading"
        ) from error


def _size_of_sources(file: Any, series: Any) -> int:
    """Size of the files of a virtual data set. HDF5 fills in zeros for missing files."""
    size = 0
    for path, name in {(source.file_name, source.dset_name) for source in series.virtual_sources()}:
        part = Path(file.filename) if path == "." else Path(file.filename).parent / path
        with import_h5py().File(part, "r") as other:
            if not has_dataset(other, name):
                raise ValueError(f"its part {str(part)!r} has no data set {name!r}")
        size += part.stat().st_size
    return size


def read_attribute(item: Any, name: str) -> Any:
    """Read an attribute of a group or data set, None if it is empty or there is none."""
    if name not in item.attrs:
        return None
    _refuse_sequences(item.attrs.get_id(name).dtype, f"attribute {name!r}")
    value = item.attrs[name]
    return None if isinstance(value, import_h5py().Empty) else value


def _refuse_sequences(dtype: np.dtype, what: str) -> None:
    # No reader needs them, and damage that makes them of strings can crash h5py.
    if dtype.kind == "O" and import_h5py().check_string_dtype(dtype) is None:
        raise ValueError(f"{what} holds neither numbers nor text")


def read_texts(file: Any, name: str) -> np.ndarray | None:
    """Read a data set of an open HDF5 file as text, whatever its dtype, None if there is none."""
    values = read_array(file, name)
    if values is None:
        return None
    texts = np.ravel(values).tolist()
    # In an array, every string takes the memory of the longest one.
    lengths = [len(text) for text in texts if isinstance(text, bytes)]
    check_expansion(4 * len(lengths) * max(lengths, default=0), sum(lengths))
    return np.array(
        [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in texts], dtype=str
    )


def import_h5py() -> Any:
    """Import h5py, or explain how to install it."""
    return import_extra("h5py", "HDF5", "strain")
