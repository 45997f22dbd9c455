"""Parameters and error messages that readers have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from .._pictures import NATIVE_SIZE

_SHOWN = 5  # items in a message


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Raise ValueError if a parameter is not one of the allowed strings."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, allowed))}.")


def check_durations(durations: Any) -> tuple[float, ...] | None:
    """Convert durations to a tuple of different positive floats. None stays None."""
    if durations is None:
        return None
    values = list(durations) if np.ndim(durations) == 1 else []
    are_numbers = all(isinstance(v, Real) and not isinstance(v, bool) for v in values)
    chosen = tuple(float(value) for value in values) if are_numbers else ()
    if not chosen or len(set(chosen)) < len(chosen) or not all(0 < v < np.inf for v in chosen):
        raise ValueError(
            f"durations={durations!r} must be None or a list of different positive numbers in s."
        )
    return chosen


def check_size(size: Any) -> tuple[int, int]:
    """Convert a size in pixels to (height, width). None is the size of Gravity Spy's pictures."""
    if size is None:
        return NATIVE_SIZE
    pair = tuple(size) if isinstance(size, tuple | list) else ()
    whole = all(isinstance(n, Integral) and not isinstance(n, bool) and int(n) > 0 for n in pair)
    if len(pair) != 2 or not whole:
        raise ValueError(f"size={size!r} must be None or (height, width), two positive integers.")
    return int(pair[0]), int(pair[1])


def shorten(items: Iterable[object], n_shown: int = _SHOWN) -> str:
    """Join the first few items, and count the others."""
    texts = [str(item) for item in items]
    more = len(texts) - n_shown
    return ", ".join(texts[:n_shown]) + (f" and {more} more" if more > 0 else "")


def list_problems(problems: Mapping[str, str]) -> str:
    """List the first few problems by name, each on its own line, and count the others."""
    lines = [f"\n  {name}: {reason}" for name, reason in list(problems.items())[:_SHOWN]]
    more = len(problems) - len(lines)
    return "".join(lines) + (f"\n  and {more} more" if more > 0 else "")
