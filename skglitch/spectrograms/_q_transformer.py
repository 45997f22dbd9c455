"""Strain to X: whitening and the constant-Q transform as a scikit-learn transformer."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions
from tqdm.auto import tqdm

from .._device import choose_exact_device
from .._memory import kept_memory
from ._q_transform import MAX_ENERGY, Grid, Loudest, QScan, cached_scan
from ._whitening import whitened_spectrum


class QTransformer(TransformerMixin, BaseEstimator):
    """Turn strain around triggers into the pictures that Gravity Spy shows.

    Strain is whitened by its own spectrum, and compared with sine-Gaussians of many
    frequencies at each of a few quality factors Q [1]_. The Q of the loudest tile near the
    trigger is taken for all views of a glitch. Energies are divided by the median of their
    frequency, so that stationary noise has a mean of 1 / ln 2, and clipped at 25.5.

    Parameters
    ----------
    sample_rate : float, default=4096.0
        Samples of strain in a second, in Hz.
    durations : tuple of float, default=(0.5, 1.0, 2.0, 4.0)
        Durations in s of the views.
    frange : tuple of float, default=(10.0, 2048.0)
        Lowest and highest frequency shown, in Hz; the highest may be half the sample rate.
    qrange : tuple of float, default=(4.0, 64.0)
        Lowest and highest quality factor.
    mismatch : float, default=0.2
        Largest loss of energy between neighboring tiles.
    size : tuple of int, default=(140, 170)
        ``(height, width)`` of a view in pixels.
    trigger_time : float, default=None
        Time of the trigger in s from the start of each sample. None is the middle.
    search : float, default=0.5
        Width in s of the window around the trigger in which the loudest tile is looked for.
    q_for : {"all", "each"}, default="all"
        Whether one Q is chosen for ``"all"`` views, or for ``"each"`` view that of the loudest
        tile in its own duration.
    median_of : {"all", "clean"}, default="all"
        Which tiles the medians are taken over: ``"all"``, as gwpy does, or the ``"clean"``
        ones, without the ends that whitening spoils. Where they are a large part of the
        strain, as in 8 s of it, ``"all"`` makes energies too high, by some 20 %.
    time_step, frequency_step : float, default=0.002, 0.5
        Width in s and height in Hz of the cells that Gravity Spy's pictures consist of.
    fft_length : float, default=2.0
        Length in s of the stretches whose median spectrum whitens the strain.
    overlap : float, default=0.5
        Part of a stretch that the next one shares.
    window : str, default="hann"
        Window of stretches, whitening filter and ends of the strain, as
        :func:`scipy.signal.get_window` names it.
    filter_length : float, default=2.0
        Length in s of the whitening filter. At both ends of the strain, half of it is not
        to be shown.
    whiten : bool, default=True
        False takes strain that is whitened already as it is.
    output : {"uint8", "energy"}, default="uint8"
        ``"uint8"`` is ten times the energy, rounded, as everything else here takes it;
        ``"energy"`` is float32 from 0 to 25.5.
    batch_size : int, default=32
        Largest number of glitches that are in memory at a time.
    device : str or torch.device, default="auto"
        Where to compute. ``"auto"`` takes the first CUDA device where there is one, and else
        the CPU: Apple's MPS has no float64.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    n_features_in_ : int
        Number of samples in time, where ``fit`` was called.

    See Also
    --------
    skglitch.datasets.load_strain : Reads strain.
    skglitch.datasets.load_gravity_spy : Reads the same X from pictures.

    Notes
    -----
    Nothing is learnt: ``transform`` works without ``fit``. Rows of tiles whose window reaches
    beyond half the sample rate are shown with what is left of it, but no Q is chosen by them.

    References
    ----------
    .. [1] S. Chatterji, "The search for gravitational wave bursts in data from the second
       LIGO science run", PhD thesis, MIT (2005), chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.spectrograms import QTransformer
    >>> rng = np.random.default_rng(0)
    >>> times = np.arange(-4, 4, 1 / 4096)
    >>> burst = 5 * np.exp(-((times / 0.01) ** 2)) * np.sin(2 * np.pi * 200 * times)
    >>> strain = rng.normal(size=(2, times.size)) + burst
    >>> transformer = QTransformer(sample_rate=4096)
    >>> transformer.fit_transform(strain).shape
    (2, 4, 140, 170)
    >>> loudest = transformer.scan(strain)
    >>> bool(abs(loudest.frequency[0] - 200) < 20)
    True
    """

    _parameter_constraints: dict = {
        "sample_rate": [Interval(Real, 0, None, closed="neither")],
        "durations": [tuple, list],
        "frange": [tuple, list],
        "qrange": [tuple, list],
        "mismatch": [Interval(Real, 0, 1, closed="neither")],
        "size": [tuple, list],
        "trigger_time": [Interval(Real, 0, None, closed="neither"), None],
        "search": [Interval(Real, 0, None, closed="neither")],
        "q_for": [StrOptions({"all", "each"})],
        "median_of": [StrOptions({"all", "clean"})],
        "time_step": [Interval(Real, 0, None, closed="neither")],
        "frequency_step": [Interval(Real, 0, None, closed="neither")],
        "fft_length": [Interval(Real, 0, None, closed="neither")],
        "overlap": [Interval(Real, 0, 1, closed="left")],
        "window": [str],
        "filter_length": [Interval(Real, 0, None, closed="neither")],
        "whiten": ["boolean"],
        "output": [StrOptions({"uint8", "energy"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        sample_rate: float = 4096.0,
        durations: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0),
        frange: tuple[float, float] = (10.0, 2048.0),
        qrange: tuple[float, float] = (4.0, 64.0),
        *,
        mismatch: float = 0.2,
        size: tuple[int, int] = (140, 170),
        trigger_time: float | None = None,
        search: float = 0.5,
        q_for: str = "all",
        median_of: str = "all",
        time_step: float = 0.002,
        frequency_step: float = 0.5,
        fft_length: float = 2.0,
        overlap: float = 0.5,
        window: str = "hann",
        filter_length: float = 2.0,
        whiten: bool = True,
        output: str = "uint8",
        batch_size: int = 32,
        device: Any = "auto",
        verbose: int = 0,
    ) -> None:
        self.sample_rate = sample_rate
        self.durations = durations
        self.frange = frange
        self.qrange = qrange
        self.mismatch = mismatch
        self.size = size
        self.trigger_time = trigger_time
        self.search = search
        self.q_for = q_for
        self.median_of = median_of
        self.time_step = time_step
        self.frequency_step = frequency_step
        self.fft_length = fft_length
        self.overlap = overlap
        self.window = window
        self.filter_length = filter_length
        self.whiten = whiten
        self.output = output
        self.batch_size = batch_size
        self.device = device
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> QTransformer:
        """Check parameters and strain; nothing is learnt.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_times)
            Strain.
        y : None
            Ignored.

        Returns
        -------
        self : QTransformer

        Raises
        ------
        ValueError
            If a parameter or the strain is not what it should be.
        """
        strain = _check_strain(X)
        self._make_scan(strain.shape[1])
        self.n_features_in_ = strain.shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Turn strain into views.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_times)
            Strain in any unit, as floats.

        Returns
        -------
        views : ndarray of shape (n_samples, n_views, height, width)
            uint8, 255 being a normalized energy of 25.5, or float32 with
            ``output="energy"``.

        Raises
        ------
        ValueError
            If strain is too short, constant, or has NaN; the message names the row.
        """
        return self.scan(X).data

    def scan(self, X: Any) -> Bunch:
        """Turn strain into views, and tell about the loudest tile of each glitch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_times)
            Strain in any unit, as floats.

        Returns
        -------
        bunch : :class:`~sklearn.utils.Bunch`
            data : ndarray of shape (n_samples, n_views, height, width)
                As from ``transform``.
            q : ndarray of shape (n_samples,) or (n_samples, n_views)
                Chosen quality factor, of each view with ``q_for="each"``.
            time, frequency, snr : ndarray of shape (n_samples,)
                Of the loudest tile within ``search``: time in s from the trigger, frequency
                in Hz, and signal-to-noise ratio, the root of twice the normalized energy.

        Raises
        ------
        ValueError
            As from ``transform``.
        """
        self._validate_params()
        strain = _check_strain(X)
        scan = self._make_scan(strain.shape[1])
        n = len(strain)
        height, width = self.size
        shape = (n, len(self.durations), height, width)
        result = Bunch(
            data=np.empty(shape, dtype=np.float32 if self.output == "energy" else np.uint8),
            q=np.empty((n, len(self.durations)) if self.q_for == "each" else n),
            **{name: np.empty(n) for name in ("time", "frequency", "snr")},
        )
        starts = range(0, n, self.batch_size)
        with kept_memory(scan.device), torch.inference_mode():
            for start in tqdm(starts, desc="q-transform", unit="batch", disable=not self.verbose):
                rows = slice(start, start + self.batch_size)
                self._scan_batch(scan, strain[rows], result, rows)
        return result

    def _scan_batch(self, scan: QScan, strain: np.ndarray, result: Bunch, rows: slice) -> None:
        spectrum = self._spectrum(scan, strain)
        spectra = scan.spectra(spectrum)
        medians = [scan.medians(spectrum, plane) for plane in scan.planes]
        loudest = scan.loudest(spectra, medians, self.search)
        result.time[rows] = loudest.time
        result.frequency[rows] = loudest.frequency
        result.snr[rows] = np.sqrt(2 * loudest.energy)
        q = np.array([plane.q for plane in scan.planes])
        energy = medians[0].new_empty((len(strain), *result.data.shape[1:]))
        if self.q_for == "all":
            self._fill(scan, spectra, medians, loudest, energy, None)
            result.q[rows] = q[loudest.plane]
        else:
            for view, duration in enumerate(self.durations):
                own = scan.loudest(spectra, medians, duration)
                self._fill(scan, spectra, medians, own, energy, view)
                result.q[rows, view] = q[own.plane]
        if self.output == "uint8":
            energy = (energy * (255 / MAX_ENERGY)).round_().to(torch.uint8)
        result.data[rows] = energy.cpu().numpy()

    def _fill(
        self,
        scan: QScan,
        spectra: dict,
        medians: list[torch.Tensor],
        loudest: Loudest,
        energy: torch.Tensor,
        view: int | None,
    ) -> None:
        views = range(len(self.durations)) if view is None else [view]
        for plane in np.unique(loudest.plane):
            chosen = torch.from_numpy(np.flatnonzero(loudest.plane == plane)).to(scan.device)
            spectrum = spectra[scan.shown][chosen]
            pixels = scan.views(spectrum, plane, medians[plane][chosen], views)
            energy[chosen[:, None], torch.tensor(list(views), device=scan.device)] = pixels

    def _spectrum(self, scan: QScan, strain: np.ndarray) -> torch.Tensor:
        # Scaled first: squares of strain in its own unit, 1e-21, would be lost.
        values = np.asarray(strain, dtype=np.float64)
        values = values / np.abs(values).max(axis=1, keepdims=True)
        tensor = torch.from_numpy(values).to(scan.device)
        if not self.whiten:
            spectrum = torch.fft.rfft(tensor - tensor.mean(dim=1, keepdim=True))
            return spectrum[:, : scan.n_bins].to(torch.complex64)
        spectrum = whitened_spectrum(
            tensor,
            self.sample_rate,
            fft_length=self.fft_length,
            overlap=self.overlap,
            window=self.window,
            filter_length=self.filter_length,
        )
        return spectrum[:, : scan.n_bins]

    def check(self, n_times: int) -> None:
        """Check all parameters, and that strain is long enough for them.

        Parameters
        ----------
        n_times : int
            Samples of strain.

        Raises
        ------
        ValueError
            If a parameter is not what it should be, or if the strain would be too short.
        """
        self._validate_params()
        self._make_scan(n_times)

    def _make_scan(self, n_times: int) -> QScan:
        """Check parameters against each other and the length of strain."""
        durations, frange, qrange = (
            _numbers(getattr(self, name), name) for name in ("durations", "frange", "qrange")
        )
        _check_range("frange", frange, self.sample_rate / 2)
        _check_range("qrange", qrange, np.inf)
        size = tuple(self.size)
        if len(size) != 2 or not all(isinstance(s, Integral) and s > 0 for s in size):
            raise ValueError(f"size={self.size!r} is not a pair of positive integers.")
        if not durations or min(durations) <= 0:
            raise ValueError(f"durations={self.durations!r} must be positive times in s.")
        length = n_times / self.sample_rate
        trigger = length / 2 if self.trigger_time is None else float(self.trigger_time)
        lost = self.filter_length / 2 if self.whiten else 0.0
        room = min(trigger, length - trigger) - lost
        if room < max(durations) / 2:
            needed = max(durations) / 2 + lost
            raise ValueError(
                f"X has {length:g} s of strain ({n_times} samples at sample_rate="
                f"{self.sample_rate:g} Hz), the trigger at {trigger:g} s: a view of "
                f"{max(durations):g} s needs {needed:g} s before and after the trigger, "
                f"{lost:g} s of which are lost to whitening."
            )
        grid = Grid(
            durations,
            (int(size[0]), int(size[1])),
            self.time_step,
            self.frequency_step,
            (frange[0], frange[1]),
        )
        device = choose_exact_device(self.device)
        ends = lost if self.median_of == "clean" else 0.0
        return cached_scan(
            self.sample_rate, n_times, trigger, grid, qrange, self.mismatch, ends, device
        )


