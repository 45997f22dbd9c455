"""The file: a zip archive of a schema and arrays, written atomically."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Collection, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .._files import refuse_bomb, written_whole

PROTOCOL = 1
SCHEMA, WEIGHTS = "schema.json", "weights.safetensors"
_FORMAT = "skglitch"
# Libraries whose versions are stored, as other versions may explain why loading fails.
_LIBRARIES = ("skglitch", "torch", "torchvision", "timm", "skorch", "scikit-learn", "numpy")
# A fixed date, so that equal estimators give equal bytes.
_DATE = (1980, 1, 1, 0, 0, 0)

Arrays = dict[str, np.ndarray]


def write_file(
    path: Path, estimator: dict[str, Any], arrays: Arrays, half: Collection[str] = ()
) -> None:
    """Write the record of an estimator and its arrays, those in `half` as float16."""
    from safetensors.numpy import save

    schema = {
        "format": _FORMAT,
        "protocol": PROTOCOL,
        "versions": _versions(),
        "estimator": estimator,
    }
    if half:
        schema["half"] = sorted(half)
        arrays = arrays | {name: arrays[name].astype(np.float16) for name in half}
    text = json.dumps(schema, indent=1, allow_nan=False)
    with written_whole(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_entry(SCHEMA, zipfile.ZIP_DEFLATED), text.encode())
        # Compressing weights takes time and saves only a tenth.
        archive.writestr(_entry(WEIGHTS, zipfile.ZIP_STORED), save(arrays))


def read_file(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Read the schema and the arrays of a file; ValueError if it is damaged or of another kind."""
    from safetensors.numpy import load

    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            # A truncated zip keeps its beginning, but loses its table of contents.
            reason = (
                "damaged: it ends too early" if file.read(2) == b"PK" else "not a skglitch file"
            )
        raise ValueError(f"{str(path)!r} is {reason}.")
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_bomb(archive)
            schema = json.loads(archive.read(SCHEMA)) if SCHEMA in archive.namelist() else None
            if not isinstance(schema, dict) or schema.get("format") != _FORMAT:
                problem = "is not a skglitch file."
            elif not isinstance(schema["protocol"], int) or schema["protocol"] > PROTOCOL:
                problem = (
                    f"was written by a newer skglitch ({schema['versions'].get('skglitch', '?')}, "
                    f"protocol {schema['protocol']}); this one, {_versions()['skglitch']}, reads "
                    f"up to protocol {PROTOCOL}: upgrade with pip install -U skglitch."
                )
            elif not isinstance(schema["versions"], dict) or "estimator" not in schema:
                problem = "is damaged: its schema is incomplete."
            else:
                arrays = load(archive.read(WEIGHTS))
                types = dict.fromkeys(schema.get("half", ()), np.float32)
                # Copies, as arrays on bytes are read-only.
                return schema, {
                    name: array.astype(types.get(name, array.dtype))
                    for name, array in arrays.items()
                }
    except Exception as error:
        # zipfile, zlib, json and safetensors raise errors of many types.
        raise ValueError(f"{str(path)!r} is damaged: {error}") from error
    raise ValueError(f"{str(path)!r} {problem}")


@contextlib.contextmanager
def explaining(path: Path, schema: dict[str, Any]) -> Iterator[None]:
    """Convert errors in the content of a file to a ValueError with its name."""
    try:
        yield
    except Exception as error:
        # Damaged files raise errors of many types in Python, torch and scikit-learn.
        reason = str(error) if isinstance(error, ValueError) else repr(error)
        versions = _describe_versions(schema["versions"])
        raise ValueError(f"{str(path)!r} cannot be loaded: {reason}.{versions}") from error


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_DATE)
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    return entry


def _versions() -> dict[str, str]:
    from .._version import __version__

    # skglitch has no metadata if it is not installed.
    versions = {name: metadata.version(name) for name in _LIBRARIES if name != "skglitch"}
    return {"skglitch": __version__} | versions


def _describe_versions(written: dict[str, str]) -> str:
    """List the libraries whose version has changed since a file was written."""
    installed = _versions()
    changed = [
        f"{name} {version} (installed: {installed[name]})"
        for name, version in written.items()
        if installed.get(name, version) != version
    ]
    return f" It was written with {', '.join(changed)}." if changed else ""
