"""Strain in many files, as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ._hdf5 import Hdf5Strain
from ._load_strain import check_file, is_frame, load_strain, open_hdf5
from ._strain import Strain
from ._time_axis import check_number

# Read in s beyond each end, as times are settled to the nearest sample later.
_MARGIN = 0.1


class StrainFiles:
    """Strain in any number of files, of one detector or several.

    Files of one detector that follow each other without a gap serve as one.

    Parameters
    ----------
    paths : iterable of path
        Files that :func:`load_strain` takes. Of those in HDF5 only what is asked for is read;
        frame files are read as a whole, at once.
    dataset : str, default=None
        Path of the data set in HDF5 files, or the channel of frame files. Files of GWOSC in
        HDF5 and those with one data set need none.

    Attributes
    ----------
    sample_rate : float
        In Hz.
    detectors : list of str
        The detectors that the files tell of. A file that does not tell its detector is taken
        for that of any.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If one is no file.
    ImportError
        If h5py, or gwpy for a frame file, is not installed.
    ValueError
        If there are none, one is no strain, or their sample rates differ.

    See Also
    --------
    load_triggers : Make spectrograms of many glitches.
    load_strain : Load one file.

    Examples
    --------
    >>> import h5py, tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from skglitch.datasets import StrainFiles
    >>> noise = np.random.default_rng(0).normal(size=8 * 1024)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [Path(folder, f"H1-{start}.hdf5") for start in (1126259456, 1126259464)]
    ...     for path, start in zip(paths, (1126259456, 1126259464)):
    ...         with h5py.File(path, "w") as file:
    ...             file["H1:STRAIN"] = noise
    ...             file["H1:STRAIN"].attrs.update(sample_rate=1024.0, t0=start)
    ...     strain = StrainFiles(paths)
    ...     strain.detectors, strain.around(1126259464.0, 4.0, "H1").shape
    (['H1'], (4096,))
    """

    def __init__(
        self, paths: Iterable[str | os.PathLike[str]], *, dataset: str | None = None
    ) -> None:
        if isinstance(paths, str | os.PathLike):
            raise ValueError(f"paths={paths!r} must be several paths, such as [{str(paths)!r}].")
        self._files = sorted((_File(path, dataset) for path in paths), key=lambda one: one.start)
        if not self._files:
            raise ValueError("There are no strain files.")
        rates = {file.sample_rate for file in self._files}
        if len(rates) > 1:
            told = " and ".join(f"{rate:g}" for rate in sorted(rates))
            raise ValueError(f"Strain files have sample rates of {told} Hz: give those of one.")
        self.sample_rate = rates.pop()
        self.detectors = sorted({file.ifo for file in self._files} - {""})

    def around(self, gps: float, length: float, ifo: str) -> np.ndarray:
        """Read the samples around a time.

        Parameters
        ----------
        gps : float
            GPS time in s.
        length : float
            How many s to take.
        ifo : str
            The detector.

        Returns
        -------
        samples : ndarray of shape (n,)
            The sample nearest to ``gps`` is number ``n // 2``.

        Raises
        ------
        ValueError
            If no file of the detector has the time, if it is too near an end or a gap, or if
            all samples are zero.
        """
        length = check_number("length", length, positive=True)
        start, stop = gps - length / 2 - _MARGIN, gps + length / 2 + _MARGIN
        own = [file for file in self._files if file.ifo in (ifo, "")]
        if not own:
            raise ValueError(
                f"no strain file is of {ifo}; there are those of {', '.join(self.detectors)}"
            )
        near = [file for file in own if file.start < stop and file.stop > start]
        if not any(file.start <= gps < file.stop for file in near):
            spans = ", ".join(f"{file.start:.0f} to {file.stop:.0f}" for file in own)
            raise ValueError(f"no strain file has this time; those of {ifo} have GPS {spans}")
        return _join([file.read(start, stop) for file in near], gps).around(gps, length)


class _File:
    """The strain of one file, from ``start`` to ``stop`` in GPS s."""

    def __init__(self, path: str | os.PathLike[str], dataset: str | None) -> None:
        path = Path(path).expanduser()
        check_file(path)
        self._read: Callable[[float, float], Strain]
        if is_frame(path):
            whole = load_strain(path, dataset=dataset)
            self.start, self.stop = whole.span
            self.ifo, self.sample_rate = whole.ifo, whole.sample_rate
            self._read = whole.crop
        else:
            file = open_hdf5(path) if dataset is None else Hdf5Strain(path, dataset)
            self.start, self.stop = file.axis.t0, file.axis.t1
            self.ifo, self.sample_rate = file.ifo, file.sample_rate
            self._read = lambda start, stop: file.read(file.axis.between(start, stop))

    def read(self, start: float, stop: float) -> Strain:
        """Read what there is between two times."""
        return self._read(max(start, self.start), min(stop, self.stop))


def _join(parts: list[Strain], gps: float) -> Strain:
    """Put stretches that follow each other into one, up to the first gap on either side."""
    runs = [parts[:1]]
    for part in parts[1:]:
        end = runs[-1][-1].t1
        if part.t1 <= end:
            continue  # all of it is there already
        if part.t0 > end + 0.5 / part.sample_rate:
            runs.append([part])
        else:
            runs[-1].append(part.crop(start=end) if part.t0 < end else part)
    run = next(run for run in runs if run[0].t0 <= gps < run[-1].t1)
    data = np.concatenate([part.data for part in run])
    return Strain(data, run[0].sample_rate, run[0].t0, run[0].ifo)