def _numbers(values: Any, name: str) -> tuple[float, ...]:
    if not all(isinstance(value, Real) and math.isfinite(value) for value in values):
        raise ValueError(f"{name}={values!r} must hold finite numbers only.")
    return tuple(float(value) for value in values)


def _check_range(name: str, values: tuple[float, ...], highest: float) -> None:
    if len(values) != 2 or not 0 < values[0] < values[1] <= highest:
        limit = "" if np.isinf(highest) else f" <= {highest:g}, half the sample rate"
        raise ValueError(f"{name}={values!r} must be (low, high) with 0 < low < high{limit}.")


def _check_strain(X: Any) -> np.ndarray:
    strain = np.asarray(X)
    if strain.ndim != 2 or strain.dtype.kind not in "fiu" or not strain.size:
        raise ValueError(
            f"X must be strain as real numbers of shape (n_samples, n_times), not {strain.dtype} "
            f"of shape {strain.shape}. A single glitch is strain[None]."
        )
    for row, values in enumerate(strain):
        if not np.isfinite(values).all():
            raise ValueError(
                f"Row {row} of X has {np.count_nonzero(~np.isfinite(values))} samples that are "
                "NaN or infinite: the detector was not recording, or a file has a gap there."
            )
        if values.min() == values.max():
            raise ValueError(f"Row {row} of X is constant, {values[0]:g}: there is nothing in it.")
    return strain
