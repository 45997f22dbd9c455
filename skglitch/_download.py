"""Downloads, which resume after an interruption and are verified by a checksum."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ._version import __version__

ZENODO = "https://zenodo.org"
_CHUNK = 1 << 20
# Errors of the network, not of the disk, are worth another try.
_NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


@dataclass(frozen=True)
class RemoteFile:
    """A file, with its size in bytes and ``algorithm:checksum`` (8 digits or more) if known."""

    url: str
    size: int | None = None
    checksum: str | None = None

    def matches(self, path: Path) -> bool:
        """Whether a file on disk has this size and checksum."""
        if self.size is not None and path.stat().st_size != self.size:
            return False
        if self.checksum is None:
            return True
        algorithm, _, expected = self.checksum.partition(":")
        if len(expected) < 8:  # as torch.hub has it
            raise ValueError(f"checksum={self.checksum!r} has too few digits.")
        with open(path, "rb") as stream:
            found = hashlib.file_digest(
                stream, lambda: hashlib.new(algorithm, usedforsecurity=False)
            )
        return found.hexdigest().startswith(expected.lower())


def check_transfer(n_retries: Any, delay: Any) -> None:
    """Check the parameters of a transfer."""
    if not isinstance(n_retries, int) or n_retries < 0:
        raise ValueError(f"n_retries={n_retries!r} must be a whole number, 0 or more.")
    if not delay >= 0:
        raise ValueError(f"delay={delay!r} must be a number of seconds, 0 or more.")


@dataclass(frozen=True)
class ZenodoRecord:
    """Files of a Zenodo record, to download to a folder. ``delay`` is in s."""

    number: str
    folder: Path
    download_if_missing: bool
    n_retries: int
    delay: float
    progress: bool

    def __post_init__(self) -> None:
        check_transfer(self.n_retries, self.delay)

    def fetch(self, name: str) -> Path:
        """Return the path of a file, downloading it if it is missing."""
        path = self.folder / name
        if path.exists():
            return path
        if not self.download_if_missing:
            raise OSError(f"{path} does not exist, and download_if_missing=False.")
        try:
            if name not in self._files:
                files = ", ".join(self._files)
                raise ConnectionError(f"the record has no file {name}, only {files}")
            download(
                self._files[name],
                path,
                n_retries=self.n_retries,
                delay=self.delay,
                progress=self.progress,
            )
        except ConnectionError as error:
            raise OSError(
                f"Cannot download {self._url(name)} ({error}). The next call resumes the "
                f"download. Alternatively put the file at {path}"
            ) from error
        return path

    def _url(self, name: str) -> str:
        return f"{ZENODO}/records/{self.number}/files/{name}?download=1"

    @cached_property
    def _files(self) -> dict[str, RemoteFile]:
        """Get the list of files of the record, once."""
        url = f"{ZENODO}/api/records/{self.number}"
        try:
            with _open(url, {}) as response:
                names = {file["key"]: file for file in json.load(response)["files"]}
            return {
                name: RemoteFile(self._url(name), int(file["size"]), file["checksum"])
                for name, file in names.items()
            }
        except _NETWORK_ERRORS as error:
            raise ConnectionError(f"{url} cannot be read: {_reason(error)}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionError(f"{url} is not the description of a record: {error!r}") from error


def download(
    file: RemoteFile, target: Path, *, n_retries: int, delay: float, progress: bool
) -> None:
    """Download a file, resuming a ``.part`` of it. ``delay`` in s doubles with each try."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for attempt in range(n_retries + 1):
        try:
            _continue(file, part, progress)
            if file.matches(part):
                part.replace(target)
                return
            # It is unknown which bytes are wrong.
            part.unlink()
            raise ConnectionError(f"the file does not have the checksum {file.checksum}")
        except _NETWORK_ERRORS as error:
            hopeless = isinstance(error, urllib.error.HTTPError) and error.code in (401, 403, 404)
            if hopeless or attempt == n_retries:
                raise ConnectionError(f"{file.url} cannot be read: {_reason(error)}") from error
        time.sleep(delay * 2**attempt)


def _continue(file: RemoteFile, part: Path, progress: bool) -> None:
    """Download the missing bytes."""
    have = part.stat().st_size if part.exists() else 0
    if file.size is not None and have > file.size:
        part.unlink()
        have = 0
    if have == file.size:
        return
    with _request(file, part, have) as response:
        answer = response.headers.get("Content-Range", "")
        if have and not (response.status == 206 and answer.startswith(f"bytes {have}-")):
            if response.status == 206:
                raise ConnectionError(f"asked for bytes from {have} on, the answer was {answer!r}")
            # The server does not support ranges, and sends the whole file.
            have = 0
        total = file.size
        if total is None and response.length is not None:
            total = have + response.length
        bar = tqdm(
            total=total,
            initial=have,
            desc=part.name.removesuffix(".part"),
            unit="B",
            unit_scale=True,
            disable=not progress,
        )
        with bar, open(part, "ab" if have else "wb") as stream:
            while chunk := response.read(_CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
    size = part.stat().st_size
    if total is not None and size < total:
        raise ConnectionError(f"the transfer was interrupted after {size} of {total} bytes")


def _request(file: RemoteFile, part: Path, have: int) -> Any:
    try:
        return _open(file.url, {"Range": f"bytes={have}-"} if have else {})
    except urllib.error.HTTPError as error:
        if error.code == 416 and file.size is None:
            # The part may be complete or too long, which cannot be known without the size.
            part.unlink()
            raise ConnectionError(f"there are no bytes from {have} on") from error
        raise


def _open(url: str, headers: dict[str, str]) -> Any:
    headers = {"User-Agent": f"skglitch/{__version__}"} | headers
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30.0)


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", "") or error or type(error).__name__)
