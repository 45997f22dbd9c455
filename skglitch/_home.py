"""The folder that downloads and caches go to."""

from __future__ import annotations

import os
from pathlib import Path


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Folder for downloaded data and for caches.

    Parameters
    ----------
    data_home : path, default=None
        The folder. None takes the environment variable ``SKGLITCH_HOME``, or
        ``$XDG_CACHE_HOME/skglitch``, or ``~/.cache/skglitch``, whichever is set first.

    Returns
    -------
    folder : pathlib.Path
        Absolute path. The folder is not created.

    Raises
    ------
    OSError
        If the folder starts with ``~`` and there is no home.

    Examples
    --------
    >>> from skglitch.datasets import get_data_home
    >>> get_data_home("/data/glitches").name
    'glitches'
    """
    if data_home is None:
        data_home = os.environ.get("SKGLITCH_HOME") or None
    if data_home is None:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        data_home = Path(caches) / "skglitch"
    try:
        return Path(data_home).expanduser().absolute()
    except RuntimeError as error:
        # A user without a home, as in some containers.
        raise OSError(f"{error} Set SKGLITCH_HOME to a folder") from error
