"""Whitening and the constant-Q transform of strain, as a scikit-learn transformer."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import get_window
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval
from sklearn.utils._set_output import _get_output_config
from torch.nn.functional import interpolate

from .._dask import by_blocks, is_dask
from .._device import (
    choose_exact_device,
    computing,
    explaining_memory,
    irfft,
    median,
    rfft,
    to_device,
)
from .._validation import describe_gaps, find_gaps, unmask
from ._q_transform import MAX_ENERGY, Grid, QScan, cached_scan

# Bins at either end of the spectrum over which the whitening filter rises from zero.
_N_RAMP = 5


# scikit-learn cannot convert four dimensions to a data frame, so transform does.
class QTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Constant-Q transform of the strain around triggers, as in Gravity Spy's pictures.

    Strain is whitened by its own spectrum and projected onto sine-Gaussians of many frequencies
    and a few quality factors Q [1]_. Each glitch is shown at the Q of its loudest tile near the
    trigger, which is in the middle of the strain. Energies are divided by the median at their
    frequency, so that stationary noise has a mean of 1 / ln 2, and clipped at 25.5. The transformer
    is stateless: ``transform`` works without ``fit``.

    Parameters
    ----------
    sample_rate : float, default=4096.0
        Sample rate of the strain in Hz.
    durations : tuple of float, default=(0.5, 1.0, 2.0, 4.0)
        Durations of the views in s.
    frange : tuple of float, default=(10.0, 2048.0)
        Lowest and highest frequency in Hz. The highest may be at most half the sample rate.
    qrange : tuple of float, default=(4.0, 64.0)
        Lowest and highest Q.
    mismatch : float, default=0.2
        Largest fractional loss of energy between neighboring tiles.
    search : float, default=0.5
        Width in s of the window, centered on the trigger, that is searched for the loudest tile.
    size : tuple of int, default=(140, 170)
        Height and width of a view in pixels.
    tres : float, default=0.002
        Time resolution in s, before views are resized to ``size``.
    fres : float, default=0.5
        Frequency resolution in Hz, before views are resized to ``size``.
    fftlength : float, default=2.0
        Duration in s of the Fourier transforms whose median spectrum whitens the strain.
    fduration : float, default=2.0
        Duration in s of the whitening filter. Half of it is lost at each end of the strain.
    whiten : bool, default=True
        Whether to whiten. Use False for strain that is already whitened.
    batch_size : int, default=32
        Number of glitches to transform at a time.
    device : str or torch.device, default="auto"
        ``"auto"`` is a GPU if there is one. Apple's MPS is not supported, as it has no float64.

    Attributes
    ----------
    n_features_in_ : int
        Number of time samples seen in ``fit``.

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
    >>> QTransformer(sample_rate=4096).fit_transform(strain).shape
    (2, 4, 140, 170)
    """

    _parameter_constraints: dict = {
        "sample_rate": [Interval(Real, 0, None, closed="neither")],
        "durations": [tuple, list],
        "frange": [tuple, list],
        "qrange": [tuple, list],
        "mismatch": [Interval(Real, 0, 1, closed="neither")],
        "search": [Interval(Real, 0, None, closed="neither")],
        "size": [tuple, list],
        "tres": [Interval(Real, 0, None, closed="neither")],
        "fres": [Interval(Real, 0, None, closed="neither")],
        "fftlength": [Interval(Real, 0, None, closed="neither")],
        "fduration": [Interval(Real, 0, None, closed="neither")],
        "whiten": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
    }

    def __init__(
        self,
        sample_rate: float = 4096.0,
        durations: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0),
        frange: tuple[float, float] = (10.0, 2048.0),
        qrange: tuple[float, float] = (4.0, 64.0),
        *,
        mismatch: float = 0.2,
        search: float = 0.5,
        size: tuple[int, int] = (140, 170),
        tres: float = 0.002,
        fres: float = 0.5,
        fftlength: float = 2.0,
        fduration: float = 2.0,
        whiten: bool = True,
        batch_size: int = 32,
        device: Any = "auto",
    ) -> None:
        self.sample_rate = sample_rate
        self.durations = durations
        self.frange = frange
        self.qrange = qrange
        self.mismatch = mismatch
        self.search = search
        self.size = size
        self.tres = tres
        self.fres = fres
        self.fftlength = fftlength
        self.fduration = fduration
        self.whiten = whiten
        self.batch_size = batch_size
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> QTransformer:
        """Check the parameters and the strain.

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
            If a parameter or the strain is invalid.
        """
        strain = _check_strain(X, self.sample_rate)
        self._make_scan(strain.shape[1])
        self.n_features_in_ = strain.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        """Transform strain to spectrograms.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_times)
            Strain in any unit, with the trigger in the middle.

        Returns
        -------
        views : ndarray of shape (n_samples, n_views, height, width), dtype uint8
            Normalized energy times 10. A data frame after ``set_output(transform="pandas")``. A
            Dask array if X is one.

        Raises
        ------
        ValueError
            If the strain is too short, or has gaps: samples that are NaN, infinite, or constant for
            1/16 s or longer.
        """
        if is_dask(X):
            return by_blocks(self, "transform", X, (len(self.durations), *self.size), np.uint8)
        views = self.scan(X).data
        if _get_output_config("transform", self)["dense"] != "pandas":
            return views
        import pandas as pd

        levels = [range(length) for length in views.shape[1:]]
        return pd.DataFrame(
            views.reshape(len(views), -1),
            index=X.index if hasattr(X, "columns") else None,
            columns=pd.MultiIndex.from_product(levels, names=["view", "row", "column"]),
        )

    def set_output(self, *, transform: str | None = None) -> QTransformer:
        """Set the container that ``transform`` returns, as in scikit-learn.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            ``"pandas"`` is a data frame with the index of X and a column per pixel, named by view,
            row and column, which estimators of skglitch take as X. The others return arrays.

        Returns
        -------
        self : QTransformer
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Get the names of the pixels, in the order of flattened views.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of shape (n_views * height * width,), dtype object
            Such as ``"view0_row12_column3"``.
        """
        pixels = np.ndindex(len(self.durations), *self.size)
        names = [f"view{view}_row{row}_column{column}" for view, row, column in pixels]
        return np.array(names, dtype=object)

    def scan(self, X: Any, *, clean_medians: bool = False, scale: Any = 1.0) -> Bunch:
        """Transform strain to spectrograms, and report the loudest tile of each glitch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_times)
            Strain in any unit, with the trigger in the middle.
        clean_medians : bool, default=False
            Whether medians exclude the ends, which whitening corrupts. gwpy includes them, which
            makes energies in 8 s of strain about 20 % too high.
        scale : float or array-like of shape (n_samples,), default=1.0
            Factor of the energies in ``data``.

        Returns
        -------
        bunch : :class:`~sklearn.utils.Bunch`
            data : ndarray of shape (n_samples, n_views, height, width), dtype uint8
                Normalized energy times 10.
            q : ndarray of shape (n_samples,)
                Quality factor of the loudest tile.
            time, frequency, snr : ndarray of shape (n_samples,)
                Time of the loudest tile in s relative to the trigger, its frequency in Hz, and its
                signal-to-noise ratio, the square root of twice its normalized energy.

        Raises
        ------
        ValueError
            As in ``transform``.
        """
        self._validate_params()
        strain = _check_strain(X, self.sample_rate)
        scan = self._make_scan(strain.shape[1], clean_medians)
        n = len(strain)
        divisors = torch.as_tensor(1 / np.broadcast_to(scale, n), dtype=torch.float32)
        divisors = to_device(divisors, scan.device)
        result = Bunch(
            data=np.empty((n, len(self.durations), *self.size), dtype=np.uint8),
            **{name: np.empty(n) for name in ("q", "time", "frequency", "snr")},
        )
        with (
            computing(scan.device),
            explaining_memory(scan.device, self.batch_size),
            torch.inference_mode(),
        ):
            for start in range(0, n, self.batch_size):
                rows = slice(start, start + self.batch_size)
                spectrum = self._spectrum(scan, strain[rows])
                spectra = scan.spectra(spectrum)
                medians = [scan.medians(spectrum, plane) for plane in scan.planes]
                _check_medians(medians, start)
                loudest = scan.loudest(spectra, medians, self.search)
                peaks, planes, result.time[rows], result.frequency[rows] = loudest
                planes = planes.astype(int)
                result.q[rows] = [scan.planes[plane].q for plane in planes]
                result.snr[rows] = np.sqrt(2 * peaks)
                # All views of a glitch are shown at the Q of its loudest tile.
                drawn = []
                for plane in np.unique(planes):
                    chosen = np.flatnonzero(planes == plane)
                    index = to_device(torch.from_numpy(chosen), scan.device)
                    divisor = medians[plane][index] * divisors[index + start, None]
                    energy = scan.views(spectra[scan.shown][index], plane, divisor)
                    drawn.append((chosen, (energy * (255 / MAX_ENERGY)).round_().to(torch.uint8)))
                for chosen, pixels in drawn:  # after all are queued, as the host waits here
                    result.data[start + chosen] = pixels.cpu().numpy()
        return result

    def _spectrum(self, scan: QScan, strain: np.ndarray) -> torch.Tensor:
        # Scaled, as squares of strain (1e-21) underflow.
        values = np.asarray(strain, dtype=np.float64)
        values = values / np.abs(values).max(axis=1, keepdims=True)
        tensor = to_device(torch.from_numpy(values), scan.device)
        if self.whiten:
            spectrum = whitened_spectrum(tensor, self.sample_rate, self.fftlength, self.fduration)
            return spectrum[:, : scan.n_bins]
        spectrum = rfft(tensor - tensor.mean(dim=1, keepdim=True))
        return spectrum[:, : scan.n_bins].to(torch.complex64)

    def _make_scan(self, n_times: int, clean_medians: bool = False) -> QScan:
        """Check the parameters against each other and against the duration of the strain."""
        durations, frange, qrange = (
            as_numbers(getattr(self, name), name) for name in ("durations", "frange", "qrange")
        )
        check_range("frange", frange, self.sample_rate / 2)
        check_range("qrange", qrange, np.inf)
        size = tuple(self.size)
        if len(size) != 2 or not all(isinstance(s, Integral) and s > 0 for s in size):
            raise ValueError(f"size={self.size!r} is not a pair of positive integers.")
        if not durations or min(durations) <= 0:
            raise ValueError(f"durations={self.durations!r} must be positive times in s.")
        available = n_times / self.sample_rate
        lost = self.fduration / 2 if self.whiten else 0.0
        if available / 2 - lost < max(durations) / 2:
            raise ValueError(
                f"X has {available:g} s of strain ({n_times} samples at sample_rate="
                f"{self.sample_rate:g} Hz), but a view of {max(durations):g} s needs "
                f"{max(durations) + 2 * lost:g} s, of which whitening loses {lost:g} s at either "
                "end."
            )
        height, width = map(int, size)
        grid = Grid(durations, (height, width), self.tres, self.fres, (frange[0], frange[1]))
        device = choose_exact_device(self.device)
        ends = lost if clean_medians else 0.0
        return cached_scan(self.sample_rate, n_times, grid, qrange, self.mismatch, ends, device)


