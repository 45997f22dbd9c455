"""Strain in many files, as one series per detector."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._channels import find_channels, is_frame
from ._load_strain import Hdf5Strain, load_strain
from ._parameters import shorten
from ._strain import Strain, check_number, check_time, join

# Time in s to read beyond each end, as times are rounded to the nearest sample later.
_MARGIN = 0.1


class StrainFiles:
    """Strain in any number of files, of one detector or several.

    Contiguous files of a detector are joined.

    Parameters
    ----------
    paths : iterable of path
        Files for :func:`load_strain`. Of HDF5 files, only requested parts are read; frame files
        are read completely at the start.
    dataset : str or mapping of str to str, default=None
        Path of the data set in HDF5 files, or the channel of frame files, or a mapping from
        detectors to these. The detector prefix of a channel is optional: ``"GDS-CALIB_STRAIN"`` is
        ``"H1:GDS-CALIB_STRAIN"`` and ``"L1:GDS-CALIB_STRAIN"``. Not needed for files of GWOSC, or
        with one data set or channel, or one per detector.

    Attributes
    ----------
    sample_rate : float
        In Hz.
    ifos : list of str
        Detectors of the files. A file that does not name its detector matches any.

    Raises
    ------
    OSError, ImportError
        As from :func:`load_strain`.
    ValueError
        If there are no files, one of them is not strain, or their sample rates differ.

    Examples
    --------
    >>> import h5py, tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from skglitch.datasets import StrainFiles
    >>> noise = np.random.default_rng(0).normal(size=8 * 1024)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for start in (1126259456, 1126259464):
    ...         with h5py.File(f"{folder}/H1-{start}.hdf5", "w") as file:
    ...             file["H1:STRAIN"] = noise
    ...             file["H1:STRAIN"].attrs.update(sample_rate=1024.0, t0=start)
    ...     strain = StrainFiles(Path(folder).iterdir())
    ...     strain.ifos, strain.around(1126259464.0, 4.0, "H1").shape
    (['H1'], (4096,))
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        dataset: str | Mapping[str, str | None] | None = None,
    ) -> None:
        if isinstance(paths, str | os.PathLike):
            raise ValueError(f"paths={paths!r} must be several paths, such as [{str(paths)!r}].")
        if isinstance(dataset, Mapping):
            dataset = {str(ifo).upper(): name for ifo, name in dataset.items()}
        files = [file for path in paths for file in _open(path, dataset)]
        self._files = sorted(files, key=lambda file: file.t0)
        if not self._files:
            raise ValueError("paths is empty: there are no strain files.")
        rates = sorted({file.sample_rate for file in self._files})
        if len(rates) > 1:
            listed = " and ".join(f"{rate:g}" for rate in rates)
            raise ValueError(f"paths have different sample rates: {listed} Hz.")
        self.sample_rate = rates[0]
        self.ifos = sorted({file.ifo for file in self._files} - {""})

    def around(self, gps: float, duration: float, ifo: str) -> np.ndarray:
        """Read the samples around a time.

        Parameters
        ----------
        gps, duration
            As in :meth:`Strain.around`.
        ifo : str
            The detector.

        Returns
        -------
        samples : ndarray of shape (n,)
            The sample nearest to ``gps`` is at ``n // 2``.

        Raises
        ------
        ValueError
            If no file of the detector contains the samples, or they have gaps or are all zero.
        """
        gps = check_time("gps", gps)
        duration = check_number("duration", duration, positive=True)
        start, stop = gps - duration / 2 - _MARGIN, gps + duration / 2 + _MARGIN
        files = [file for file in self._files if file.ifo in (ifo, "")]
        if not files:
            known = ", ".join(self.ifos)
            raise ValueError(f"no strain file is of {ifo}, only of {known}: {_list(self._files)}")
        # Overlaps of less than half a sample do not count.
        half = 0.5 / self.sample_rate
        near = [file for file in files if file.t0 < stop - half and file.t1 > start + half]
        if not any(file.t0 <= gps < file.t1 for file in near):
            spans = ", ".join(f"{file.t0:.0f} to {file.t1:.0f}" for file in files)
            raise ValueError(
                f"no strain file has this time; those of {ifo} span GPS {spans}: {_list(files)}"
            )
        runs = join([file.crop(max(start, file.t0), min(stop, file.t1)) for file in near])
        try:
            return next(run for run in runs if run.t0 <= gps < run.t1).around(gps, duration)
        except ValueError as error:
            raise ValueError(f"{_list(near)}: {error}") from error


def _list(files: Iterable[Strain | Hdf5Strain]) -> str:
    """List the files, or the strain that is in memory."""
    return shorten(file.path if isinstance(file, Hdf5Strain) else file for file in files)


def _open(path: str | os.PathLike[str], dataset: Any) -> list[Strain | Hdf5Strain]:
    """Open the series of a file, one per detector."""
    path = Path(path).expanduser()
    read = load_strain if is_frame(path) else Hdf5Strain
    channels = find_channels(path, dataset)
    names = [name for name, _ in channels]
    opened = []
    for name, ifo in channels:
        series = read(path, dataset=name)
        if not series.ifo and names.count(name) > 1:
            raise ValueError(
                f"{str(path)!r} does not contain its detector, and dataset={dataset!r} asks for "
                f"{name!r} of several ones."
            )
        if isinstance(dataset, Mapping):
            if ifo is None and series.ifo in ("", *dataset):
                raise ValueError(f"{str(path)!r} has none of dataset={dataset!r}, but {name!r}.")
            if series.ifo != ifo and series.ifo in dataset:
                continue
        opened.append(series if series.ifo or not ifo else read(path, dataset=name, ifo=ifo))
    if not opened:
        raise ValueError(f"{str(path)!r} is of {series.ifo}: dataset={dataset!r} does not fit.")
    return opened
