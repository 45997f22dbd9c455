"""HDF5 files of spectrograms, for tests."""

from __future__ import annotations

import h5py
import numpy as np

COLUMNS = {"ids": "id", "ifo": "ifo", "target": "label", "gps": "gps_time"}


def write_glitches(bunch, path):
    """Write a Bunch in the form that load_glitches reads."""
    with h5py.File(path, "w") as file:
        file["data"] = bunch["data"]
        if bunch.get("durations") is not None:
            file["data"].attrs["durations"] = bunch["durations"]
        for key, name in COLUMNS.items():
            if bunch.get(key) is not None:
                values = np.asarray(bunch[key])
                if values.dtype.kind not in "iuf":
                    texts = ["" if value is None else str(value) for value in values.tolist()]
                    file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
                else:
                    file[name] = values
