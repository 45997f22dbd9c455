"""Triggers in strain of any duration: loud tiles of the constant-Q transform, clustered in time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from tqdm import tqdm

from .._device import choose_exact_device, computing, explaining_memory, irfft, median, rfft
from .._validation import LOST_AT_GAPS, check_segments, find_gaps, validated
from ._q_transform import Stretch
from ._q_transformer import as_numbers, check_range
from ._tiling import count_tiles, make_planes

if TYPE_CHECKING:
    import pandas as pd

# Blocks start at multiples of their step in GPS time, so that triggers do not depend on where the
# strain starts. They are longer for very low frequencies.
_BLOCK = 64.0
# Short Fourier transforms, each overlapping half of the next, whose median whitens a block.
_N_SPECTRA, _FEWEST_SPECTRA = 127, 8
_TILE = ("block", "first", "gps", "snr", "peak_frequency", "q")
_NO_TILES = {name: np.empty(0, int if name == "block" else float) for name in _TILE}
# In s, shorter than tiles are apart, but longer than the rounding error of a GPS time.
_TINY = 1e-6
_COLUMNS = ("ifo", *_TILE[2:], "duration", "bandwidth", "tstart", "tend", "fstart", "fend")


@validated(
    {
        "snr_threshold": [Interval(Real, 0, None, closed="neither")],
        "frange": [tuple, list],
        "qrange": [tuple, list],
        "mismatch": [Interval(Real, 0, 1, closed="neither")],
        "cluster_window": [Interval(Real, 0, None, closed="left")],
        "start": [Real, None],
        "final": ["boolean"],
        "fftlength": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "progress": ["boolean"],
    }
)
def find_triggers(
    strain: Any,
    *,
    snr_threshold: float = 7.5,
    frange: tuple[float, float] = (10.0, 2048.0),
    qrange: tuple[float, float] = (4.0, 64.0),
    mismatch: float = 0.2,
    cluster_window: float = 0.5,
    segments: Any = None,
    start: float | None = None,
    final: bool = False,
    fftlength: float = 2.0,
    batch_size: int = 4,
    device: Any = "auto",
    progress: bool = True,
) -> pd.DataFrame:
    r"""Find triggers, times of excess power, in strain of any duration.

    Strain is whitened by a running median spectrum and projected onto sine-Gaussians of many
    frequencies and a few quality factors Q [1]_. Tiles above the threshold are clustered in time,
    and the loudest tile of a cluster is a trigger, as in Omicron [2]_, which found the triggers
    of Gravity Spy.

    Parameters
    ----------
    strain : Strain
        Strain from :func:`~skglitch.datasets.load_strain`. No triggers are found within
        ``0.75 * fftlength`` of gaps and of both ends.
    snr_threshold : float, default=7.5
        Lowest signal-to-noise ratio.
    frange : tuple of float, default=(10.0, 2048.0)
        Lowest and highest frequency in Hz. Tiles that extend beyond the Nyquist frequency are left
        out.
    qrange : tuple of float, default=(4.0, 64.0)
        Lowest and highest Q.
    mismatch : float, default=0.2
        Largest fractional loss of energy between neighboring tiles.
    cluster_window : float, default=0.5
        Tiles whose times differ by less than this, in s, are in the same cluster.
    segments : iterable of (float, float), default=None
        GPS times in s of the start and the end of the segments to analyze, such as gwpy's
        ``SegmentList`` or the active segments of a ``DataQualityFlag``. Strain outside of these is
        treated as a gap. None is all strain, and an empty list none of it.
    start : float, default=None
        GPS time in s. Earlier tiles are left out, but their strain is used for the spectra.
    final : bool, default=False
        Whether to leave out triggers that later strain could change.
    fftlength : float, default=2.0
        Duration in s of the Fourier transforms. The spectrum is the median of the 127 nearest in
        time, which is 128 s without gaps.
    batch_size : int, default=4
        Number of blocks, by default 64 s long, to transform at a time. More blocks need more
        memory, and can be faster on a GPU. The result does not depend on it.
    device : str or torch.device, default="auto"
        ``"auto"`` is a GPU if there is one. Apple's MPS is not supported, as it has no float64.
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    triggers : DataFrame
        One row per trigger in order of time, as a table for
        :func:`~skglitch.datasets.load_triggers`:

        - ``ifo``: detector.
        - ``gps``: time of the loudest tile in s, interpolated between tiles.
        - ``snr``: its signal-to-noise ratio.
        - ``peak_frequency``, ``q``: its frequency in Hz and its Q.
        - ``duration``, ``bandwidth``: of the cluster, in s and Hz.
        - ``tstart``, ``tend``, ``fstart``, ``fend``: limits of the cluster in s and Hz.

        Later strain cannot change triggers before the GPS time ``triggers.attrs["final_until"]``.

    Raises
    ------
    ValueError
        If a parameter is invalid, or the strain has less than 4.5 ``fftlength`` without gaps.

    Notes
    -----
    The energy E of a tile is divided by its mean in noise with the measured spectrum, so that E
    is exponentially distributed in Gaussian noise. The signal-to-noise ratio is
    :math:`\sqrt{2 (E - 1)}`, on average the same as of a matched filter [2]_. A tile has the
    bandwidth :math:`2 \sqrt\pi f / Q`, and the inverse of this as its duration.

    References
    ----------
    .. [1] S. Chatterji, "The search for gravitational wave bursts in data from the second
       LIGO science run", PhD thesis, MIT (2005), chapter 5.
    .. [2] F. Robinet et al., "Omicron: a tool to characterize transient noise in
       gravitational-wave detectors", SoftwareX 12, 100620 (2020), arXiv:2007.11374.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.datasets import Strain
    >>> from skglitch.spectrograms import find_triggers
    >>> noise = np.random.default_rng(0).normal(size=16 * 1024)
    >>> times = np.arange(-8, 8, 1 / 1024)
    >>> burst = np.exp(-((times / 0.02) ** 2)) * np.sin(2 * np.pi * 100 * times)
    >>> strain = Strain(noise + 4 * burst, sample_rate=1024, t0=1126259454, ifo="H1")
    >>> triggers = find_triggers(strain)
    >>> triggers[["ifo", "snr", "peak_frequency"]].round(1)
      ifo   snr  peak_frequency
    0  H1  13.1            97.0
    >>> triggers["gps"].round(3).tolist()
    [1126259462.0]
    """
    import pandas as pd

    if not all(hasattr(strain, name) for name in ("data", "sample_rate", "t0", "ifo")):
        raise ValueError(
            f"strain is a {type(strain).__name__}, but must be a Strain, which load_strain returns."
        )
    ranges = as_numbers(frange, "frange"), as_numbers(qrange, "qrange")
    for name, values in zip(("frange", "qrange"), ranges, strict=True):
        check_range(name, values, math.inf)
    device = choose_exact_device(device)
    scan = _cached_scan(strain.sample_rate, *ranges, mismatch, fftlength, device)
    series = _Series(strain, segments, scan)
    start = -math.inf if start is None else start - _TINY
    all_blocks = series.blocks_between(start, series.final_until() if final else math.inf)
    clusters = [series.place([_NO_TILES], [])]
    bar = tqdm(total=len(all_blocks), unit="block", delay=2.0, disable=not progress)
    with bar, computing(device), explaining_memory(device, batch_size), torch.inference_mode():
        for first in range(0, len(all_blocks), batch_size):
            blocks = all_blocks[first : first + batch_size]
            spectra = torch.stack([scan.whiten(*series.read(block)) for block in blocks])
            found = scan.loud_tiles(spectra, snr_threshold)
            tiles = series.place([_NO_TILES, *found], blocks)
            clusters.append(_cluster(tiles[tiles["first"] >= start], cluster_window))
            bar.update(len(blocks))
    triggers = _cluster(pd.concat(clusters), cluster_window)
    final_until = _before_clusters(triggers, series.final_until(), cluster_window)
    triggers["ifo"] = strain.ifo
    triggers["duration"] = triggers["tend"] - triggers["tstart"]
    triggers["bandwidth"] = triggers["fend"] - triggers["fstart"]
    if final:
        triggers = triggers[triggers["gps"] < final_until]
    triggers = triggers.sort_values("gps", ignore_index=True)[list(_COLUMNS)]
    triggers.attrs["final_until"] = final_until
    return triggers


class _Scan:
    """Whitening and tiles of a block, whose ``margin`` s at each end belong to other blocks."""

    def __init__(
        self,
        sample_rate: float,
        frange: Any,
        qrange: Any,
        mismatch: float,
        fftlength: float,
        device: torch.device,
    ) -> None:
        self.sample_rate = sample_rate
        self.device = device
        self.fftlength = fftlength
        self.n_fft = round(fftlength * sample_rate)
        # For whitening, and the ringing of the longest tiles.
        self.margin = math.ceil(fftlength / 2 + qrange[1] / (math.pi * frange[0]))
        self.n_block = round(max(_BLOCK, 16.0 * self.margin) * sample_rate)
        self.duration = self.n_block / sample_rate
        self.step = self.duration - 2 * self.margin
        self.planes = []
        for plane in make_planes(frange, qrange, mismatch, sample_rate, self.duration):
            is_inside = plane.frequencies + plane.half_widths <= sample_rate / 2
            if is_inside.any():
                self.planes.append(replace(plane, frequencies=plane.frequencies[is_inside]))
        if not self.planes:
            raise ValueError(f"frange={frange!r} has no tiles below {sample_rate / 2:g} Hz.")
        self.sizes = [count_tiles(plane, self.duration, mismatch) for plane in self.planes]
        lowest = min((p.frequencies - p.half_widths).min() for p in self.planes)
        highest = max((p.frequencies + p.half_widths).max() for p in self.planes)
        n_bins = min(math.floor(highest * self.duration), self.n_block // 2) + 1
        self.stretch = Stretch(0.0, self.duration, n_bins, device)
        self.window = torch.hann_window(self.n_fft, dtype=torch.float64).to(device)
        # Without frequencies below all tiles, as the seismic wall is very loud.
        frequencies = np.arange(min(math.ceil(highest * fftlength) + 2, self.n_fft // 2 + 1))
        band = np.clip(2 * frequencies / (fftlength * max(lowest, 1 / fftlength)) - 1, 0, 1)
        self.band = torch.from_numpy(band).to(device)

    def whiten(self, block: np.ndarray, parts: np.ndarray) -> torch.Tensor:
        """Whiten a block so that the mean energy of noise is 1, and return its spectrum."""
        n = len(parts)
        spectra = rfft(torch.from_numpy(parts).to(self.device) * self.window)
        power = torch.view_as_real(spectra[:, : len(self.band)]).square().sum(dim=-1)
        # Median of n exponential values with a mean of 1; for even n, of n - 1 values.
        expected = sum((-1) ** k / (k + 1) for k in range(n - 1 + n % 2))
        density = median(power.T.contiguous()) / (expected * self.window.square().sum())
        # The integral of a squared window is 2. The last factor, measured in white noise, corrects
        # the bias of the inverse of an estimate.
        density *= 2 * self.sample_rate * (1 + 1 / n)
        transfer = torch.where(density > 0, self.band / density.sqrt(), 0.0)
        # The middle of the filter is at the first sample, and its first half at the end. The window
        # smooths its spectrum, as otherwise lines ring for longer.
        half = self.n_fft // 2
        taps = irfft(transfer, n=self.n_fft) * self.window.roll(half)
        taps = torch.cat([taps[:-half], taps.new_zeros(self.n_block - self.n_fft), taps[-half:]])
        transfer = rfft(taps.float())[: self.stretch.n_bins]
        spectrum = rfft(torch.from_numpy(block).to(self.device))
        return (spectrum[: len(transfer)] * transfer).to(torch.complex64)

    def loud_tiles(
        self, spectra: torch.Tensor, snr_threshold: float
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield columns of the loud tiles of some rows, with times in s from a block's start."""
        limit = 1 + snr_threshold**2 / 2
        for plane, sizes in zip(self.planes, self.sizes, strict=True):
            for rows, energy in self.stretch.energies(spectra, plane, sizes):
                size = energy.shape[-1]
                first = math.ceil(self.margin / self.duration * size)
                last = math.ceil((1 - self.margin / self.duration) * size)
                is_loud = energy[..., first:last].amax(dim=-1) > limit
                blocks, members = torch.nonzero(is_loud, as_tuple=True)
                if not len(blocks):
                    continue
                energy = energy[blocks, members].double()
                places, tiles = torch.nonzero(energy[:, first:last] > limit, as_tuple=True)
                tiles += first
                near = (energy[places, (tiles + step) % size].cpu().numpy() for step in (-1, 0, 1))
                shift, peak = _interpolate(*near)
                number = tiles.cpu().numpy()
                yield {
                    "block": blocks[places].cpu().numpy(),
                    "first": number * (self.duration / size),
                    "gps": (number + shift) * (self.duration / size),
                    "snr": np.sqrt(2 * (peak - 1)),
                    "peak_frequency": plane.frequencies[rows][members[places].cpu().numpy()],
                    "q": np.full(len(number), plane.q),
                }