def as_numbers(values: Any, name: str) -> tuple[float, ...]:
    """Convert a sequence of finite numbers."""
    if not all(isinstance(value, Real) and math.isfinite(value) for value in values):
        raise ValueError(f"{name}={values!r} must hold finite numbers only.")
    return tuple(float(value) for value in values)


def check_range(name: str, values: tuple[float, ...], highest: float) -> None:
    """Refuse a range that is not increasing, or beyond the highest value."""
    if len(values) != 2 or not 0 < values[0] < values[1] <= highest:
        limit = "" if np.isinf(highest) else f" <= {highest:g}, half the sample rate"
        raise ValueError(f"{name}={values!r} must be (low, high) with 0 < low < high{limit}.")


def _check_strain(X: Any, sample_rate: float) -> np.ndarray:
    strain = np.asarray(unmask(X))
    if strain.ndim != 2 or strain.dtype.kind not in "fiu" or not strain.size:
        raise ValueError(
            f"X must be strain as real numbers of shape (n_samples, n_times), not {strain.dtype} "
            f"of shape {strain.shape}. For a single glitch pass strain[None]."
        )
    for row, values in enumerate(strain):
        if values.min() == values.max():
            raise ValueError(f"Row {row} of X is constant, {values[0]:g}.")
        gaps = find_gaps(values, sample_rate)
        if gaps.any():
            raise ValueError(
                f"Row {row} of X has gaps: {np.count_nonzero(gaps)} of {len(values)} samples are "
                f"{describe_gaps(values[gaps])}, from {gaps.argmax() / sample_rate:g} s on."
            )
    return strain


