"""From a source of glitches, and from a model, to what the estimators take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._messages import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from sklearn.utils import Bunch

# Of views that are made here, of pictures and of strain.
_SIZE = (140, 170)
# A time in this century, as such or as load_triggers writes it.
_GPS = re.compile(r"(?:[A-Z]\d_)?(\d{9,10}(?:\.\d+)?)")


def load_glitches(
    source: Path | None,
    durations: tuple[float, ...] | None,
    size: tuple[int, int] | None,
    options: Mapping[str, Any],
) -> Bunch:
    """Read glitches, wherever they come from, and tell how many there are.

    Parameters
    ----------
    source : pathlib.Path or None
        A folder of pictures or an HDF5 file. None where the option ``triggers`` is given.
    durations : tuple of float or None
        Durations in s of the views to read; None is those that there are.
    size : tuple of int or None
        Height and width of a view in pixels; None is that of an HDF5 file, or 140 x 170.
    options : mapping
        Of the command, as :func:`skglitch.cli._options.running` makes them.

    Returns
    -------
    bunch : Bunch
        With ``data``, ``ids``, ``ifo``, ``durations``, ``target``, which is None without labels,
        and ``gps``, which is None where no GPS times are known.

    Raises
    ------
    click.UsageError
        If there is not one source.
    ValueError, OSError
        As the functions of :mod:`skglitch.datasets` raise.
    """
    ctx = click.get_current_context(silent=True)
    triggers: Path | None = options.get("triggers")
    if (source is None) == (triggers is None):
        told = "both SOURCE and --triggers are" if triggers else "neither SOURCE nor --triggers is"
        raise click.UsageError(
            f"{told} given: give a folder of pictures or an HDF5 file, or a table of triggers with "
            "--strain.",
            ctx,
        )
    if triggers is None and options.get("strain"):
        raise click.UsageError("--strain is for --triggers, which are not given.", ctx)
    if triggers is not None:
        from ._strain import load_from_strain

        bunch = load_from_strain(triggers, durations, size or _SIZE, options)
    elif source is not None and source.is_dir():
        bunch = _load_pictures(source, durations, size or _SIZE, options)
    elif source is not None:
        bunch = _load_file(source, durations, size)
    if bunch.target is not None and len(bunch.target_names) == 0:
        bunch.target = bunch.target_names = None
    if bunch.get("gps") is None:
        bunch.gps = gps_of_ids(bunch.ids)
    say(
        f"{len(bunch.data)} glitches with {describe_views(bunch.durations)} in {source or triggers}"
    )
    return bunch


def _load_pictures(
    folder: Path,
    durations: tuple[float, ...] | None,
    size: tuple[int, int],
    options: Mapping[str, Any],
) -> Bunch:
    from ..datasets import load_gravity_spy

    return load_gravity_spy(
        folder,
        durations=durations,
        size=size,
        missing=options["missing"],
        on_error=options["on_error"],
        progress=not options["quiet"],
    )


def _load_file(
    path: Path, durations: tuple[float, ...] | None, size: tuple[int, int] | None
) -> Bunch:
    """Read an HDF5 file."""
    from ..datasets import load_glitches

    suffixes = (".h5", ".hdf5", ".hdf")
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"SOURCE {str(path)!r} is neither a folder of pictures nor an HDF5 file, which ends in "
            f"{', '.join(suffixes)}. Strain is given with --triggers and --strain."
        )
    bunch = load_glitches(path, durations=durations, size=size)
    if bunch.durations is None:
        raise ValueError(
            f"{str(path)!r} has {bunch.data.shape[1]} views of unknown durations: set the "
            "attribute 'durations' of its data set, in s."
        )
    return bunch


def gps_of_ids(ids: np.ndarray) -> np.ndarray | None:
    """Read GPS times out of ids, which they are in some pictures' names.

    Examples
    --------
    >>> from skglitch.cli._data import gps_of_ids
    >>> gps_of_ids(["1238402214.65", "1238562228.93"])
    array([1.23840221e+09, 1.23856223e+09])
    >>> gps_of_ids(["1238402214.65", "zpdJAmQwGR"]) is None
    True
    """
    import numpy as np

    found = [_GPS.fullmatch(str(name)) for name in ids]
    return np.array([float(match[1]) for match in found if match]) if all(found) else None


def load_for_model(source: Path | None, model: Any, options: Mapping[str, Any]) -> Bunch:
    """Read the views that a model was trained on, at the size it was trained on.

    Raises
    ------
    ValueError
        If the source does not have them, or the model does not tell which they are.
    """
    trained = getattr(model, "classifier_", model)
    durations = tuple(trained.durations_)
    n_views, *size = model.image_shape_
    if len(durations) != n_views:
        raise ValueError(
            f"The model was fitted on {n_views} views, but the durations of its encoder, "
            f"{durations!r}, are {len(durations)}: the views it reads are not known."
        )
    from ..datasets import MissingViewsError

    try:
        return load_glitches(source, durations, (size[0], size[1]), options)
    except MissingViewsError as error:
        missing = [duration for duration in error.missing if not error.available.get(duration)]
        if not missing:
            raise
        counts = [f"{d} s of {n} glitches" for d, n in sorted(error.available.items()) if n]
        raise ValueError(
            f"The model reads {describe_views(durations)}, but no glitch has a view of "
            f"{' or '.join(map(str, missing))} s; there are {', '.join(counts)}."
        ) from error


def load_model(path: Path, kinds: tuple[str, ...], options: Mapping[str, Any]) -> Any:
    """Load a model of one of ``kinds``, with the options of the command as its parameters."""
    from ..persistence import load

    model = load(path, device=options["device"])
    if type(model).__name__ not in kinds:
        raise ValueError(
            f"{str(path)!r} holds a {type(model).__name__}, where a {' or a '.join(kinds)} is "
            "needed."
        )
    names = ("batch_size", "precision")
    given = {name: options[name] for name in names if options[name] is not None}
    return model.set_params(**given, verbose=int(not options["quiet"]))


def about_glitches(bunch: Bunch) -> dict[str, np.ndarray]:
    """Tell what is known of glitches, by the name of a column."""
    about = {"id": bunch.ids, "ifo": bunch.ifo, "gps_time": bunch.get("gps"), "label": bunch.target}
    return {name: values for name, values in about.items() if values is not None}


def describe_views(durations: tuple[float, ...]) -> str:
    """Name views in words.

    Examples
    --------
    >>> from skglitch.cli._data import describe_views
    >>> describe_views((0.5, 4.0))
    'views of 0.5 and 4.0 s'
    """
    *first, last = map(str, durations)
    return f"views of {', '.join(first)} and {last} s" if first else f"views of {last} s"
