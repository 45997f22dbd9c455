"""The constant-Q transform, from whitened spectra to energies of pixels, in batches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from torch.nn.functional import embedding_bag

from .._device import irfft, median, rfft
from .._pictures import NATIVE_SIZE
from ._tiling import QPlane, count_tiles, make_planes

# Higher energies are clipped to this one, the top of Gravity Spy's color scale.
MAX_ENERGY = 25.5
# The median of a row is taken over at most this many samples. The median of 1024 independent
# energies of Gaussian noise has a standard deviation of 4.5 %.
_MEDIAN_SAMPLES = 1024
# The search for the loudest tile transforms this many s around the trigger if windows ring for less
# than half of this, where ringing is taken as _RINGING periods per unit of Q.
_SHORT_STRETCH = 2.0
_RINGING = 4.0
# At most this many rows, with at least this fraction of the highest energy, are compared exactly.
_N_CANDIDATES, _CLOSE = 8, 0.85
# Number of complex values per Fourier transform.
_CHUNK = 2**19


@dataclass(frozen=True)
class Grid:
    """The pixels of the views, which show a table of cells of ``tres`` s by ``fres`` Hz."""

    durations: tuple[float, ...]
    size: tuple[int, int]
    tres: float
    fres: float
    frange: tuple[float, float]

    def steps(self, duration: float) -> np.ndarray:
        """Time step, relative to the trigger, of each column of a picture."""
        # The energy at the corner of a cell, as in Gravity Spy's pictures.
        columns = (np.arange(NATIVE_SIZE[1]) + 0.5) / NATIVE_SIZE[1] - 0.5
        return np.floor(columns * duration / self.tres).astype(np.int64)

    def frequencies(self) -> np.ndarray:
        """Frequency in Hz of each line of a picture, highest first."""
        low, high = np.log(self.frange)
        lines = (np.arange(NATIVE_SIZE[0]) + 0.5) / NATIVE_SIZE[0]
        cells = (np.exp(high - (high - low) * lines) - self.frange[0]) / self.fres
        return self.frange[0] + np.floor(cells) * self.fres

    def resizing(self, axis: int, places: np.ndarray) -> np.ndarray:
        """Matrix that resizes an axis as `resize_energy` does, from lines at ``places``."""
        n_old, n_new = NATIVE_SIZE[axis], self.size[axis]
        scale = n_old / n_new
        centers = (np.arange(n_new)[:, None] + 0.5) * scale
        distance = np.abs(np.arange(n_old) + 0.5 - centers) / max(scale, 1.0)
        weights = np.clip(1 - distance, 0, None)
        weights = weights / weights.sum(axis=1, keepdims=True)
        return np.stack([np.bincount(places, weights=row) for row in weights])


class QScan:
    """Transform of strain of one duration, whose medians exclude ``lost`` s at each end."""

    def __init__(
        self,
        sample_rate: float,
        n_times: int,
        grid: Grid,
        qrange: tuple[float, float],
        mismatch: float,
        lost: float,
        device: torch.device,
    ) -> None:
        self.lost = lost
        self.duration = n_times / sample_rate
        self.trigger = self.duration / 2
        self.grid = grid
        self.device = device
        self.mismatch = mismatch
        self.planes = make_planes(grid.frange, qrange, mismatch, sample_rate, self.duration)
        highest = max((p.frequencies + p.half_widths).max() for p in self.planes)
        self.n_bins = min(math.floor(highest * self.duration), n_times // 2) + 1
        self.whole = Stretch(0.0, self.duration, self.n_bins, device)
        self.shown = self._around_trigger(2 * max(grid.durations))
        self.short = self._around_trigger(_SHORT_STRETCH)
        self._splines: dict[int, torch.Tensor] = {}
        self._n_steps = math.ceil(self.shown.duration / grid.tres - 1e-6)
        # Time steps from the start of ``shown`` to the trigger, and phases that align both.
        self._first_step = math.floor((self.trigger - self.shown.start) / grid.tres)
        offset = self.trigger - self.shown.start - self._first_step * grid.tres
        bins = np.arange(self.shown.n_bins) / self.shown.duration
        phases = np.exp(2j * np.pi * bins * offset)
        self._shift = torch.from_numpy(phases).to(device, torch.complex64)
        # Distinct frequencies of the lines of a picture, and the matrix that resizes these.
        self._frequencies, lines = np.unique(grid.frequencies(), return_inverse=True)
        self._high = self._tensor(grid.resizing(0, lines))

    def _around_trigger(self, duration: float) -> Stretch:
        if duration >= self.duration:
            return self.whole
        # Number of samples of the whole strain at the lowest sample rate for the bins.
        n = 2 * (self.n_bins - 1)
        n_cut = round(duration / self.duration * n) // 2 * 2
        first = round((self.trigger / self.duration) * n - n_cut / 2)
        first = min(max(first, 0), n - n_cut)
        step = self.duration / n
        return Stretch(first * step, n_cut * step, n_cut // 2 + 1, self.device, first)

    def spectra(self, spectrum: torch.Tensor) -> dict[Stretch, torch.Tensor]:
        """Cut the stretches out of the strain, given its spectrum, and transform each."""
        result = {self.whole: spectrum}
        if {self.shown, self.short} != {self.whole}:
            strain = irfft(spectrum, n=2 * (self.n_bins - 1))
            for stretch in (self.shown, self.short):
                if stretch is not self.whole:
                    cut = strain[:, stretch.first : stretch.first + 2 * (stretch.n_bins - 1)]
                    result[stretch] = rfft(cut)
        return result

    def medians(self, spectrum: torch.Tensor, plane: QPlane) -> torch.Tensor:
        """Median energy of each row of a plane over all strain: (n_samples, n_rows)."""
        n_rows = len(plane.frequencies)
        medians = spectrum.new_empty((len(spectrum), n_rows), dtype=torch.float32)
        sizes = [min(_MEDIAN_SAMPLES, n) for n in self._n_tiles(plane, self.whole)]
        for rows, energy in self.whole.energies(spectrum, plane, sizes):
            medians[:, rows] = median(self._without_ends(energy))
        return medians

    def _without_ends(self, energy: torch.Tensor) -> torch.Tensor:
        n_lost = math.ceil(self.lost / self.duration * energy.shape[-1])
        return energy[..., n_lost : max(n_lost + 1, energy.shape[-1] - n_lost)]

    def loudest(
        self, spectra: dict[Stretch, torch.Tensor], medians: Sequence[torch.Tensor], search: float
    ) -> np.ndarray:
        """Energy, plane, time and frequency of each glitch's loudest tile near the trigger."""
        # First by medians of few samples, then exactly for the loudest rows.
        peaks = [
            self._peaks(spectra, plane, search) / median[:, : plane.n_searched]
            for plane, median in zip(self.planes, medians, strict=True)
        ]
        rows = [(p, row) for p, plane in enumerate(self.planes) for row in range(plane.n_searched)]
        first = torch.cat(peaks, dim=1)
        best = first.topk(min(_N_CANDIDATES, first.shape[1]), dim=1)
        candidates, tiles = [], []
        for glitch, (energies, places) in enumerate(
            zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ):
            # The first one is always kept, even if all energies are zero.
            near = [e >= _CLOSE * energies[0] for e in energies]
            close = [rows[p] for p, is_near in zip(places, near, strict=True) if is_near]
            spectrum = spectra[self.whole][glitch : glitch + 1]
            candidates += [(glitch, plane, row) for plane, row in close]
            tiles += [self._tile(spectrum, plane, row, search) for plane, row in close]
        loudest: dict[int, tuple[float, int, float, float]] = {}
        # The host waits for the GPU once, not for each tile.
        found = torch.stack(tiles).tolist()
        for (glitch, plane, row), (energy, place) in zip(candidates, found, strict=True):
            size = self._n_tiles(self.planes[plane], self.whole)[row]
            time = place * self.duration / size - self.trigger
            tile = energy, plane, time, float(self.planes[plane].frequencies[row])
            loudest[glitch] = max(tile, loudest.get(glitch, tile))
        return np.array(list(loudest.values())).T

    def _peaks(
        self, spectra: dict[Stretch, torch.Tensor], plane: QPlane, search: float
    ) -> torch.Tensor:
        """Highest energy of each row in the search window."""
        n = len(spectra[self.whole])
        peaks = torch.zeros((n, plane.n_searched), device=self.device)
        ringing = search / 2 + _RINGING * plane.q / plane.frequencies[: plane.n_searched]
        n_long = int((ringing >= _SHORT_STRETCH / 2).sum())  # lower frequencies ring for longer
        long, short = range(n_long), range(n_long, plane.n_searched)
        for stretch, chosen in ((self.short, short), (self.shown, long)):
            n_tiles = self._n_tiles(plane, stretch)
            sizes = [n_tiles[row] for row in chosen]
            for rows, energy in stretch.energies(spectra[stretch], plane, sizes, chosen):
                first, last = self._searched(stretch, energy.shape[-1], search)
                peaks[:, rows] = energy[..., first:last].amax(dim=-1)
        return peaks

    def _tile(self, spectrum: torch.Tensor, plane: int, row: int, search: float) -> torch.Tensor:
        """Energy and place of the loudest tile of a row."""
        size = self._n_tiles(self.planes[plane], self.whole)[row]
        rows = range(row, row + 1)
        _, energy = next(self.whole.energies(spectrum, self.planes[plane], [size], rows))
        first, last = self._searched(self.whole, size, search)
        peak, place = energy[0, 0, first:last].max(dim=0)
        normalized = peak / median(self._without_ends(energy[0, 0]))
        return torch.stack([normalized.double(), (place + first).double()])

    def _n_tiles(self, plane: QPlane, stretch: Stretch) -> list[int]:
        return count_tiles(plane, stretch.duration, self.mismatch)

    def _searched(self, stretch: Stretch, size: int, search: float) -> tuple[int, int]:
        """First tile in the search window, and the one after the last; at least one tile."""
        center = (self.trigger - stretch.start) / stretch.duration * size
        half = search / 2 / stretch.duration * size
        first = min(max(0, math.ceil(center - half)), size - 1)
        return first, max(first + 1, min(size, math.ceil(center + half)))

    def views(self, spectrum: torch.Tensor, plane: int, medians: torch.Tensor) -> torch.Tensor:
        """Compute the views, at most 25.5, of glitches whose loudest tile is in ``plane``."""
        n_rows = medians.shape[1]
        rows = spectrum.new_empty((len(spectrum), n_rows, self._n_steps), dtype=torch.float32)
        sizes = [self._n_steps] * n_rows
        for group, energy in self.shown.energies(spectrum * self._shift, self.planes[plane], sizes):
            rows[:, group] = energy
        rows = rows / medians[..., None]
        lines = self._lines(plane)
        pixels = rows.new_empty((len(rows), len(self.grid.durations), *self.grid.size))
        # A single product for the whole batch is much slower.
        for glitch, energy in enumerate(rows):
            for view, (steps, wide) in enumerate(self._columns):
                shown = (
                    energy[:, steps] if isinstance(steps, slice) else energy.index_select(1, steps)
                )
                # Clipped before resizing, so that loud glitches keep their outlines.
                points = (lines @ shown).clamp_(0, MAX_ENERGY)
                torch.mm(self._high @ points, wide, out=pixels[glitch, view])
        return pixels

    @cached_property
    def _columns(self) -> list[tuple[slice | torch.Tensor, torch.Tensor]]:
        """Time steps of the columns of each view, and the matrix that resizes these."""
        result: list[tuple[slice | torch.Tensor, torch.Tensor]] = []
        for duration in self.grid.durations:
            columns = (self._first_step + self.grid.steps(duration)).clip(0, self._n_steps - 1)
            steps, places = np.unique(columns, return_inverse=True)
            wide = self.grid.resizing(1, places).T
            chosen: slice | torch.Tensor = slice(int(steps[0]), int(steps[-1]) + 1)
            if len(steps) <= steps[-1] - steps[0]:
                chosen = torch.from_numpy(steps).to(self.device)
            result.append((chosen, self._tensor(wide)))
        return result

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, torch.float32)

    def _lines(self, plane: int) -> torch.Tensor:
        """Matrix of a cubic spline that interpolates rows of tiles to lines of a picture."""
        if plane not in self._splines:
            f = self.planes[plane].frequencies
            # A cubic spline needs four rows.
            degree = 3 if len(f) > 3 else min(1, len(f) - 1)
            spline = make_interp_spline(f, np.eye(len(f)), k=degree)
            values = spline(np.clip(self._frequencies, f[0], f[-1]))
            # Weights of distant rows are negligible, and denormal numbers make products ten times
            # slower.
            values[np.abs(values) < np.finfo(np.float32).eps] = 0
            self._splines[plane] = self._tensor(values)
        return self._splines[plane]


