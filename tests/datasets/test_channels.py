"""Detectors whose channels have names of their own, in files of every kind and in mappings."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from skglitch.datasets import Strain, StrainFiles, load_strain, load_triggers

from .gwosc_files import write_gwosc
from .test_triggers import Ends

T0, RATE, NAME = 1126259446, 16, "GDS-CALIB_STRAIN"
FULL = {"H1": f"H1:{NAME}", "L1": f"L1:{NAME}"}
TRIGGERS = [{"gps": T0 + 10.0, "ifo": "H1"}, {"gps": T0 + 20.0, "ifo": "L1"}]


def samples(ifo):
    return np.arange(1.0, 64 * RATE + 1) + (10_000 if ifo == "L1" else 0)


def write(path, ifos, names=FULL):
    """Write an HDF5 or frame file with a channel of each detector."""
    if path.suffix == ".gwf":
        pytest.importorskip("lalframe")
        timeseries = pytest.importorskip("gwpy.timeseries")
        channels = timeseries.TimeSeriesDict()
        for ifo in ifos:
            name = {"name": names[ifo], "channel": names[ifo]}
            series = timeseries.TimeSeries(samples(ifo), sample_rate=RATE, t0=T0, **name)
            channels[names[ifo]] = series
        channels.write(str(path), format="gwf")
        return path
    with h5py.File(path, "w") as file:
        for ifo in ifos:
            file[names[ifo]] = samples(ifo)
            file[names[ifo]].attrs.update(sample_rate=float(RATE), t0=float(T0))
    return path


def check(strain):
    data = load_triggers(TRIGGERS, strain, Ends(RATE), duration=4.0, progress=False).data
    assert data[:, 0, 0, 1].tolist() == [10 * RATE + 1, 10_000 + 20 * RATE + 1]


@pytest.fixture(params=["hdf5", "gwf"])
def files(tmp_path, request):
    """The files of H1 and L1, and one file of both."""
    paths = (
        (tmp_path / f"{''.join(ifos)}.{request.param}", ifos) for ifos in (["H1"], ["L1"], FULL)
    )
    return [write(path, ifos) for path, ifos in paths]


@pytest.mark.parametrize(
    "dataset", [NAME, None, FULL, {"h1": NAME, "l1": NAME}, {"H1": FULL["H1"]}], ids=repr
)
def test_files_of_several_detectors(files, dataset):
    h1, l1, both = files
    check(StrainFiles([l1, h1], dataset=dataset))
    if dataset is None or len(dataset) > 1:
        strain = StrainFiles([both], dataset=dataset)
        assert strain.ifos == ["H1", "L1"]
        check(strain)


def test_mappings(files):
    h1, l1, both = files
    strain = StrainFiles([h1, l1], dataset=NAME)
    check({"H1": StrainFiles([h1], dataset=NAME), "L1": StrainFiles([l1], dataset=FULL["L1"])})
    check({"H1": strain, "L1": strain})
    check({"H1": [h1], "L1": l1})
    check({"H1": both, "L1": [both]})
    check({FULL["H1"]: [h1], FULL["L1"]: both})
    check(both)
    with pytest.raises(ValueError, match=r"H1 .* is of L1"):
        check({"H1": [l1], "L1": [l1]})
    with pytest.raises(ValueError, match=r"several channels of H1"):
        check({FULL["H1"]: [h1], "H1": [h1]})


def test_dict_of_gwpy():
    timeseries = pytest.importorskip("gwpy.timeseries")
    channels = timeseries.TimeSeriesDict()
    for ifo, name in FULL.items():
        channels[name] = timeseries.TimeSeries(samples(ifo), sample_rate=RATE, t0=T0, name=name)
    check(channels)
    check({"H1": channels[FULL["H1"]], "L1": Strain(samples("L1"), RATE, T0, "L1")})


def test_names_and_files_of_different_kinds(tmp_path):
    names = {"H1": "H1:GDS-CALIB_STRAIN_CLEAN", "L1": "L1:GDS-CALIB_STRAIN"}
    h1 = write(tmp_path / "h1.h5", ["H1"], names)
    with h5py.File(h1, "a") as file:
        file["H1:DQ"] = [1, 2]
    l1 = write_gwosc(tmp_path / "l1.h5", "L1", T0, 64, RATE, samples("L1"))
    check(StrainFiles([h1, l1], dataset={"H1": names["H1"]}))
    check(StrainFiles([h1, l1], dataset={"H1": names["H1"], "L1": "strain/Strain"}))
    check({names["H1"]: h1, "L1": l1})
    with pytest.raises(ValueError, match=r"l1\.h5' is of L1: dataset="):
        StrainFiles([l1], dataset={"H1": "strain/Strain", "L1": names["L1"]})
    with pytest.raises(ValueError, match=r"h1\.h5' has 2 data sets"):
        StrainFiles([h1], dataset={"H1": "none"})


def test_files_that_do_not_contain_their_detector(tmp_path):
    paths = {ifo: write(tmp_path / f"{ifo}.h5", [ifo], {ifo: "x"}) for ifo in FULL}
    check({ifo: [path] for ifo, path in paths.items()})
    with pytest.raises(ValueError, match=r"H1\.h5' does not contain its detector"):
        StrainFiles(paths.values(), dataset={"H1": "x", "L1": "x"})
    with pytest.raises(ValueError, match=r"H1\.h5' has none of dataset="):
        StrainFiles([paths["H1"]], dataset={"H1": "y"})


def test_one_series_of_several_detectors(files):
    _, _, both = files
    assert load_strain(both, dataset=NAME, ifo="L1").data[0] == 10_001
    assert load_strain(both, dataset=FULL["L1"]).ifo == "L1"
    with pytest.raises(ValueError, match=r"'H1:.*' and 'L1:.*ifo="):
        load_strain(both, dataset=NAME)
    for dataset in (1, "", FULL):
        with pytest.raises(ValueError, match="dataset="):
            load_strain(both, dataset=dataset)
