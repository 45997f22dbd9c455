"""Simulated glitches as a labeled set, with nothing downloaded."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch, check_random_state
from tqdm.auto import tqdm

from ._simulate import CLASS_NAMES, DESCRIPTIONS, GRAVITY_SPY_COUNTS, NoiseModel, simulate_glitch

# So many are simulated, then transformed, at a time.
_BATCH = 64
# Digits of the number in an id.
_ID_WIDTH = 6


def make_glitches(
    n_samples: int = 100,
    *,
    classes: Sequence[str] | str | None = None,
    weights: Mapping[str, float] | str = "gravity_spy",
    sample_rate: float = 4096.0,
    duration: float = 16.0,
    noise: Any = "random",
    durations: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    size: tuple[int, int] = (140, 170),
    return_strain: bool = False,
    return_X_y: bool = False,
    n_jobs: int | None = None,
    device: Any = "auto",
    random_state: Any = None,
    progress: bool = False,
) -> Any:
    """Simulate glitches in detector noise, and turn them into spectrograms.

    Each glitch is made from what is published about its class, with parameters drawn as widely
    as real ones spread, added to noise of a spectrum of its own, and transformed as real strain
    is. What whitening would hide, such as a line that lasts for half of the strain, is drawn
    again. Nothing is downloaded.

    Parameters
    ----------
    n_samples : int, default=100
        Number of glitches.
    classes : sequence of str, "all" or None, default=None
        Which classes. None stands for the 22 of Gravity Spy's training set [1]_, ``"all"`` for
        these and Blip_Low_Frequency, Fast_Scattering and Reverse_Chirp.
    weights : {"gravity_spy", "balanced"} or dict, default="gravity_spy"
        How many of each: in the proportions of Gravity Spy's training set [2]_, the mean of
        which goes to classes that it does not have; as many of each; or a weight for each
        class. Each class with a weight has one glitch at least, if ``n_samples`` allows.
    sample_rate : float, default=4096.0
        In Hz.
    duration : float, default=16.0
        Length in s of the strain around each glitch. Of much less, the spectrum that whitens is
        that of the glitch as well, and long glitches fade.
    noise : {"random", "observed", "aligo"}, tuple or ndarray, default="random"
        Noise that glitches are added to: of a sensitivity like those of the observing runs
        (``"observed"``), of Advanced LIGO's design (``"aligo"``), or one or the other; of a
        one-sided power spectral density ``(frequencies, values)`` in Hz and 1/Hz; or real
        strain, an array of at least ``duration`` from which stretches are cut.
    durations : sequence of float, default=(0.5, 1.0, 2.0, 4.0)
        Durations in s of the views.
    size : tuple of int, default=(140, 170)
        ``(height, width)`` of a view.
    return_strain : bool, default=False
        Whether the strain is in the bunch too.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a bunch.
    n_jobs : int, default=None
        Processes that simulate. The result does not depend on it.
    device : str or torch.device, default="auto"
        Where the spectrograms are computed.
    random_state : int, RandomState instance or None, default=None
        Seed of everything.
    progress : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        data : ndarray of shape (n_samples, n_views, height, width), dtype uint8
            Normalized energy, 255 being 25.5.
        target : ndarray of shape (n_samples,), dtype str
            Class of each glitch, in random order.
        target_names : list of str
            The classes, sorted.
        descriptions : dict
            What each class looks like, and what causes it.
        ids : ndarray of shape (n_samples,), dtype str
            Names of the glitches.
        snr, peak_frequency : ndarray of shape (n_samples,)
            Optimal signal-to-noise ratio, and frequency in Hz of the loudest tile without noise.
        parameters : list of dict
            What was drawn for each glitch.
        durations : tuple of float
            Duration in s of each view.
        sample_rate : float
            In Hz.
        strain : ndarray of shape (n_samples, n_times), dtype float64
            If ``return_strain`` is True; the trigger is in the middle.
    (data, target) : tuple
        If ``return_X_y`` is True.

    Raises
    ------
    ValueError
        If a parameter is out of range or there is no such class.

    See Also
    --------
    skglitch.spectrograms.QTransformer : Strain to spectrograms.
    load_gravity_spy : Real ones.

    References
    ----------
    .. [1] M. Zevin et al., "Gravity Spy: integrating advanced LIGO detector characterization,
       machine learning, and citizen science", Class. Quantum Grav. 34, 064003 (2017).
    .. [2] S. Bahaadini et al., "Machine learning for Gravity Spy: Glitch classification and
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
    names = _class_names(classes)
    generator = check_random_state(random_state)
    labels = _draw_labels(int(n_samples), names, weights, generator)
    transformer = QTransformer(
        sample_rate,
        tuple(durations),
        (10.0, min(2048.0, sample_rate / 2)),
        size=size,
        device=device,
    )
    # Checks the parameters before anything is simulated.
    transformer.fit(np.linspace(-1.0, 1.0, round(duration * sample_rate))[None])
    source = _noise_source(noise, sample_rate, duration)
    seeds = generator.randint(np.iinfo(np.int32).max, size=(len(labels), 4))
    bunch = _empty(labels, names, transformer, round(duration * sample_rate), return_strain)
    parts = _simulate_parts(labels, seeds, source, sample_rate, duration, n_jobs)
    with tqdm(total=len(labels), desc="simulate", unit="glitch", disable=not progress) as bar:
        for rows, glitches in parts:
            _fill(bunch, rows, glitches, transformer)
            bar.update(len(glitches))
    return (bunch.data, bunch.target) if return_X_y else bunch


