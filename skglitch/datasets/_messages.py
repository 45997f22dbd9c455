"""Parts of error messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_SHOWN = 5


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
