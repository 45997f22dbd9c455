"""CSV tables of GPS times, observing segments and observing runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Usual names of columns in lower case; the first one that exists is used.
_IDS = ("gravityspy_id", "id", "unique_id", "uniqueid")
_GPS = ("gps_time", "gps", "event_time", "peak_time", "trigger_time", "time")
_IFO = ("ifo", "detector")


def read_gps(path: Path, ids: np.ndarray) -> np.ndarray:
    """Look up the GPS times of glitches by their ids; NaN for ids that are not in the table."""
    import pandas as pd

    table = _read(path)
    id_column, gps_column = _find(path, table, _IDS), _find(path, table, _GPS)
    gps = pd.Series(_to_gps(path, table[gps_column]), index=table[id_column])
    found = gps[~gps.index.duplicated(keep="last")].reindex(ids.astype(str)).to_numpy()
    if pd.isna(found).all():
        raise ValueError(
            f"{str(path)!r} has none of the {len(ids)} glitches in its column {id_column!r}; the "
            f"first is {str(ids[0])!r}."
        )
    return found


def read_segments(path: Path) -> Any:
    """Read observing segments, as :func:`skglitch.discovery.find_onsets` takes them."""
    table = _read(path)
    pairs = _read_pairs(path, table)
    ifo = next((name for name in _IFO if name in table), None)
    if ifo is None:
        return pairs
    return {name: [pairs[row] for row in rows] for name, rows in table.groupby(ifo).indices.items()}


def read_runs(path: Path) -> dict[str, tuple[float, float]]:
    """Read observing runs, as :func:`skglitch.discovery.find_onsets` takes them."""
    table = _read(path)
    names = table[_find(path, table, ("run", "name"))]
    if names.duplicated().any():
        raise ValueError(f"{str(path)!r} has the run {names[names.duplicated()].iloc[0]!r} twice.")
    return dict(zip(names, _read_pairs(path, table), strict=True))


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not a CSV table: {error}") from error
    return table.rename(columns=lambda name: name.strip().casefold())


def _read_pairs(path: Path, table: pd.DataFrame) -> list[tuple[float, float]]:
    starts = _to_gps(path, table[_find(path, table, ("start",))])
    stops = _to_gps(path, table[_find(path, table, ("stop", "end"))])
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _find(path: Path, table: pd.DataFrame, names: tuple[str, ...]) -> str:
    for name in names:
        if name in table:
            return name
    raise ValueError(
        f"{str(path)!r} has no column {' or '.join(map(repr, names))}; it has "
        f"{', '.join(map(repr, table))}."
    )


def _to_gps(path: Path, texts: pd.Series) -> np.ndarray:
    import numpy as np

    numbers = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            numbers[row] = float(text)
        except ValueError:
            raise ValueError(
                f"{str(path)!r}, line {row + 2}: {text!r} is not a GPS time."
            ) from None
    return numbers
