"""Simulated glitches as a labeled data set."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from numbers import Integral, Real
from typing import Any

import joblib
import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch, check_random_state
from tqdm.auto import tqdm

from .._validation import check_seed
from ._batches import Batches
from ._parameters import check_choice
from ._simulate._classes import CLASS_NAMES, DESCRIPTIONS, GRAVITY_SPY_COUNTS
from ._simulate._compose import simulate_glitch
from ._simulate._noise import NoiseModel
from ._strain import Strain

# Number of glitches that are simulated, then transformed, at a time.
_BATCH = 64


def make_glitches(
    n_samples: int = 100,
    *,
    classes: Sequence[str] | str | None = None,
    weights: Mapping[str, float] | str = "gravity_spy",
    sample_rate: float = 8192.0,
    duration: float = 16.0,
    noise: Any = "random",
    norm: str = "mixed",
    durations: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    size: tuple[int, int] = (140, 170),
    return_strain: bool = False,
    return_X_y: bool = False,
    n_jobs: int | None = None,
    device: Any = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    random_state: Any = None,
    progress: bool = False,
) -> Any:
    """Simulate glitches in detector noise, and transform them to spectrograms.

    Each glitch follows a published description of its class, with parameters that vary as widely
    as in real data. It is added to noise with a random spectrum, and transformed like real strain
    by :class:`~skglitch.spectrograms.QTransformer`. Glitches that whitening would hide, such as a
    line that lasts for half of the strain, are drawn again.

    Parameters
    ----------
    n_samples : int, default=100
        Number of glitches.
    classes : sequence of str, "all" or None, default=None
        Classes. None is the 22 classes of Gravity Spy's training set; ``"all"`` adds
        Blip_Low_Frequency, Fast_Scattering and Reverse_Chirp.
    weights : {"gravity_spy", "balanced"} or dict, default="gravity_spy"
        Class proportions: those of Gravity Spy's training set [1]_ (their mean for classes that
        are not in it), equal ones, or a weight per class. Each class with a positive weight has
        at least one glitch, if ``n_samples`` allows.
    sample_rate : float, default=8192.0
        Sample rate in Hz. At 4096 Hz, glitches above 1.2 kHz are shown at another Q.
    duration : float, default=16.0
        Duration in s of the strain around each glitch. In much shorter strain, the glitch
        dominates the spectrum used for whitening, and long glitches fade.
    noise : {"random", "observed", "aligo"}, tuple, Strain or ndarray, default="random"
        Noise with the sensitivity of the observing runs (``"observed"``), of Advanced LIGO's
        design (``"aligo"``), or of either (``"random"``); with a one-sided power spectral density
        ``(frequencies, values)`` in Hz and 1/Hz; or random parts of longer real strain.
    norm : {"mixed", "median", "mean"}, default="mixed"
        Normalization of energies: ``"median"`` by the median of each frequency, as in gwpy and in
        Gravity Spy's pictures since the third run; ``"mean"`` by the mean of Gaussian noise, as in
        earlier pictures, which are darker by a factor of ln 2; ``"mixed"`` by either, at random.
    durations : sequence of float, default=(0.5, 1.0, 2.0, 4.0)
        Durations of the views in s.
    size : tuple of int, default=(140, 170)
        Height and width of a view in pixels.
    return_strain : bool, default=False
        Whether to return the strain, too.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    n_jobs : int, default=None
        Number of processes for the simulation. The result does not depend on it.
    device : str or torch.device, default="auto"
        Device for the Q transform.
    checkpoint : path, default=None
        Folder to which each batch is written. After an interruption, the same call resumes, with
        the same result. Needs an integer ``random_state``.
    random_state : int, RandomState instance or None, default=None
        Seed.
    progress : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        data : ndarray of shape (n_samples, n_views, height, width), dtype uint8
            Normalized energy times 10. With ``checkpoint``, this and ``strain`` are read-only
            memory maps of files in the folder.
        target : ndarray of shape (n_samples,), dtype str
            Class of each glitch, in random order.
        target_names : list of str
            The classes, sorted.
        descriptions : dict
            Appearance and cause of each class.
        ids : ndarray of shape (n_samples,), dtype str
            Names of the glitches.
        snr, peak_frequency : ndarray of shape (n_samples,)
            Optimal signal-to-noise ratio, and frequency in Hz of the loudest noise-free tile.
        parameters : list of dict
            Random parameters of each glitch.
        durations : tuple of float
            Duration of each view in s.
        sample_rate : float
            In Hz.
        strain : ndarray of shape (n_samples, n_times), dtype float64
            Strain with the trigger in the middle, if ``return_strain=True``.
    (data, target) : tuple
        If ``return_X_y=True``.

    Raises
    ------
    ValueError
        If a parameter is invalid, or ``checkpoint`` was made with other parameters.

    References
    ----------
    .. [1] S. Bahaadini et al., "Machine learning for Gravity Spy: Glitch classification and
       dataset", Information Sciences 444, 172 (2018), Table 1.

    Examples
    --------
    >>> from skglitch.datasets import make_glitches
    >>> X, y = make_glitches(4, classes=["Blip", "Whistle"], return_X_y=True, random_state=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((4, 4, 140, 170), ['Blip', 'Whistle'])
    """
    from ..spectrograms import QTransformer

    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(f"n_samples={n_samples!r} is not a positive integer.")
    check_seed(checkpoint, random_state)
    names = _class_names(classes)
    generator = check_random_state(random_state)
    counts = _apportion(int(n_samples), _proportions(names, weights))
    labels = generator.permutation(np.repeat(np.array(names), counts))
    n_times = round(duration * sample_rate)
    frange = (10.0, min(2048.0, sample_rate / 2))
    transformer = QTransformer(sample_rate, tuple(durations), frange, size=size, device=device)
    # Check the parameters before anything is simulated.
    transformer.fit(np.linspace(-1.0, 1.0, n_times)[None])
    source = _noise_source(noise, sample_rate, duration)
    seeds = generator.randint(np.iinfo(np.int32).max, size=(len(labels), 4))
    scales = _draw_scales(norm, generator, len(labels))

    n = len(labels)
    # What determines the result, except for the device.
    settings = {
        "n_samples": n,
        "classes": names,
        "weights": weights if isinstance(weights, str) else dict(weights),
        "sample_rate": sample_rate,
        "duration": duration,
        "noise": noise if isinstance(noise, str) or checkpoint is None else joblib.hash(noise),
        "norm": norm,
        "durations": transformer.durations,
        "size": size,
        "return_strain": return_strain,
        "random_state": random_state,
    }
    done = Batches(n, checkpoint, settings)
    bar = tqdm(total=n, initial=done.n_rows, desc="simulate", unit="glitch", disable=not progress)
    with bar, Parallel(n_jobs=n_jobs) as parallel:
        # In batches, so that the strain of all glitches is never in memory at once.
        for start in range(done.n_rows, n, _BATCH):
            rows = slice(start, start + _BATCH)
            glitches = parallel(
                delayed(_simulate)(str(label), seed, source, sample_rate, duration)
                for label, seed in zip(labels[rows], seeds[rows], strict=True)
            )
            strain = np.stack([values for values, _ in glitches])
            # Unbiased medians make views look like those of much longer strain.
            views = transformer.scan(strain, clean_medians=True, scale=scales[rows]).data
            arrays = {"data": views, "strain": strain} if return_strain else {"data": views}
            done.append([drawn for _, drawn in glitches], **arrays)
            bar.update(len(glitches))
    data, parameters = done.load("data"), list(chain.from_iterable(done.notes))
    if return_X_y:
        return data, labels
    bunch = Bunch(
        data=data,
        target=labels,
        target_names=names,
        descriptions={name: DESCRIPTIONS[name] for name in names},
        ids=np.array([f"SIM_{number:06d}" for number in range(n)]),
        snr=np.array([drawn["snr"] for drawn in parameters]),
        peak_frequency=np.array([drawn["peak_frequency"] for drawn in parameters]),
        parameters=parameters,
        durations=tuple(durations),
        sample_rate=sample_rate,
    )
    if return_strain:
        bunch.strain = done.load("strain")
    return bunch


def _class_names(classes: Sequence[str] | str | None) -> list[str]:
    if classes is None:
        return sorted(name for name, count in GRAVITY_SPY_COUNTS.items() if count)
    if isinstance(classes, str):
        if classes != "all":
            raise ValueError(f"classes={classes!r} is neither a list of classes nor 'all'.")
        return sorted(CLASS_NAMES)
    lower = {name.lower(): name for name in CLASS_NAMES}
    for name in classes:
        if name not in CLASS_NAMES:
            close = difflib.get_close_matches(str(name).lower(), list(lower), 1)
            hint = f" Did you mean {lower[close[0]]!r}?" if close else ""
            raise ValueError(
                f"classes: {name!r} is not a simulated class.{hint} "
                f"There are {', '.join(CLASS_NAMES)}."
            )
    if not classes:
        raise ValueError("classes=[] is empty: pass at least one class.")
    return sorted(set(classes))


def _proportions(names: list[str], weights: Mapping[str, float] | str) -> np.ndarray:
    if isinstance(weights, str):
        if weights == "balanced":
            return np.full(len(names), 1 / len(names))
        if weights != "gravity_spy":
            raise ValueError(f"weights={weights!r} is not 'gravity_spy', 'balanced' or a dict.")
        known = [count for count in GRAVITY_SPY_COUNTS.values() if count]
        values = [GRAVITY_SPY_COUNTS[name] or float(np.mean(known)) for name in names]
    else:
        unknown = sorted(set(weights) - set(names))
        if unknown:
            raise ValueError(f"weights: {', '.join(map(repr, unknown))} is not in classes.")
        values = [weights.get(name, 0) for name in names]
    if not all(isinstance(v, Real) and v >= 0 for v in values) or sum(values) <= 0:
        raise ValueError(f"weights={weights!r} must be numbers, none negative and not all 0.")
    return np.array(values, dtype=float) / sum(values)


def _apportion(n_samples: int, shares: np.ndarray) -> np.ndarray:
    """Apportion by largest remainders, with at least 1 for each positive share if possible."""
    wanted = shares > 0
    least = wanted.astype(int) if wanted.sum() <= n_samples else np.zeros(len(shares), dtype=int)
    exact = shares * n_samples
    counts = np.maximum(np.floor(exact).astype(int), least)
    while counts.sum() > n_samples:  # small classes take from large ones
        counts[np.argmax(np.where(counts > least, counts - exact, -np.inf))] -= 1
    while counts.sum() < n_samples:
        counts[np.argmax(np.where(wanted, exact - counts, -np.inf))] += 1
    return counts


def _draw_scales(norm: str, rng: np.random.RandomState, n_samples: int) -> np.ndarray:
    """Draw factors of the energies, which are divided by medians."""
    check_choice("norm", norm, ("mixed", "median", "mean"))
    share = {"median": 0.0, "mixed": 0.5, "mean": 1.0}[norm]
    return np.where(rng.random(n_samples) < share, np.log(2.0), 1.0)


def _noise_source(noise: Any, sample_rate: float, duration: float) -> NoiseModel | np.ndarray:
    if isinstance(noise, str) or (isinstance(noise, tuple) and len(noise) == 2):
        return NoiseModel(sample_rate, duration, noise)  # type: ignore[arg-type]
    if isinstance(noise, Strain):
        if noise.sample_rate != sample_rate:
            raise ValueError(f"sample_rate={sample_rate:g} is not {noise.sample_rate:g}, of noise.")
        noise = noise.data
    strain = np.asarray(noise, dtype=float)
    if strain.ndim != 1 or len(strain) < round(duration * sample_rate):
        raise ValueError(
            f"noise of shape {strain.shape} is not strain of at least {duration:g} s at "
            f"{sample_rate:g} Hz."
        )
    if not np.isfinite(strain).all():
        raise ValueError("noise has NaN or infinite samples: remove gaps first.")
    return strain


def _simulate(
    label: str,
    seed: np.ndarray,
    source: NoiseModel | np.ndarray,
    sample_rate: float,
    duration: float,
) -> tuple[np.ndarray, dict[str, float]]:
    rng = np.random.default_rng(seed)
    if isinstance(source, np.ndarray):
        n_times = round(duration * sample_rate)
        start = rng.integers(len(source) - n_times + 1)
        source = source[start : start + n_times]
    glitch = simulate_glitch(label, rng, sample_rate=sample_rate, duration=duration, noise=source)
    return glitch.strain, glitch.parameters
