"""The Gravity Spy catalog, and the votes of its volunteers, from Zenodo."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._download import ZenodoRecord
from .._files import get_data_home
from ._trigger_table import Columns

if TYPE_CHECKING:
    import pandas as pd

_CATALOG, _VOTES = "5649212", "13904422"
_RUNS, _IFOS = ("O1", "O2", "O3a", "O3b"), ("H1", "L1")
_VOTES_FILE = "classifications.csv.bz2"


def fetch_gravity_spy_catalog(
    data_home: str | os.PathLike[str] | None = None,
    *,
    runs: Sequence[str] = _RUNS,
    ifos: Sequence[str] = _IFOS,
    min_confidence: float = 0.0,
    download_if_missing: bool = True,
    progress: bool = True,
    base_url: str = "https://zenodo.org",
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load the Gravity Spy catalog of O1 to O3b, downloading it if necessary.

    Parameters
    ----------
    data_home : path, default=None
        Folder for the data, see :func:`get_data_home`.
    runs : sequence of {"O1", "O2", "O3a", "O3b"}, default=("O1", "O2", "O3a", "O3b")
        Observing runs.
    ifos : sequence of {"H1", "L1"}, default=("H1", "L1")
        Detectors.
    min_confidence : float, default=0.0
        Lowest confidence of the label, between 0 and 1.
    download_if_missing, progress, base_url, n_retries, delay
        As in :func:`fetch_gravity_spy`.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        frame : pandas.DataFrame
            One row per glitch. Among its columns are ``gravityspy_id``, ``run``, ``ifo``,
            ``event_time`` (GPS time in s), ``ml_label`` and ``ml_confidence`` (the label by
            machine learning), ``snr``, ``peak_frequency`` in Hz, ``duration`` in s, and ``url1``
            to ``url4`` (pictures of 0.5, 1, 2 and 4 s).
        target_names : ndarray of shape (n_classes,), dtype str
            The labels, sorted.

    Raises
    ------
    OSError
        If a file is missing and cannot be downloaded. The message says which file to put where.
    ValueError
        If a parameter is invalid, or a file cannot be read.

    Notes
    -----
    The catalog [1]_ (CC BY 4.0) has 613,786 glitches, in one table per detector and run of up to
    142 MB. Rows go to :func:`fetch_gravity_spy_pictures` or :func:`load_triggers`.

    References
    ----------
    .. [1] J. Glanzer et al., "Gravity Spy Machine Learning Classifications of LIGO Glitches from
       Observing Runs O1, O2, O3a, and O3b", Zenodo (2021),
       https://doi.org/10.5281/zenodo.5649212.

    Examples
    --------
    >>> from skglitch.datasets import fetch_gravity_spy_catalog
    >>> catalog = fetch_gravity_spy_catalog(runs=["O1"], min_confidence=0.9)  # doctest: +SKIP
    >>> blips = catalog.frame[catalog.frame["ml_label"] == "Blip"]  # doctest: +SKIP
    """
    import pandas as pd

    for name, values, allowed in (("runs", runs, _RUNS), ("ifos", ifos, _IFOS)):
        if isinstance(values, str) or not values or not set(values) <= set(allowed):
            raise ValueError(
                f"{name}={values!r} must be a list of some of {', '.join(map(repr, allowed))}."
            )
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence={min_confidence!r} must be a number between 0 and 1.")
    folder = get_data_home(data_home) / "gravity_spy_catalog"
    record = ZenodoRecord(
        _CATALOG, folder, base_url, download_if_missing, n_retries, delay, progress
    )
    tables = []
    for run in dict.fromkeys(runs):
        for ifo in dict.fromkeys(ifos):
            path = record.fetch(f"{ifo}_{run}.csv")
            dtypes = {"gravityspy_id": str, "ml_label": str, "ml_confidence": float}
            table = _read(path, dtype=dtypes, low_memory=False)
            if not {"ml_label", "ml_confidence"} <= set(table):
                raise ValueError(f"{path} lacks the column 'ml_label' or 'ml_confidence'.")
            table = table[table["ml_confidence"] >= min_confidence]
            tables.append(table.assign(run=run))
    frame = pd.concat(tables, ignore_index=True)
    return Bunch(frame=frame, target_names=np.unique(frame["ml_label"].dropna().to_numpy(str)))


def fetch_gravity_spy_votes(
    data_home: str | os.PathLike[str] | None = None,
    *,
    glitch: str = "auto",
    label: str = "auto",
    download_if_missing: bool = True,
    progress: bool = True,
    base_url: str = "https://zenodo.org",
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load the labels that volunteers gave to glitches, downloading them if necessary.

    Parameters
    ----------
    data_home : path, default=None
        Folder for the data, see :func:`get_data_home`.
    glitch : str, default="auto"
        Column of the glitches. ``"auto"`` is the first of ``gravityspy_id``, ``subject_id`` and
        ``subject_ids``. Case is ignored.
    label : str, default="auto"
        Column of the labels. ``"auto"`` is as in :func:`load_triggers`.
    download_if_missing, progress, base_url, n_retries, delay
        As in :func:`fetch_gravity_spy`.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        frame : pandas.DataFrame of shape (n_glitches, n_classes)
            Fraction of the votes for each class. The index is the column ``glitch``.
        n_votes : ndarray of shape (n_glitches,), dtype int
            Number of votes.
        target_names : ndarray of shape (n_classes,), dtype str
            The classes, sorted.

    Raises
    ------
    OSError, ValueError
        As from :func:`fetch_gravity_spy_catalog`, and if the file lacks a column.

    Notes
    -----
    The file [1]_ has one row per vote until July 2024, of which two columns are read. Their names
    are not documented: pass them if they are not found. Subjects of Zooniverse are not the
    ``gravityspy_id`` of the catalog.

    References
    ----------
    .. [1] K. Crowston et al., "Gravity Spy Volunteer Classifications of LIGO Glitches", Zenodo
       (2024), https://doi.org/10.5281/zenodo.13904422.

    Examples
    --------
    >>> from skglitch.datasets import fetch_gravity_spy_votes
    >>> votes = fetch_gravity_spy_votes()  # doctest: +SKIP
    >>> soft_labels = votes.frame[votes.n_votes >= 5]  # doctest: +SKIP
    """
    folder = get_data_home(data_home) / "gravity_spy_votes"
    record = ZenodoRecord(_VOTES, folder, base_url, download_if_missing, n_retries, delay, progress)
    path = record.fetch(_VOTES_FILE)
    columns = Columns(_read(path, nrows=0), str(path))
    names = [columns.find("glitch", glitch), columns.find("label", label)]
    if None in names:
        raise ValueError(
            f"{path} has no columns of usual names: pass glitch= and label=. {columns}"
        )
    rows = _read(path, usecols=names, dtype=dict.fromkeys(names, "category"))
    counts = rows.groupby(names, observed=True).size().unstack(fill_value=0)
    counts.index, counts.columns = counts.index.astype(str), counts.columns.astype(str)
    n_votes = counts.sum(axis=1)
    return Bunch(
        frame=counts.div(n_votes, axis=0),
        n_votes=n_votes.to_numpy(),
        target_names=counts.columns.to_numpy(dtype=str),
    )


def _read(path: Path, **options: Any) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, **options)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
