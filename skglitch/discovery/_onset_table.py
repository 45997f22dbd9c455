"""The result of a search for onsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._text import TextTable, align

_HEADER = (
    *("cluster", "detector", "events", "changed at [GPS s]", "95 % interval [GPS s]"),
    *("before [1/h]", "after [1/h]", "p-value", "active", "still active"),
)


@dataclass(frozen=True)
class Onset:
    """How the rate of one cluster changed, in one detector and run.

    Parameters
    ----------
    cluster : object
        Label of the cluster.
    detector : object
        The detector, or None where they were not told.
    run : str or None
        The observing run, or None where they were not told.
    n_events : int
        Number of glitches in observing time.
    rate : float
        Glitches an hour of observing time, over all of it.
    changed_at : float
        GPS time in s of the change of the rate, where it is most likely; NaN where none can be
        told.
    interval : tuple of float
        GPS times in s between which the change lies with a probability of 95 %, if there is one.
        `changed_at` is always in it.
    rate_before, rate_after : float
        Glitches an hour before and after that.
    p_value : float
        How often glitches of a constant rate show a change as clear, by simulation.
    active : float
        Probability of a silence as long as that at the end, at the rate after the change. A
        small one says that it has ceased.
    still_active : {"yes", "no", "unclear"}
        What `active` comes to: "no" below 0.01, "yes" from 0.1 on, else "unclear", and "unclear"
        of too few events for a change.

    See Also
    --------
    onset : Compute it.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import onset
    >>> start = 1126051217
    >>> times = start + np.linspace(50_000, 100_000, 60, endpoint=False)
    >>> record = onset(times, np.zeros(60), segments=[(start, start + 100_000)], random_state=0)[0]
    >>> record.n_events, round(record.rate, 2), record.p_value < 0.01, record.still_active
    (60, 2.16, True, 'yes')
    """

    cluster: Any
    detector: Any
    run: str | None
    n_events: int
    rate: float
    changed_at: float
    interval: tuple[float, float]
    rate_before: float
    rate_after: float
    p_value: float
    active: float
    still_active: str


class OnsetTable(TextTable, tuple):
    """The records of :func:`onset`, a tuple that ``print`` shows as a table for each run.

    Parameters
    ----------
    iterable : iterable of Onset
        The records.

    See Also
    --------
    onset : Compute them.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import onset
    >>> start = 1126051217
    >>> times = start + np.linspace(1_000, 99_000, 60)
    >>> clusters = np.repeat([0, 1], 30)
    >>> table = onset(times, clusters, segments=[(start, start + 100_000)], random_state=0)
    >>> [record.cluster for record in table if record.still_active == "yes"]
    [1]
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        # All are aligned alike, so that columns of runs can be compared.
        header, *lines = align([_HEADER, *map(_cells, self)], left=[0, 1, 9]).split("\n")
        tables: dict[Any, list[str]] = {}
        for record, line in zip(self, lines, strict=True):
            tables.setdefault(record.run, [header]).append(line)
        return "\n\n".join(
            "\n".join(table if run is None else [f"Run {run}", *table])
            for run, table in (tables or {None: [header]}).items()
        )

    def to_dict(self) -> dict[str, list[Any]]:
        """Give the table as plain Python values.

        Returns
        -------
        table : dict of lists
            The fields of the records as columns, the interval as ``interval_low`` and
            ``interval_high``: fit for ``json.dump`` (but for changes that cannot be told, which
            are NaN) and for ``pandas.DataFrame``. ``detector`` and ``run`` are empty where all
            are taken as one.
        """
        rows = []
        for record in self:
            row = dict(vars(record))
            low, high = row.pop("interval")
            row |= {"interval_low": low, "interval_high": high}
            rows.append({name: "" if value is None else value for name, value in row.items()})
        return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _cells(record: Onset) -> list[str]:
    return [
        str(record.cluster),
        "" if record.detector is None else str(record.detector),
        str(record.n_events),
        f"{record.changed_at:.0f}",
        "{:.0f} to {:.0f}".format(*record.interval),
        f"{record.rate_before:.3g}",
        f"{record.rate_after:.3g}",
        f"{record.p_value:.2g}",
        f"{record.active:.2g}",
        record.still_active,
    ]
