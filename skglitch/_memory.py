"""Memory that training needs again in the next step, kept instead of given back."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator, Mapping

# Numbers of glibc's malloc.h. A block above the mmap threshold is fetched from the kernel and
# given back each time; free memory above the trim threshold at the end of the heap is given back.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEEP = {_MMAP_THRESHOLD: 2**30, _TRIM_THRESHOLD: 2**31 - 1}
# What glibc itself arrives at once a program has freed a block of 32 MB.
_USUAL = {_MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26}
_USERS_SETTINGS = {
    *("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_")
}

_lock = threading.Lock()
_users = 0


@contextlib.contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Within the block, let glibc keep freed memory, unless the user has set up malloc."""
    # Activations are tens of megabytes each. By default glibc maps such blocks anew for every layer
    # of every step, and the kernel fills their pages with zeros.
    libc = None if _USERS_SETTINGS & os.environ.keys() else _glibc()
    if libc is None:
        yield
        return
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _set(libc, _KEEP)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _set(libc, _USUAL)
                libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if os.name != "posix":
        return None
    libc = ctypes.CDLL(None)
    there = all(hasattr(libc, name) for name in ("mallopt", "malloc_trim", "gnu_get_libc_version"))
    return libc if there else None


def _set(libc: ctypes.CDLL, options: Mapping[int, int]) -> None:
    for option, value in options.items():
        libc.mallopt(option, value)
