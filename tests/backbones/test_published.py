"""The download of weights, from a real server on this machine, with files of the real form."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
import torchvision

from skglitch._backbones import _published, make_backbone
from skglitch._backbones._published import PublishedWeights, weights_file


class Shelf:
    """What the server has, and what it was asked for."""

    def __init__(self):
        self.files = {}
        self.asked = []
        self.break_off = []  # after how many bytes, one answer each

    def put(self, weights, content):
        self.files[weights.url.rpartition("/")[2]] = content


def make_handler(shelf):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("/")[2]
            ranged = self.headers.get("Range", "")
            shelf.asked.append((name, ranged))
            if name not in shelf.files:
                self.send_error(404)
                return
            content = shelf.files[name]
            start = int(ranged.removeprefix("bytes=")[:-1]) if ranged else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if ranged else 200)
            if ranged:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", span)
            body = content[start:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: shelf.break_off.pop(0)] if shelf.break_off else body)

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    shelf = Shelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(shelf))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(_published.MIRROR, f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(_published, "_DELAY", 0.0)
    yield shelf
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def content():
    """A file as torchvision publishes them."""
    stream = io.BytesIO()
    torch.save(torchvision.models.squeezenet1_1().state_dict(), stream)
    return stream.getvalue()


@pytest.fixture
def weights(content):
    digest = hashlib.sha256(content).hexdigest()[:8]
    return PublishedWeights(
        f"https://nowhere.invalid/models/squeezenet1_1-{digest}.pth", f"sha256:{digest}", "BSD"
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SKGLITCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "weights"


def test_a_file_is_downloaded_once(shelf, weights, content, home):
    shelf.put(weights, content)
    for _ in range(2):
        path = weights_file("squeezenet1_1", weights)
        assert path == home / weights.file_name
        assert path.read_bytes() == content
    assert len(shelf.asked) == 1
    assert make_backbone("squeezenet1_1", path).loaded["extent"] == "whole"


def test_imagenet_means_the_published_file(shelf, weights, content, home, monkeypatch):
    # The file under the name and checksum of the record, which no file made here can have.
    import dataclasses

    from skglitch._backbones import _make, _registry

    record = dataclasses.replace(_registry.find_backbone("squeezenet1_1"), weights=weights)
    monkeypatch.setattr(_make, "find_backbone", lambda *_: record)
    shelf.put(weights, content)
    backbone = make_backbone("squeezenet1_1", "imagenet")
    state = torch.load(io.BytesIO(content), weights_only=True)
    assert torch.equal(backbone.net.features[0].weight, state["features.0.weight"])
    assert backbone.loaded["source"] == weights.url


def test_a_broken_transfer_goes_on(shelf, weights, content, home):
    shelf.put(weights, content)
    shelf.break_off = [100_000, 200_000]
    assert weights_file("squeezenet1_1", weights).read_bytes() == content
    assert [ranged for _, ranged in shelf.asked] == ["", "bytes=100000-", "bytes=300000-"]


def test_an_unfinished_file_of_an_earlier_process_is_completed(shelf, weights, content, home):
    shelf.put(weights, content)
    home.mkdir(parents=True)
    (home / f"{weights.file_name}.part").write_bytes(content[:1000])
    assert weights_file("squeezenet1_1", weights).read_bytes() == content
    assert [ranged for _, ranged in shelf.asked] == ["bytes=1000-"]


def test_a_wrong_file_is_not_kept(shelf, weights, content, home):
    shelf.put(weights, content[::-1])
    with pytest.raises(OSError, match=r"sha256:.*weights=PATH"):
        weights_file("squeezenet1_1", weights)
    assert not (home / weights.file_name).exists()
    shelf.put(weights, content)
    assert weights_file("squeezenet1_1", weights).read_bytes() == content


@pytest.mark.parametrize("damage", ["cut short", "bits flipped"])
def test_a_damaged_file_in_the_cache_is_replaced(shelf, weights, content, home, damage):
    home.mkdir(parents=True)
    damaged = content[:-500] if damage == "cut short" else content[:-1] + b"!"
    (home / weights.file_name).write_bytes(damaged)
    with pytest.raises(OSError, match="another checksum"):
        weights_file("squeezenet1_1", weights)
    shelf.put(weights, content)
    assert weights_file("squeezenet1_1", weights).read_bytes() == content


def test_the_cache_of_torch_is_used_if_it_is_right(shelf, weights, content, home, tmp_path):
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / weights.file_name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(content)
    assert weights_file("squeezenet1_1", weights) == theirs
    assert shelf.asked == []
    theirs.write_bytes(content[:-1])
    shelf.put(weights, content)
    assert weights_file("squeezenet1_1", weights) == home / weights.file_name


def test_no_network_says_what_to_do(weights, home, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv(_published.MIRROR, "http://127.0.0.1:9")
    monkeypatch.setattr(_published, "_DELAY", 0.0)
    with pytest.raises(OSError, match=r"'squeezenet1_1'.*downloaded") as caught:
        weights_file("squeezenet1_1", weights)
    message = str(caught.value)
    for part in (weights.url, weights.checksum, str(home / weights.file_name), "weights=PATH"):
        assert part in message


def test_processes_wait_for_each_other(shelf, weights, content, home):
    shelf.put(weights, content)
    with ThreadPoolExecutor(4) as threads:
        paths = list(threads.map(lambda _: weights_file("squeezenet1_1", weights), range(4)))
    assert set(paths) == {home / weights.file_name}
    assert len(shelf.asked) == 1


class TestArchives:
    """pytorchcv publishes archives, and the SHA-1 of the file inside."""

    @pytest.fixture
    def zipped(self, content):
        sha1 = hashlib.sha1(content).hexdigest()
        url = f"https://nowhere.invalid/bninception-0774-{sha1[:8]}.pth.zip"
        return PublishedWeights(url, f"sha1:{sha1}", "MIT")

    def pack(self, name, content):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(name, content)
        return stream.getvalue()

    def test_file_is_unpacked(self, shelf, zipped, content, home):
        shelf.put(zipped, self.pack(zipped.file_name, content))
        path = weights_file("bn_inception", zipped)
        assert path.read_bytes() == content
        left = {file.name for file in home.iterdir()} - {f"{path.name}.lock"}
        assert left == {path.name}

    @pytest.mark.parametrize(
        ("name", "change", "message"),
        [
            (None, b"more", "does not have the checksum"),
            ("../other.pth", b"", "does not hold"),
        ],
    )
    def test_wrong_archives(self, shelf, zipped, content, home, name, change, message):
        shelf.put(zipped, self.pack(name or zipped.file_name, content + change))
        with pytest.raises(OSError, match=message):
            weights_file("bn_inception", zipped)
        assert {file.suffix for file in home.iterdir()} <= {".lock"}

    def test_no_archive(self, shelf, zipped, content, home):
        shelf.put(zipped, b"<html>an error page</html>")
        with pytest.raises(OSError, match="does not hold"):
            weights_file("bn_inception", zipped)
