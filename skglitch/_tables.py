"""Reading, writing and formatting of tables."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._files import written_whole
from ._hdf5 import import_h5py
from ._lazy import import_extra

if TYPE_CHECKING:
    import pandas as pd

HDF5_SUFFIXES = (".h5", ".hdf5")
TABLE_SUFFIXES = (".csv", ".parquet", *HDF5_SUFFIXES)


def format_table(
    table: pd.DataFrame, *, percent: Collection[str] = (), decimals: int = 3, na_rep: str = "nan"
) -> str:
    """Format a table as text, with its index if it has a name, and columns `percent` in percent."""
    shown = table.rename_axis(index=None, columns=table.index.name)
    formatters: dict[str, Any] = {}
    for name in shown.columns.intersection(list(percent)):
        shown[name] = 100 * shown[name]
        formatters[f"{name} [%]"] = lambda value: na_rep if value != value else f"{value:.2f}"
    text = shown.rename(columns={name[:-4]: name for name in formatters}).to_string(
        index=table.index.name is not None,
        formatters=formatters,
        float_format=f"{{:.{decimals}f}}".format,
        na_rep=na_rep,
    )
    return "\n".join(line.rstrip() for line in text.split("\n"))


def write_table(table: pd.DataFrame | Mapping[str, Any], path: Path | None) -> None:
    """Write a table as CSV, Parquet or HDF5, by the suffix; as CSV to stdout if None."""
    import pandas as pd

    # Missing values are empty in CSV, null in Parquet, and NaN or "" in HDF5.
    table = _with_index(pd.DataFrame(table))
    suffix = ".csv" if path is None else path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise ValueError(f"path={str(path)!r} does not end in {', '.join(TABLE_SUFFIXES)}.")
    if path is None:
        table.to_csv(sys.stdout, index=False, lineterminator="\n")
    elif suffix in HDF5_SUFFIXES:
        write_hdf5({str(name): table[name] for name in table}, path)
    else:
        if suffix == ".parquet":
            import_pyarrow()
        with written_whole(path) as file:
            if suffix == ".csv":
                table.to_csv(file, index=False, lineterminator="\n")
            else:
                table.to_parquet(file, index=False)


def write_hdf5(columns: Mapping[str, Any], path: Path) -> None:
    """Write one data set per array: numbers and booleans unchanged, other values as text."""
    import pandas as pd

    h5py = import_h5py()
    with written_whole(path) as whole, h5py.File(whole, "w") as file:
        for name, values in columns.items():
            array = np.asarray(values)
            if array.dtype.kind in "uifb":
                file.create_dataset(name, data=array)
            else:
                texts = ["" if pd.isna(value) else str(value) for value in array.tolist()]
                file.create_dataset(name, data=texts, dtype=h5py.string_dtype())


def to_json(value: Any, indent: int | None = None) -> str:
    """Serialize results as JSON, with tables as lists of rows, and null for NaN."""
    return json.dumps(_to_plain(value), indent=indent, allow_nan=False)


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _to_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [_to_plain(row) for row in _with_index(value).to_dict("records")]
    if hasattr(value, "tolist"):
        return _to_plain(value.tolist())
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if str(value) in ("<NA>", "NaT") else str(value)


def _with_index(table: pd.DataFrame) -> pd.DataFrame:
    return table if table.index.name is None else table.reset_index()


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV table as text. Column names may be repeated, and empty cells are ""."""
    import pandas as pd

    # With column names as a row and this engine, rows that are too long are an error, and rows that
    # are too short end with NaN.
    options: dict[str, Any] = {"header": None, "dtype": str, "keep_default_na": False}
    try:
        rows = pd.read_csv(path, engine="python", encoding="utf-8-sig", **options)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except ValueError as error:
        raise ValueError(f"{str(path)!r} cannot be read as a CSV table: {error}") from error
    n_values = rows.notna().sum(axis=1)
    if (n_values < len(rows.columns)).any():
        row = int(n_values.argmin())
        raise ValueError(
            f"{str(path)!r}, row {row - 1}, has {n_values[row]} values for {len(rows.columns)} "
            "columns."
        )
    return rows.iloc[1:].set_axis(rows.iloc[0], axis=1)


def read_arrow(path: Path) -> pd.DataFrame:
    """Read a Parquet or Feather table after validating it, as damaged files can crash pandas."""
    import pandas as pd

    import_pyarrow()
    from pyarrow import feather, parquet

    is_feather = path.suffix.lower() == ".feather"
    (feather if is_feather else parquet).read_table(path).validate(full=True)
    return (pd.read_feather if is_feather else pd.read_parquet)(path)


def import_pyarrow() -> Any:
    """Import pyarrow, or explain how to install it."""
    return import_extra("pyarrow", "Parquet", "parquet")