def _class_names(classes: Sequence[str] | str | None) -> list[str]:
    if classes is None:
        return sorted(name for name, count in GRAVITY_SPY_COUNTS.items() if count)
    if isinstance(classes, str):
        if classes != "all":
            raise ValueError(f"classes={classes!r} is neither a list of classes nor 'all'.")
        return sorted(CLASS_NAMES)
    for name in classes:
        if name not in CLASS_NAMES:
            near = difflib.get_close_matches(str(name), CLASS_NAMES, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"classes: {name!r} is no simulated class.{hint} "
                f"There are {', '.join(CLASS_NAMES)}."
            )
    if not classes:
        raise ValueError("classes=[] is empty: name one at least.")
    return sorted(set(classes))


def _draw_labels(
    n_samples: int,
    names: list[str],
    weights: Mapping[str, float] | str,
    generator: np.random.RandomState,
) -> np.ndarray:
    """Labels in random order, as many of each as their weights say."""
    shares = _shares(names, weights)
    counts = _apportion(n_samples, shares)
    labels = np.repeat(np.array(names), counts)
    return generator.permutation(labels)


def _shares(names: list[str], weights: Mapping[str, float] | str) -> np.ndarray:
    if isinstance(weights, str):
        if weights == "balanced":
            return np.full(len(names), 1 / len(names))
        if weights != "gravity_spy":
            raise ValueError(
                f"weights={weights!r} is not one of 'gravity_spy', 'balanced' or a dict."
            )
        known = [count for count in GRAVITY_SPY_COUNTS.values() if count]
        values = [GRAVITY_SPY_COUNTS[name] or float(np.mean(known)) for name in names]
    else:
        unknown = sorted(set(weights) - set(names))
        if unknown:
            raise ValueError(f"weights names {', '.join(map(repr, unknown))}, not in classes.")
        values = [weights.get(name, 0) for name in names]
    if not all(isinstance(v, Real) and v >= 0 for v in values) or sum(values) <= 0:
        raise ValueError(f"weights={weights!r} must be numbers from 0 up, one of them positive.")
    return np.array(values, dtype=float) / sum(values)


