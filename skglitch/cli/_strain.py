"""Spectrograms of the strain around triggers, out of any number of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from ..datasets import Strain

# The word for strain off the web in place of files, and its sample rate in Hz.
PUBLIC, _PUBLIC_RATE = "gwosc", 4096.0
# Read in s beyond each end, as times are settled to the nearest sample later.
_MARGIN = 0.1


def load_from_strain(
    triggers: Path,
    durations: tuple[float, ...] | None,
    size: tuple[int, int],
    options: Mapping[str, Any],
) -> Bunch:
    """Transform the strain around triggers.

    Parameters
    ----------
    triggers : pathlib.Path
        Table of triggers.
    durations : tuple of float or None
        Durations in s of the views; None is those of Gravity Spy.
    size : tuple of int
        Height and width of a view.
    options : mapping
        Of the command: ``strain``, ``channel``, ``length``, ``on_error``, ``device`` and
        ``quiet`` are used.

    Returns
    -------
    bunch : Bunch
        As :func:`skglitch.datasets.load_triggers` returns it, with ``durations``.
    """
    import numpy as np

    from ..datasets import fetch_open_strain, load_triggers
    from ..datasets._trigger_table import AUTO, read_triggers
    from ..spectrograms import QTransformer

    # Read here for the labels, of which load_triggers wants one a row or none.
    table = read_triggers(triggers, AUTO, AUTO, AUTO)
    source: Any
    ifo, sample_rate = AUTO, _PUBLIC_RATE
    if list(options["strain"]) == [PUBLIC]:
        source = fetch_open_strain
    else:
        source = StrainFiles(options["strain"], options["channel"], options["length"])
        sample_rate = source.sample_rate
        if len(source.detectors) == 1 and not table.has_ifo:
            ifo = source.detectors[0]
    transformer = QTransformer(sample_rate=sample_rate, size=size)
    if durations is not None:
        transformer.set_params(durations=durations)
    # Apple's GPUs have no float64, which whitening needs: nets alone run there.
    if options["device"] not in (None, "mps"):
        transformer.set_params(device=options["device"])
    bunch = load_triggers(
        triggers,
        source,
        transformer,
        ifo=ifo,
        label=None,
        length=options["length"],
        on_error=options["on_error"],
        progress=not options["quiet"],
    )
    bunch.durations = tuple(transformer.durations)
    if table.label is not None:
        bunch.target = np.array([_label(table.label[row]) for row in bunch.rows])
        bunch.target_names = np.unique(bunch.target[bunch.target != ""])
    return bunch


def _label(value: Any) -> str:
    """Write a label as text, empty where it is missing."""
    # NaN and pandas' NaT are not equal to themselves; pandas' NA tells by its name only.
    if value is None or type(value).__name__ == "NAType" or value != value:
        return ""
    return str(value).strip()


class StrainFiles:
    """Strain of any number of files and detectors, as a function of time and detector.

    Files of one detector that follow each other without a gap serve as one.

    Parameters
    ----------
    names : sequence of str
        Paths of HDF5 files, of which only what is asked for is read, or of frame files, which
        are read as a whole.
    channel : str or None
        Channel of frame files, or data set of HDF5 files.
    length : float
        How many s around a time are given.

    Raises
    ------
    ValueError
        If there are no files, or their sample rates differ.
    """

    def __init__(self, names: Sequence[str], channel: str | None, length: float) -> None:
        if not names:
            raise ValueError(
                "--triggers needs --strain: files of strain, or gwosc to download what is public."
            )
        self.length = length
        self.pieces = sorted((_Piece(name, channel) for name in names), key=lambda one: one.start)
        rates = {piece.sample_rate for piece in self.pieces}
        if len(rates) > 1:
            told = " and ".join(f"{rate:g}" for rate in sorted(rates))
            raise ValueError(f"--strain: sample rates are {told} Hz: give files of one rate.")
        self.sample_rate = rates.pop()

    @property
    def detectors(self) -> list[str]:
        """Names of the detectors that files tell of."""
        return sorted({piece.ifo for piece in self.pieces} - {""})

    def __call__(self, gps: float, ifo: str) -> Strain:
        """Read the strain around a time, or what there is of it.

        Parameters
        ----------
        gps : float
            GPS time in s.
        ifo : str
            The detector.

        Returns
        -------
        strain : Strain

        Raises
        ------
        ValueError
            If no file of the detector has the time.
        """
        start, stop = gps - self.length / 2 - _MARGIN, gps + self.length / 2 + _MARGIN
        # A file that does not tell its detector is taken for that of any.
        own = [piece for piece in self.pieces if piece.ifo in (ifo, "")]
        if not own:
            raise ValueError(
                f"no file of --strain is of {ifo}; there are those of {', '.join(self.detectors)}"
            )
        near = [piece for piece in own if piece.start < stop and piece.stop > start]
        if not any(piece.start <= gps < piece.stop for piece in near):
            spans = ", ".join(f"{piece.start:.0f} to {piece.stop:.0f}" for piece in own)
            raise ValueError(f"no file of --strain has this time; those of {ifo} have GPS {spans}")
        return _join([piece.read(start, stop) for piece in near], gps)


class _Piece:
    """The strain of one file, from ``start`` to ``stop`` in GPS s."""

    def __init__(self, name: str, channel: str | None) -> None:
        from ..datasets import load_strain
        from ..datasets._hdf5 import Hdf5Strain
        from ..datasets._load_strain import open_hdf5

        path = Path(name).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"--strain: there is no file {name!r}.")
        self._read: Callable[[float, float], Strain]
        if path.suffix.lower() == ".gwf":
            whole = load_strain(path, dataset=channel)
            self.start, self.stop = whole.span
            self.ifo, self.sample_rate = whole.ifo, whole.sample_rate
            self._read = whole.crop
        else:
            file = open_hdf5(path) if channel is None else Hdf5Strain(path, channel)
            self.start, self.stop = file.axis.t0, file.axis.t1
            self.ifo, self.sample_rate = file.ifo, file.sample_rate
            self._read = lambda start, stop: file.read(file.axis.between(start, stop))

    def read(self, start: float, stop: float) -> Strain:
        """Read what there is between two times."""
        return self._read(max(start, self.start), min(stop, self.stop))


def _join(parts: list[Strain], gps: float) -> Strain:
    """Put stretches that follow each other into one, up to the first gap on either side."""
    import numpy as np

    from ..datasets import Strain

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