class Stretch:
    """A part of the strain from sample ``first`` on, with windows on the bins of its spectrum."""

    def __init__(
        self, start: float, duration: float, n_bins: int, device: torch.device, first: int = 0
    ) -> None:
        self.start = start
        self.duration = duration
        self.n_bins = n_bins
        self.device = device
        self.first = first
        self._rows: dict[tuple[float, range, int], _Rows] = {}

    def energies(
        self,
        spectrum: torch.Tensor,
        plane: QPlane,
        sizes: Sequence[int],
        rows: range | None = None,
    ) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield rows and their energies at ``sizes`` equally spaced times of the stretch."""
        rows = range(len(plane.frequencies)) if rows is None else rows
        groups = list(_groups(rows, sizes))
        most = max((len(group) * size for group, size in groups), default=1)
        # One row per bin, so that the values of all glitches are contiguous.
        tables = [
            torch.view_as_real(part.T.contiguous()).flatten(1)
            for part in spectrum.split(max(1, _CHUNK // most))
        ]
        for group, size in groups:
            key = plane.q, group, size
            if key not in self._rows:
                self._rows[key] = _Rows(self, plane, group, size)
            energies = [self._rows[key].energies(table) for table in tables]
            # A slice, as a list would be copied to the GPU synchronously.
            yield slice(group.start, group.stop), torch.cat(energies)


class _Rows:
    """Windows of rows, whose energies are computed at ``size`` times of a stretch."""

    def __init__(self, stretch: Stretch, plane: QPlane, rows: range, size: int) -> None:
        self.shape = len(rows), size
        parts = [self._fold(stretch, plane, row) for row in rows]
        bins, windows, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
        starts = np.cumsum(counts) - counts
        self.bins, self.starts = (
            torch.from_numpy(values.astype(np.int32)).to(stretch.device)
            for values in (bins, starts)
        )
        self.windows = torch.from_numpy(windows).to(stretch.device, torch.float32)

    def _fold(self, stretch: Stretch, plane: QPlane, row: int) -> tuple[np.ndarray, ...]:
        """Bins in the order in which they are summed, their window, and the number of terms."""
        center, half = float(plane.frequencies[row]), float(plane.half_widths[row])
        first = max(0, math.ceil((center - half) * stretch.duration))
        last = min(stretch.n_bins - 1, math.floor((center + half) * stretch.duration))
        # Sampling at fewer times than bins sums bins at this distance (aliasing).
        n_folds = max(1, math.ceil((last + 1 - first) / self.shape[1]))  # narrow: no bin at all
        bins = first + np.arange(n_folds * self.shape[1]).reshape(n_folds, -1).T
        is_inside = bins <= last
        bins = bins[is_inside]
        # A weight in the integral over frequency, which does not depend on the duration.
        window = plane.window(row, bins, stretch.duration) / stretch.duration
        return bins, window, is_inside.sum(axis=1)

    def energies(self, table: torch.Tensor) -> torch.Tensor:
        """Energies of shape (n_samples, n_rows, size) from one row of values per bin."""
        folded = embedding_bag(
            self.bins, table, self.starts, mode="sum", per_sample_weights=self.windows
        )
        folded = torch.view_as_complex(folded.view(*self.shape, -1, 2))
        parts = torch.view_as_real(torch.fft.ifft(folded, dim=1, norm="forward"))
        parts.mul_(parts)
        return (parts[..., 0] + parts[..., 1]).permute(2, 0, 1).contiguous()


def _groups(rows: range, sizes: Sequence[int]) -> Iterator[tuple[range, int]]:
    """Yield neighboring rows of equal size together."""
    for size, group in itertools.groupby(range(len(rows)), key=sizes.__getitem__):
        members = list(group)
        at_once = max(1, _CHUNK // size)
        for start in range(members[0], members[-1] + 1, at_once):
            yield rows[start : min(start + at_once, members[-1] + 1)], size


# For a single glitch, as in a live analysis, the setup takes longer than the transform.
cached_scan = lru_cache(maxsize=2)(QScan)
