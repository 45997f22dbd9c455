"""A server on this machine with files of the form that Zenodo has."""

from __future__ import annotations

import bz2
import contextlib
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd

ARCHIVE, METADATA = "trainingsetv1d1.tar.gz", "trainingset_v1d1_metadata.csv"
TRAINING_SET, CATALOG, VOTES = "1476551", "5649212", "13904422"


class Zenodo:
    """What the server has, how it misbehaves, and what it was asked for."""

    def __init__(self):
        self.files = {}
        self.described = {}  # by name, in the record that the tests of the training set use
        self.records = {TRAINING_SET: self.described}
        self.break_off = []  # after how many bytes to break off, one answer each
        self.corrupt = 0  # how many answers to corrupt
        self.knows_ranges = True
        self.status = {}
        self.asked = []
        self.url = ""

    def put(self, name, content, record=TRAINING_SET):
        self.files[name] = content
        self.records.setdefault(record, {})[name] = {
            "key": name,
            "size": len(content),
            "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
        }


def make_handler(zenodo):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            name = path.rpartition("/")[2]
            ranged = self.headers.get("Range", "")
            is_file = path.startswith("/records/") and query == "download=1"
            zenodo.asked.append((name, ranged))
            if name in zenodo.status:
                self.send_error(zenodo.status[name])
            elif path.startswith("/api/records/") and name in zenodo.records:
                body = {"id": int(name), "files": list(zenodo.records[name].values())}
                self.answer(200, json.dumps(body).encode())
            elif name in zenodo.files and (is_file or path.startswith("/pictures/files/")):
                self.send_file(zenodo.files[name], ranged)
            else:
                self.send_error(404)

        def send_file(self, content, ranged):
            start = int(ranged.removeprefix("bytes=")[:-1]) if ranged else 0
            if ranged and zenodo.knows_ranges:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.answer(206, content[start:], {"Content-Range": span})
            else:
                self.answer(200, content)

        def answer(self, status, body, headers=None):
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if "/files/" in self.path and zenodo.corrupt:
                zenodo.corrupt -= 1
                body = bytes(byte ^ 255 for byte in body)
            if "/files/" in self.path and zenodo.break_off:
                body = body[: zenodo.break_off.pop(0)]
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler


def pack(folder, extra=(), link=None):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.add(folder, "TrainingSet")
        for name, content in extra:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("TrainingSet/link")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
    return stream.getvalue()


@contextlib.contextmanager
def serving(zenodo):
    """Serve what a Zenodo has, at its url."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(zenodo))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    zenodo.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield zenodo
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def catalog_rows(ifo, start, url):
    """Two rows with the columns of the real tables, less some that no one reads."""
    ids = [f"{ifo.lower()}{start}a", f"{ifo.lower()}{start}b"]
    rows = {
        "event_time": [start + 7.25, start + 8.5],
        "ifo": ifo,
        "peak_time": [start + 7, start + 8],
        "peak_time_ns": [250000000, 500000000],
        "peak_frequency": 150.0,
        "snr": 12.5,
        "q_value": 5.6,
        "gravityspy_id": ids,
        "Blip": [0.95, 0.2],
        "Chirp": [0.05, 0.8],
        "ml_label": ["Blip", "Chirp"],
        "ml_confidence": [0.95, 0.8],
    }
    urls = {f"url{k}": [f"{url}/pictures/files/{i}_{k}.png" for i in ids] for k in range(1, 5)}
    return pd.DataFrame(rows | urls)


def put_training_set(zenodo, archive, table):
    """Put the archive of the pictures and the authors' table."""
    zenodo.put(ARCHIVE, archive)
    zenodo.put(METADATA, table.encode())


def put_catalog(zenodo):
    """Put the tables of the catalog, two glitches each."""
    for start, run in enumerate(("O1", "O2", "O3a", "O3b")):
        for ifo in ("H1", "L1"):
            rows = catalog_rows(ifo, start * 1000, zenodo.url)
            zenodo.put(f"{ifo}_{run}.csv", rows.to_csv(index=False).encode(), CATALOG)


def put_pictures(zenodo, frame, picture):
    """Put a picture at all addresses of a frame."""
    for column in ("url1", "url2", "url3", "url4"):
        for url in frame[column]:
            zenodo.files[url.rpartition("/")[2]] = picture


def put_votes(zenodo, text):
    """Put the table of the votes."""
    zenodo.put("classifications.csv.bz2", bz2.compress(text.encode()), VOTES)
