"""Output files: refused early, written whole."""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import _tables

if TYPE_CHECKING:
    import pandas as pd

HDF5 = (".h5", ".hdf5")
TABLES = (".csv", ".parquet", *HDF5)
_HINT = "'--output' / '-o'"


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse a file that cannot be written, before the work that it is for.

    Parameters
    ----------
    path : pathlib.Path
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    click.BadParameter
        If there is such a file, or no such folder, or no right to write there.
    """
    if path.is_dir():
        raise click.BadParameter(f"{str(path)!r} is a folder.", param_hint=_HINT)
    if path.exists() and not overwrite:
        raise click.BadParameter(
            f"{str(path)!r} is there already: --overwrite replaces it.", param_hint=_HINT
        )
    try:
        # Asking for rights is not enough: a read-only disk only tells when it is written to.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise click.BadParameter(
            f"{str(path.parent)!r} cannot be written to ({error.strerror}).", param_hint=_HINT
        ) from error


def check_folder(folder: Path, names: Iterable[str], overwrite: bool) -> dict[str, Path]:
    """Make a folder for results, and refuse it if they cannot be written.

    Parameters
    ----------
    folder : pathlib.Path
    names : iterable of str
        Of the files that will be written.
    overwrite : bool
        Whether files that are there may be replaced.

    Returns
    -------
    paths : dict of str to pathlib.Path
        The files by their names.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(
            f"{str(folder)!r} cannot be made ({error.strerror}).", param_hint=_HINT
        ) from error
    paths = {name: folder / name for name in names}
    for path in paths.values():
        check_output(path, overwrite)
    return paths


def check_suffix(path: Path, allowed: Sequence[str]) -> None:
    """Refuse a file of a format that is not written, or for which a package is missing.

    Parameters
    ----------
    path : pathlib.Path
    allowed : sequence of str
        Suffixes, such as ``TABLES``.

    Raises
    ------
    click.BadParameter
        If the suffix is another one.
    ImportError
        If pyarrow or h5py is needed and not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in allowed:
        raise click.BadParameter(
            f"{str(path)!r} does not end in {', '.join(allowed)}.", param_hint=_HINT
        )
    if suffix == ".parquet":
        import_pyarrow()
    elif suffix in HDF5:
        from .._tables import import_h5py

        import_h5py()


def import_pyarrow() -> Any:
    """Import what reads and writes Parquet, or say how to get it."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError('Parquet files need pyarrow: pip install "skglitch[parquet]"') from error
    return pyarrow


def write_table(path: Path | None, columns: Mapping[str, Any]) -> None:
    """Write a table in the format that the suffix of ``path`` names.

    Parameters
    ----------
    path : pathlib.Path or None
        ``.csv`` and ``.parquet`` have the columns, ``.h5`` and ``.hdf5`` a data set for each.
        None is CSV to stdout.
    columns : mapping of str to array-like
        Of one length. In a CSV numbers have the digits that it takes to read them back as they
        are; NaN and None are empty cells.
    """
    suffix = "" if path is None else path.suffix.lower()
    if path is not None and suffix == ".parquet":
        _write_parquet(path, columns)
    elif path is not None and suffix in HDF5:
        from .._tables import write_hdf5

        write_hdf5(columns, path)
    else:
        cells = [_cells(values) for values in columns.values()]
        write_csv(path, list(columns), zip(*cells, strict=True))


def _write_parquet(path: Path, columns: Mapping[str, Any]) -> None:
    import numpy as np

    from .._files import written_whole

    pyarrow = import_pyarrow()
    arrays = {}
    for name, values in columns.items():
        values = np.asarray(values)
        # Of objects and text pyarrow wants Python's own.
        arrays[name] = pyarrow.array(values if values.dtype.kind in "uifb" else values.tolist())
    with written_whole(path) as file:
        pyarrow.parquet.write_table(pyarrow.table(arrays), file)


def _cells(values: Any) -> list[Any]:
    import numpy as np

    array = np.asarray(values)
    if array.dtype.kind != "f":
        return ["" if value is None else value for value in array.tolist()]
    # As many digits as a float32 has; Python's own text of a float64 is exact.
    show = "{:.9g}".format if array.dtype == np.float32 else repr
    return ["" if value != value else show(value) for value in array.tolist()]


def write_csv(path: Path | None, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as UTF-8 to a file, or to stdout where ``path`` is None."""
    if path is None:
        _write_rows(sys.stdout, header, rows)
        return
    from .._files import written_whole

    with written_whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        _write_rows(text, header, rows)
        text.flush()
        text.detach()


def _write_rows(file: Any, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


def write_json(path: Path, result: Any) -> None:
    """Write a result for programs to read."""
    from .._files import written_whole

    with written_whole(path) as file:
        file.write(to_json(result, indent=1).encode())


def format_scores(table: pd.DataFrame) -> str:
    """Format a table of accuracies or of precision, recall and F1."""
    scores = ("accuracy", "low", "high", "precision", "recall", "f1")
    return _tables.format_table(table, percent=scores)


def to_json(result: Any, indent: int | None = None) -> str:
    """Write a result as JSON, with null for NaN, which JSON does not know.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.cli._output import to_json
    >>> to_json({"id": np.array(["a", "b"]), "p_value": [0.5, float("nan")]})
    '{"id": ["a", "b"], "p_value": [0.5, null]}'
    """
    return _tables.to_json(result, indent)
