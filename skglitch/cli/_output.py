"""Messages, scores, and early checks of output files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Exit code of a shell for a program that was ended by Ctrl-C: 128 plus the signal number.
INTERRUPTED = 130
HDF5 = (".h5", ".hdf5")
TABLES = (".csv", ".parquet", *HDF5)
_PERCENT = ("accuracy", "low", "high", "precision", "recall", "f1")


def say(message: Any) -> None:
    """Print a message to stderr, unless ``--quiet`` is given."""
    if not click.get_current_context().params.get("quiet"):
        click.echo(str(message), err=True)


def bad_output(message: str) -> click.BadParameter:
    """Return an error in the option ``--output``."""
    return click.BadParameter(message, param_hint="'--output' / '-o'")


def check_output(path: Path, overwrite: bool) -> None:
    """Raise BadParameter if a file cannot be written."""
    if path.is_dir():
        raise bad_output(f"{str(path)!r} is a folder.")
    if path.exists() and not overwrite:
        raise bad_output(f"{str(path)!r} exists: --overwrite replaces it.")
    try:
        # Not by permissions, which do not reveal a read-only file system.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise bad_output(f"cannot write to {str(path.parent)!r} ({error.strerror}).") from error


def check_folder(folder: Path, names: Iterable[str], overwrite: bool) -> dict[str, Path]:
    """Create a folder, check that files of these names can be written, and return their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad_output(f"cannot create {str(folder)!r} ({error.strerror}).") from error
    paths = {name: folder / name for name in names}
    for path in paths.values():
        check_output(path, overwrite)
    return paths


def check_suffix(path: Path, allowed: Sequence[str]) -> None:
    """Raise an error if a file has another format, or one whose package is not installed."""
    from .._hdf5 import import_h5py
    from .._tables import import_pyarrow

    suffix = path.suffix.lower()
    if suffix not in allowed:
        raise bad_output(f"{str(path)!r} does not end in {', '.join(allowed)}.")
    if suffix == ".parquet":
        import_pyarrow()
    elif suffix in HDF5:
        import_h5py()


def write_json(path: Path, result: Any) -> None:
    """Write a result as JSON."""
    from .._files import written_whole
    from .._tables import to_json

    with written_whole(path) as file:
        file.write(to_json(result, indent=1).encode())


def score_predictions(
    y_true: np.ndarray, y_prob: np.ndarray, classes: np.ndarray
) -> dict[str, pd.DataFrame]:
    """Return the tables of top-k accuracies and of scores of each class."""
    from ..metrics import classification_table, top_k_table

    y_pred = classes[y_prob.argmax(axis=1)]
    return {
        "top_k": top_k_table(y_true, y_prob, labels=classes),
        "per_class": classification_table(y_true, y_pred, labels=classes),
    }


def format_scores(tables: Mapping[str, pd.DataFrame]) -> str:
    """Format tables of scores as text."""
    from .._tables import format_table

    return "\n\n".join(format_table(table, percent=_PERCENT) for table in tables.values())