def _apportion(n_samples: int, shares: np.ndarray) -> np.ndarray:
    """Whole numbers that add up: one for each share above 0 first, then largest remainders."""
    wanted = shares > 0
    least = wanted.astype(int) if wanted.sum() <= n_samples else np.zeros(len(shares), dtype=int)
    exact = shares * n_samples
    counts = np.maximum(np.floor(exact).astype(int), least)
    while counts.sum() > n_samples:  # the ones given to small classes come from large ones
        counts[np.argmax(np.where(counts > least, counts - exact, -np.inf))] -= 1
    while counts.sum() < n_samples:
        counts[np.argmax(np.where(wanted, exact - counts, -np.inf))] += 1
    return counts


def _noise_source(noise: Any, sample_rate: float, duration: float) -> NoiseModel | np.ndarray:
    if isinstance(noise, str):
        return NoiseModel(sample_rate, duration, noise)  # type: ignore[arg-type]
    if isinstance(noise, tuple) and len(noise) == 2:
        return NoiseModel(sample_rate, duration, noise)
    strain = np.asarray(noise, dtype=float)
    if strain.ndim != 1 or len(strain) < round(duration * sample_rate):
        raise ValueError(
            f"noise of shape {strain.shape} is not strain of at least {duration:g} s "
            f"({round(duration * sample_rate)} samples at {sample_rate:g} Hz)."
        )
    if not np.isfinite(strain).all():
        raise ValueError("noise has NaN or infinite samples: cut gaps out of it first.")
    return strain


def _simulate_parts(
    labels: np.ndarray,
    seeds: np.ndarray,
    source: NoiseModel | np.ndarray,
    sample_rate: float,
    duration: float,
    n_jobs: int | None,
) -> Iterator[tuple[slice, list[Any]]]:
    """Glitches of a batch at a time, so that strain of all is never in memory at once."""
    with Parallel(n_jobs=n_jobs) as parallel:
        for start in range(0, len(labels), _BATCH):
            rows = slice(start, start + _BATCH)
            task: Callable = delayed(_simulate)
            yield (
                rows,
                parallel(
                    task(str(label), seed, source, sample_rate, duration)
                    for label, seed in zip(labels[rows], seeds[rows], strict=True)
                ),
            )


def _simulate(
    label: str,
    seed: np.ndarray,
    source: NoiseModel | np.ndarray,
    sample_rate: float,
    duration: float,
) -> Any:
    rng = np.random.default_rng(seed)
    if isinstance(source, np.ndarray):
        n_times = round(duration * sample_rate)
        start = rng.integers(len(source) - n_times + 1)
        source = source[start : start + n_times]
    glitch = simulate_glitch(label, rng, sample_rate=sample_rate, duration=duration, noise=source)
    return glitch.strain, glitch.parameters


def _empty(
    labels: np.ndarray, names: list[str], transformer: Any, n_times: int, with_strain: bool
) -> Bunch:
    n = len(labels)
    shape = (n, len(transformer.durations), *transformer.size)
    bunch = Bunch(
        data=np.empty(shape, dtype=np.uint8),
        target=labels,
        target_names=names,
        descriptions={name: DESCRIPTIONS[name] for name in names},
        ids=np.array([f"SIM_{number:0{_ID_WIDTH}d}" for number in range(n)]),
        snr=np.empty(n),
        peak_frequency=np.empty(n),
        parameters=[],
        durations=tuple(transformer.durations),
        sample_rate=transformer.sample_rate,
    )
    if with_strain:
        bunch.strain = np.empty((n, n_times))
    return bunch


def _fill(bunch: Bunch, rows: slice, glitches: list[Any], transformer: Any) -> None:
    strain = np.stack([values for values, _ in glitches])
    # A few s of strain should show what pictures of more of it show.
    bunch.data[rows] = transformer.scan(strain, clean_medians=True).data
    for name in ("snr", "peak_frequency"):
        bunch[name][rows] = [parameters[name] for _, parameters in glitches]
    bunch.parameters += [parameters for _, parameters in glitches]
    if "strain" in bunch:
        bunch.strain[rows] = strain
