"""What tells a right file from a wrong one. Transfers are tested where they are used."""

from __future__ import annotations

import hashlib

import pytest

from skglitch._download import RemoteFile

CONTENT = b"glitch"
URL = "https://nowhere.invalid/file"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("n_digits", [8, 10, 64])
def test_checksums_and_their_beginnings(path, algorithm, n_digits):
    digits = hashlib.new(algorithm, CONTENT).hexdigest()[:n_digits]
    assert RemoteFile(URL, checksum=f"{algorithm}:{digits.upper()}").matches(path)
    wrong = "1" if digits[-1] == "0" else "0"
    assert not RemoteFile(URL, checksum=f"{algorithm}:{digits[:-1]}{wrong}").matches(path)


def test_few_digits_prove_nothing(path):
    digits = hashlib.sha256(CONTENT).hexdigest()
    for few in ("", digits[:7]):
        with pytest.raises(ValueError, match="digits"):
            RemoteFile(URL, checksum=f"sha256:{few}").matches(path)


def test_size_alone(path):
    assert RemoteFile(URL, size=6).matches(path)
    assert not RemoteFile(URL, size=7).matches(path)
