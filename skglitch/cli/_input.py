"""Loading of glitches and models by the options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._output import say

if TYPE_CHECKING:
    import numpy as np
    from sklearn.utils import Bunch

_HDF5 = (".h5", ".hdf5", ".hdf")
# A GPS time of this century, alone or as in the ids of load_triggers.
_GPS = re.compile(r"(?:[A-Z]\d_)?(\d{9,10}(?:\.\d+)?)")
_IFO = re.compile(r"[A-Z]\d:")
# Sample rate in Hz of the strain that fetch_open_strain downloads.
_OPEN_SAMPLE_RATE = 4096.0
_GIVEN = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.DEFAULT_MAP)


def load_source(
    source: Path | None,
    durations: tuple[float, ...] | None,
    size: tuple[int, int] | None,
    options: Mapping[str, Any],
) -> Bunch:
    """Read the glitches of SOURCE or ``--triggers``; target and gps are None if unknown."""
    triggers: Path | None = options["triggers"]
    if (source is None) == (triggers is None):
        raise click.UsageError("Exactly one of SOURCE and --triggers is needed.")
    if (triggers is None) != (not options["strain"]):
        raise click.UsageError("--triggers and --strain must be used together.")
    if triggers is not None:
        bunch = _load_triggers(triggers, durations, size, options)
    elif source is not None and source.is_dir():
        from ..datasets import load_gravity_spy

        size_param: dict[str, Any] = {} if size is None else {"size": size}
        bunch = load_gravity_spy(
            source,
            durations=durations,
            **size_param,
            missing=options["missing"],
            on_error=options["on_error"],
            progress=not options["quiet"],
        )
    elif source is not None:
        from ..datasets import load_glitches

        if source.suffix.lower() not in _HDF5:
            raise ValueError(
                f"SOURCE {str(source)!r} is neither a folder nor an HDF5 file ({', '.join(_HDF5)})."
            )
        bunch = load_glitches(source, durations=durations, size=size)
        if bunch.durations is None:
            raise ValueError(
                f"{str(source)!r} has {bunch.data.shape[1]} views of unknown durations: set the "
                "attribute 'durations' of its data set, in s."
            )
    if bunch.target is not None and not len(bunch.target_names):
        bunch.target = bunch.target_names = None
    if bunch.get("gps") is None:
        bunch.gps = gps_of_ids(bunch.ids)
    views = ", ".join(map(str, bunch.durations))
    say(f"{len(bunch.data)} glitches with views of {views} s in {source or triggers}")
    return bunch


def _load_triggers(
    triggers: Path,
    durations: tuple[float, ...] | None,
    size: tuple[int, int] | None,
    options: Mapping[str, Any],
) -> Bunch:
    from ..datasets import StrainFiles, fetch_open_strain, load_triggers
    from ..spectrograms import QTransformer

    strain: Any = fetch_open_strain
    transformer = QTransformer(sample_rate=_OPEN_SAMPLE_RATE)
    if list(options["strain"]) != ["gwosc"]:
        strain = StrainFiles(options["strain"], dataset=_parse_channels(options["channel"]))
        frange = 10.0, min(2048.0, strain.sample_rate / 2)
        transformer.set_params(sample_rate=strain.sample_rate, frange=frange)
    if size is not None:
        transformer.set_params(size=size)
    if durations is not None:
        transformer.set_params(durations=durations)
    # Apple's GPUs have no float64, which whitening needs.
    if options["device"] not in (None, "mps"):
        transformer.set_params(device=options["device"])
    bunch = load_triggers(
        triggers,
        strain,
        transformer,
        duration=options["strain_duration"],
        on_error=options["on_error"],
        progress=not options["quiet"],
    )
    bunch.durations = tuple(transformer.durations)
    return bunch


def _parse_channels(channels: Sequence[str]) -> Any:
    """Return the parameter ``dataset`` of StrainFiles."""
    by_ifo = {name.partition(":")[0]: name for name in channels if _IFO.match(name)}
    if not by_ifo and len(channels) < 2:
        return channels[0] if channels else None
    if len(by_ifo) < len(channels):
        raise click.UsageError(
            "--channel: each of several channels must start with a detector of its own, such as "
            f"H1:NAME and L1:NAME, got {', '.join(channels)}."
        )
    return by_ifo


def gps_of_ids(ids: Sequence[str]) -> np.ndarray | None:
    """Return the GPS times in ids, or None if some id has none."""
    import numpy as np

    matches = [_GPS.fullmatch(str(name)) for name in ids]
    return np.array([float(m[1]) for m in matches if m]) if all(matches) else None


def load_for_model(source: Path | None, model: Any, options: Mapping[str, Any]) -> Bunch:
    """Read the views that a model was fitted to, in their size."""
    n_views, *size = model.image_shape_
    bunch = load_source(source, model.durations_, (size[0], size[1]), options)
    if len(bunch.durations) != n_views:
        raise ValueError(
            f"The model was fitted to {n_views} views of unknown durations, but there are "
            f"{bunch.durations}: fit it with encoder=Encoder(durations=...)."
        )
    return bunch


def load_model(path: Path, kinds: Sequence[str], options: Mapping[str, Any]) -> Any:
    """Load a model of one of some classes, and set parameters from options."""
    from ..persistence import load

    model = load(path, device=options["device"])
    if type(model).__name__ not in kinds:
        raise ValueError(f"{str(path)!r} is a {type(model).__name__}, not a {' or '.join(kinds)}.")
    names = ("batch_size", "precision")
    given = {name: options[name] for name in names if options[name] is not None}
    return model.set_params(**given, verbose=int(not options["quiet"]))


def describe_glitches(bunch: Bunch) -> dict[str, Any]:
    """Return the columns that describe glitches in tables."""
    columns = {"id": bunch.ids, "ifo": bunch.ifo, "gps_time": bunch.gps, "label": bunch.target}
    return {name: values for name, values in columns.items() if values is not None}


def parse_weights(value: str | None) -> dict[str, Any]:
    """Return the parameter that ``--weights`` sets."""
    return {} if value is None else {"weights": None if value == "none" else value}


def refuse_options(ctx: click.Context, names: Sequence[str], reason: str) -> None:
    """Raise UsageError if options without effect are given."""
    given = [
        f"--{name.replace('_', '-')}" for name in names if ctx.get_parameter_source(name) in _GIVEN
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: {reason}", ctx)
