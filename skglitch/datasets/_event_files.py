"""Trigger files of other programs, such as Omicron and PyCBC, read by gwpy's EventTable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from .._hdf5 import open_hdf5
from .._lazy import import_extra

if TYPE_CHECKING:
    import pandas as pd

EVENT_SUFFIXES = (".xml", ".xml.gz", ".root")
# Tables of LIGO_LW that have one row per trigger, in order of preference.
_TABLES = ("sngl_burst", "sngl_inspiral", "multi_burst", "coinc_inspiral")


def read_events(path: Path) -> pd.DataFrame:
    """Read a LIGO_LW, ROOT, or HDF5 file that pandas did not write."""
    import pandas as pd

    what = f"Reading {str(path)!r}"
    read = import_extra("gwpy.table", what, "triggers").EventTable.read
    if path.suffix.lower() == ".root":
        import_extra("uproot", what, "triggers")
        return read(str(path), format="root.omicron").to_pandas()
    if path.name.lower().endswith(EVENT_SUFFIXES):
        import_extra("igwn_ligolw", what, "triggers")
        from gwpy.io.ligolw import list_tables

        names = list_tables(str(path))
        name = next(filter(names.__contains__, _TABLES), None)
        if name is None:
            raise ValueError(f"it has none of the tables {', '.join(_TABLES)}, only {names}.")
        return read(str(path), format="ligolw", tablename=name).to_pandas()
    with open_hdf5(path) as file:
        ifos = sorted(filter(re.compile(r"[A-Z]\d").fullmatch, file))
    if not ifos:
        return read(str(path), format="hdf5").to_pandas()
    # PyCBC has a group for each detector.
    parts = {ifo: read(str(path), format="hdf5.pycbc_live", ifo=ifo).to_pandas() for ifo in ifos}
    return pd.concat(parts, names=["ifo"]).reset_index("ifo")


def is_of_pandas(path: Path) -> bool:
    """Return whether pandas wrote an HDF5 file."""
    with open_hdf5(path) as file:
        return any("pandas_type" in group.attrs for group in file.values())
