"""Files in the form of GWOSC, for tests."""

from __future__ import annotations

import h5py
import numpy as np

FLAGS = ["DATA", "CBC_CAT1", "CBC_CAT2", "CBC_CAT3", "BURST_CAT1", "BURST_CAT2", "BURST_CAT3"]


def write_gwosc(path, ifo, start, duration, rate, data=None):
    """Write a file with the groups and attributes that theirs have, the numbers 1, 2, 3, ..."""
    if data is None:
        data = np.arange(1.0, duration * rate + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["meta/Detector"] = ifo
        file["meta/GPSstart"] = start
        file["meta/Duration"] = duration
        file["meta/Type"] = "StrainTimeSeries"
        strain = file.create_dataset(
            "strain/Strain", data=data, chunks=True, compression="gzip", shuffle=True
        )
        strain.attrs.update(
            {"Npoints": len(data), "Xstart": start, "Xspacing": 1 / rate, "Xunits": "second"}
        )
        mask = file.create_dataset("quality/simple/DQmask", data=np.full(duration, 127, "<u4"))
        mask.attrs.update({"Npoints": duration, "Xstart": start, "Xspacing": 1.0})
        file["quality/simple/DQShortnames"] = [name.encode() for name in FLAGS]
    return path