def _check_medians(medians: list[torch.Tensor], start: int) -> None:
    """Refuse rows whose noise is zero, or vanishes in float32 next to their largest sample."""
    usable = torch.stack([((m > 0) & (m < torch.inf)).all(dim=1) for m in medians]).all(dim=0)
    if not usable.all():
        row = start + int(usable.int().argmin())
        raise ValueError(
            f"Row {row} of X has no noise at some frequencies, or a sample that exceeds the others "
            "by too many orders of magnitude."
        )


def whitened_spectrum(
    strain: torch.Tensor, sample_rate: float, fftlength: float, fduration: float
) -> torch.Tensor:
    """Fourier transform of whitened strain (arXiv:gr-qc/0509116, section V), from float64."""
    n_times = strain.shape[1]
    strain = strain - strain.mean(dim=1, keepdim=True)
    # Power up to a constant, which cancels when energies are divided by their median.
    size = min(round(fftlength * sample_rate), n_times)
    stretches = strain.unfold(1, size, max(1, size - round(size / 2)))
    spectra = rfft(stretches * _hann(size, strain.device))
    parts = torch.view_as_real(spectra.to(torch.complex64))
    power = parts.mul_(parts).sum(dim=-1)
    # A median, so that whitening does not suppress the glitch.
    amplitude = median(power.transpose(1, 2).contiguous()).sqrt()
    # Interpolated before it is inverted, so that lines stay narrow.
    fine = interpolate(amplitude[:, None], n_times // 2 + 1, mode="linear", align_corners=True)
    transfer = fine[:, 0].reciprocal()
    # Frequencies near 0 and near the Nyquist frequency are not meaningful.
    ramp = torch.hann_window(2 * _N_RAMP, periodic=False, device=transfer.device)[:_N_RAMP]
    transfer[:, :_N_RAMP] *= ramp
    transfer[:, -_N_RAMP:] *= ramp.flip(0)
    taps = irfft(transfer, n=n_times)
    half = min(round(fduration * sample_rate), n_times) // 2
    window = _hann(2 * half, strain.device)
    # The middle of the filter is at ``half``.
    taps = torch.cat([taps[:, n_times - half :], taps[:, :half]], dim=1) * window.to(taps.dtype)
    # Tapered, so that a step at the ends does not ring through all strain.
    tapered = strain.clone()
    tapered[:, :half] *= window[:half]
    tapered[:, n_times - half :] *= window[half:]
    # Zero-padded, so that the convolution does not wrap around.
    size = next_fast_len(n_times + 2 * half, real=True)
    spectrum = rfft(tapered, n=size).to(torch.complex64)
    whitened = irfft(spectrum.mul_(rfft(taps, n=size)), n=size)
    return rfft(whitened[:, half : half + n_times])


def _hann(size: int, device: torch.device) -> torch.Tensor:
    return to_device(torch.from_numpy(np.ascontiguousarray(get_window("hann", size))), device)