def _interpolate(
    before: np.ndarray, at: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find offset and height of the peak of a Gaussian through three energies, if it has one."""
    rise, fall = (np.log(at / np.maximum(side, 1e-30)) for side in (before, after))
    is_peak = (rise >= 0) & (fall >= 0) & (rise + fall > 0)
    shift = (rise - fall) / np.where(is_peak, 2 * (rise + fall), np.inf)
    return shift, at * np.exp((rise - fall) * shift / 4)


# The setup takes as long as searching a minute of strain.
_cached_scan = lru_cache(maxsize=2)(_Scan)


class _Series:
    """Strain without its gaps, in blocks, which are identified by their first sample."""

    def __init__(self, strain: Any, segments: Any, scan: _Scan) -> None:
        self.strain, self.scan = strain, scan
        is_gap = find_gaps(strain.data, strain.sample_rate)
        is_empty = False
        if segments is not None:
            segments = getattr(segments, "active", segments)
            is_empty = not len(segments)
            is_outside = np.ones(len(is_gap), dtype=bool)
            for pair in () if is_empty else check_segments(segments):
                is_outside[slice(*self._index(pair).clip(0, len(is_gap)))] = False
            is_gap |= is_outside
        edges = np.flatnonzero(np.diff(is_gap, prepend=True, append=True)).reshape(-1, 2)
        # First sample of each stretch without gaps, and the one after the last.
        self.stretches = edges[edges[:, 1] - edges[:, 0] > scan.n_fft]
        parts = self._multiples(scan.fftlength / 2)
        self.parts = parts[self._is_within(parts, parts + scan.n_fft)]
        if len(self.parts) < _FEWEST_SPECTRA and not is_empty:
            raise ValueError(
                f"strain has {len(self.parts)} overlapping stretches of fftlength="
                f"{scan.fftlength:g} s without gaps{'' if segments is None else ' in segments'}, "
                f"but a spectrum needs {_FEWEST_SPECTRA}."
            )

    def blocks_between(self, start: float, stop: float) -> list[int]:
        """Find the blocks with strain that have tiles between two GPS times."""
        blocks = self._multiples(self.scan.step) - round(self.scan.margin * self.strain.sample_rate)
        starts = self.strain.t0 + blocks / self.strain.sample_rate + self.scan.margin
        is_wanted = (starts + self.scan.step > start + 2 * _TINY) & (starts < stop - _TINY)
        return [block for block in blocks[is_wanted].tolist() if len(self._near(block))]

    def final_until(self) -> float:
        """GPS time of the start of the first block that later strain could change."""
        # Later stretches start after this sample.
        last, rate = len(self.strain.data) - self.scan.n_fft, self.strain.sample_rate
        blocks = self._multiples(self.scan.step) - round(self.scan.margin * rate)
        middles = blocks + (self.scan.n_block - self.scan.n_fft) // 2
        n_near = (np.abs(self.parts - middles[:, None]) <= (last - middles)[:, None]).sum(axis=1)
        is_open = (n_near < _N_SPECTRA) | (blocks + self.scan.n_block > last)
        return self.strain.t0 + blocks[is_open.argmax()] / rate + self.scan.margin

    def _index(self, gps: np.ndarray) -> np.ndarray:
        """Sample nearest to each GPS time, which may lie outside."""
        return np.floor((gps - self.strain.t0) * self.strain.sample_rate + 0.5).astype(np.int64)

    def _multiples(self, step: float) -> np.ndarray:
        """Find the samples at multiples of a step in GPS time, from before the strain on."""
        return self._index(step * np.arange(self.strain.t0 // step, self.strain.t1 // step + 1))

    def _is_within(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Whether spans lie in one stretch each."""
        starts, stops = self.stretches.T
        place = starts.searchsorted(first, side="right")
        return (place > 0) & (last <= np.concatenate([[0], stops])[place])

    def _near(self, first: int) -> np.ndarray:
        """Stretches that overlap with a block."""
        starts, stops = self.stretches.T
        return self.stretches[(starts < first + self.scan.n_block) & (stops > first)]

    def read(self, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a block, tapered at gaps, and the stretches for its spectrum."""
        block = np.zeros(self.scan.n_block)
        n_ramp = self.scan.n_fft // 2
        ramp = np.sin(np.pi / 2 * (np.arange(n_ramp) + 0.5) / n_ramp) ** 2
        for start, stop in self._near(first).tolist():
            begin, end = max(start, first), min(stop, first + len(block))
            samples = block[begin - first : end - first]
            samples[:] = self.strain.data[begin:end] - self.strain.data[begin:end].mean()
            rise, fall = ramp[begin - start :], ramp[stop - end :]
            samples[: len(rise)] *= rise[: len(samples)]
            samples[::-1][: len(fall)] *= fall[: len(samples)]
        middle = first + (len(block) - self.scan.n_fft) // 2
        order = np.argsort(np.abs(self.parts - middle), kind="stable")[:_N_SPECTRA]
        parts = [self.strain.data[p : p + self.scan.n_fft] for p in self.parts[order]]
        return block, np.stack(parts)

    def place(self, tiles: list[dict[str, np.ndarray]], blocks: list[int]) -> pd.DataFrame:
        """Table of tiles with GPS times, without those too close to a gap."""
        import pandas as pd

        table = {name: np.concatenate([tile[name] for tile in tiles]) for name in tiles[0]}
        first = np.array(blocks)[table.pop("block")]
        sample = first + np.round(table["first"] * self.strain.sample_rate).astype(int)
        n_lost = round(LOST_AT_GAPS * self.scan.n_fft)
        for name in ("first", "gps"):
            table[name] += self.strain.t0 + first / self.strain.sample_rate
        table["last"] = table["first"]
        width = 2 * math.sqrt(math.pi) * table["peak_frequency"] / table["q"]
        for edge, half in (("start", -0.5), ("end", 0.5)):
            table[f"t{edge}"] = table["gps"] + half / width
            table[f"f{edge}"] = table["peak_frequency"] + half * width
        return pd.DataFrame(table)[self._is_within(sample - n_lost, sample + n_lost)]


def _cluster(tiles: pd.DataFrame, window: float) -> pd.DataFrame:
    """Cluster tiles, or clusters of tiles between the times ``first`` and ``last``."""
    tiles = tiles.sort_values(["first", "snr"], ignore_index=True)
    is_new = tiles["first"] - tiles["last"].cummax().shift() >= window
    groups = tiles.groupby(is_new.cumsum(), sort=False)
    clusters = tiles.loc[groups["snr"].idxmax()].reset_index(drop=True)
    lowest, highest = ["first", "tstart", "fstart"], ["last", "tend", "fend"]
    clusters[lowest] = groups[lowest].min().to_numpy()
    clusters[highest] = groups[highest].max().to_numpy()
    return clusters


def _before_clusters(clusters: pd.DataFrame, gps: float, window: float) -> float:
    """Return a time that is in no cluster, nor in one that tiles after `gps` could extend."""
    starts = clusters[["first", "gps"]].min(axis=1)
    stops = clusters[["last", "gps"]].max(axis=1)
    if not ((starts < gps) & (stops >= gps - window)).any():
        return gps
    gps -= window
    while (is_around := (starts < gps) & (stops >= gps)).any():
        gps = starts[is_around].min() - window / 2
    return float(gps)
