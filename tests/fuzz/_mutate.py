"""Ways to damage the content of a file.

Each function takes a random number generator and bytes, and returns other bytes. Those that know a
format keep what it checks, such as checksums and compression, so that the damage gets past it.
"""

from __future__ import annotations

import copy
import functools
import io
import json
import random
import struct
import zipfile
import zlib
from typing import Any

_INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1)
_BOMB_SIZE = 1 << 26
_WORDS = (
    *("", " ", "nan", "NaN", "inf", "-inf", "null", "None", "true", "-1", "0", "1e400", "1e-400"),
    *("9" * 400, "0x10", "1_0", "\x00", "\ufeff", "\u2028", "\U0001f300", "\udcff", "é" * 500),
    *('"', "'", ",", ",,,,", "\n", "\r", "\t", ";", "[", "[" * 50_000, "{", '{"a":' * 50_000, "]"),
    *("=", "#", "$same", "../../etc", "a" * 100_000, "[[a]]\n", "a.a.a", '"""', "2020-01-01"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**70, 10**400, 0.5, -1e308, 1e400, float("nan")),
    *("", "x", "float16", "<U400000000", "V2000000000", "O", "M8[s]", "$tuple", "\x00", "é" * 99),
    *([], [[]], [None], [0] * 9, ["a", "b"], [10**6, 10**6], {}, {"a": 1}, {"$tuple": []}),
    *({"$same": "x"}, {"$float": "x"}, {"$float": []}, {"$array": "x"}, {"$tensor": "x"}),
    *({"$device": "cuda:99"}, {"$path": 3}, {"$values": ["<U400000000", [3], ["a", "b", "c"]]}),
    *({"$values": ["<U3", [-1, 0], []]}, {"$dict": [[[], 1]]}, {"$type": "os.system"}),
    {"$object": ["sklearn.decomposition.PCA", "a", {}]},
    {"$partial": [{"$type": "sklearn.decomposition.PCA"}, {"$tuple": [1, 2, 3]}, {}]},
    {"$frame": {"columns": [], "index": [None, []], "attrs": {}}},
)

# Values in TOML.
_LITERALS = (
    *('"x"', '""', "-1", "0", "1e999", "nan", "true", "[]", "[[1]]", "{a = 1}", "2020-01-01"),
    "9" * 400,
)
_CHUNKS = (b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"eXIf", b"pHYs", b"tEXt", b"xxxx")


def change_bytes(rng: random.Random, content: bytes) -> bytes:
    """Change, move, remove or add bytes anywhere."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        # What says how to read the rest often stands at the start.
        reach = min(len(data), rng.choice((64, 2048, 1 << 40, 1 << 40)))
        start = rng.randrange(reach + 1)
        stop = min(len(data), start + rng.choice((1, 2, 4, 8, 64, 1024)))
        match rng.randrange(8):
            case 0:
                data[start : start + 1] = [rng.randrange(256)] if start < len(data) else []
            case 1 if start < len(data):
                data[start] ^= 1 << rng.randrange(8)
            case 2:
                size = rng.choice((1, 2, 4, 8))
                number = rng.choice(_INTEGERS) % (1 << 8 * size)
                data[start : start + size] = number.to_bytes(size, rng.choice(("little", "big")))
            case 3:
                del data[start:stop]
            case 4:
                data[start:start] = data[start:stop] * rng.choice((1, 1, 3))
            case 5:
                data[start:stop] = bytes(stop - start)
            case 6:
                data[start:stop] = rng.randbytes(stop - start)
            case _ if rng.random() < 0.3:
                del data[start:]
    return bytes(data)


def change_text(rng: random.Random, content: bytes) -> bytes:
    """Replace, add or repeat words and lines."""
    text = content.decode()
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randrange(len(text) + 1)
        stop = min(len(text), start + rng.choice((0, 1, 1, 4, 16)))
        text = text[:start] + rng.choice(_WORDS) + text[stop:]
        lines = text.split("\n")
        row, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(5):
            case 0:
                del lines[row]
            case 1:
                lines.insert(other, lines[row])
            case 2:
                lines[row] = rng.choice(_WORDS).join(lines[row].split(","))
        text = "\n".join(lines)
    if rng.random() < 0.8:
        return text.encode(errors="surrogatepass")
    return text.encode(rng.choice(("utf-16", "utf-8-sig", "latin-1")), errors="replace")


def change_toml(rng: random.Random, content: bytes) -> bytes:
    """Give a key of a TOML document another value or name."""
    lines = content.decode().split("\n")
    row = rng.choice([row for row, line in enumerate(lines) if "=" in line])
    key, value = lines[row].split("=", 1)
    if rng.random() < 0.7:
        value = rng.choice((*_LITERALS, f"[{value}, {value}]", f'"{rng.choice(_WORDS[:12])}"'))
    else:
        key = rng.choice(("x", "config", "durations", "size", "views", "top", '""', '"é"', "a.b"))
    lines[row] = f"{key} = {value}"
    return "\n".join(lines).encode()


def change_json(rng: random.Random, content: bytes) -> bytes:
    """Replace, remove, rename or repeat values of a JSON document."""
    document = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not isinstance(document, dict | list) or rng.random() < 0.02:
            document = copy.deepcopy(rng.choice(_VALUES))
            continue
        parents = _containers(document)
        parent = rng.choice(parents)
        if not parent:
            continue
        keys = list(parent) if isinstance(parent, dict) else range(len(parent))
        key = rng.choice(keys)
        match rng.randrange(6):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, dict):
                parent[rng.choice(_WORDS)] = parent.pop(key)
            case 2:
                # Another part of the document, without a loop.
                parent[key] = json.loads(json.dumps(rng.choice(parents)))
            case 3 if isinstance(parent, list):
                parent.append(parent[key])
            case 4:
                depth = rng.choice((2, 60_000))
                parent[key] = "DEEP"
                text = json.dumps(document).replace('"DEEP"', "[" * depth + "]" * depth, 1)
                return text.encode()
            case _:
                parent[key] = copy.deepcopy(rng.choice(_VALUES))
    return json.dumps(document).encode()


def _containers(document: Any) -> list[Any]:
    found = [document]
    for parent in found:
        items = parent.values() if isinstance(parent, dict) else parent
        found += [item for item in items if isinstance(item, dict | list)]
    return found


@functools.cache
def _bomb(method: str) -> bytes:
    data = b" " * _BOMB_SIZE
    return zlib.compress(data) if method == "zlib" else data


def change_png(rng: random.Random, content: bytes) -> bytes:
    """Change the chunks of a PNG, and make their checksums right again."""
    chunks, at = [], 8
    while at < len(content):
        (size,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += size + 12
    for _ in range(rng.choice((1, 1, 2, 3))):
        row = rng.randrange(len(chunks))
        kind, data = chunks[row]
        match rng.randrange(9):
            case 0:
                chunks[row] = kind, change_bytes(rng, data)
            case 1:
                sizes = (rng.choice((*_INTEGERS, 466, 600)) % 2**32 for _ in "wh")
                chunks[0] = b"IHDR", struct.pack(">2I", *sizes) + chunks[0][1][8:]
            case 2:
                form = bytes(rng.choices((0, 1, 2, 3, 4, 6, 8, 16), k=5))
                chunks[0] = b"IHDR", chunks[0][1][:8] + form
            case 3 if len(chunks) > 1:
                del chunks[row]
            case 4:
                chunks.insert(rng.randrange(len(chunks) + 1), chunks[row])
            case 5:
                pixels = b"".join(data for kind, data in chunks if kind == b"IDAT")
                changed = change_bytes(rng, zlib.decompress(pixels))
                chunks = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
                chunks.insert(-1, (b"IDAT", zlib.compress(changed, 1)))
            case 6:
                kind = rng.choice((b"iCCP", b"zTXt", b"iTXt", b"IDAT"))
                middle = b"\0\1\0\0\0" if kind == b"iTXt" else b"\0\0"
                start = b"" if kind == b"IDAT" else b"name" + middle
                chunks.insert(rng.choice((1, len(chunks) - 1)), (kind, start + _bomb("zlib")))
            case 7:
                extra = (
                    rng.choice(_CHUNKS),
                    rng.randbytes(rng.choice((0, 1, 4, 8, 26, 768, 10_000))),
                )
                chunks.insert(rng.randrange(len(chunks) + 1), extra)
            case 8:
                chunks[row] = rng.choice((b"IEND", b"IHDR", b"IDAT", b"PLTE", b"\0\0\0\0")), data
        if not chunks:
            break
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return content[:8] + b"".join(packed)


def change_size(rng: random.Random, content: bytes) -> bytes:
    """Change height and width of a GIF or a JPEG."""
    at = 6 if content[:3] == b"GIF" else max(content.find(b"\xff\xc0"), 0) + 5
    sizes = (rng.choice((0, 1, 466, 0x7FFF, 0xFFFF)) for _ in "hw")
    order = "<2H" if content[:3] == b"GIF" else ">2H"
    return content[:at] + struct.pack(order, *sizes) + content[at + 4 :]


def change_safetensors(rng: random.Random, content: bytes) -> bytes:
    """Change the header of a safetensors file, and make its length right again."""
    (size,) = struct.unpack_from("<Q", content)
    header = change_json(rng, content[8 : 8 + size])
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


def change_zip(rng: random.Random, content: bytes) -> bytes:
    """Change the members of a zip file, and make their checksums right again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    row = rng.randrange(len(members))
    name, data = members[row]
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    match rng.randrange(10):
        case 0:
            del members[row]
        case 1:
            members[row] = rng.choice((*_WORDS[:5], "x", f"../{name}", f"{name}/")), data
        case 2:
            # Nothing but spaces is JSON of any length.
            members[row] = name, data + _bomb("spaces") if rng.random() < 0.3 else data[:9]
            method = zipfile.ZIP_DEFLATED
        case _:
            ways = {"json": change_json, "safetensors": change_safetensors}
            way = ways.get(name.rpartition(".")[2], change_bytes)
            members[row] = name, (way if rng.random() < 0.8 else change_bytes)(rng, data)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name or "x"), data, compress_type=method)
    return file.getvalue()


def change_gzip(rng: random.Random, content: bytes) -> bytes:
    """Change what a gzip file holds."""
    import gzip

    return gzip.compress(change_bytes(rng, gzip.decompress(content)), 1)


def change_hdf5(rng: random.Random, content: bytes) -> bytes:
    """Replace data sets, groups, links and attributes of an HDF5 file."""
    import h5py

    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            names: list[str] = []
            file.visit(names.append)
            name = rng.choice(names or ["data"])
            if rng.random() < 0.4:
                attributes = file[name].attrs if name in file and file.get(name) else file.attrs
                _change_attribute(rng, attributes)
            elif rng.random() < 0.1:
                file.move(name, f"{name}2") if name in file else None
            else:
                old = file.get(name) if name in file else None
                kept = dict(old.attrs) if isinstance(old, h5py.Dataset) else {}
                if name in file:
                    del file[name]
                _put(rng, file, name, old)
                if isinstance(file.get(name), h5py.Dataset):
                    file[name].attrs.update(kept)
    return stream.getvalue()


def _change_attribute(rng: random.Random, attributes: Any) -> None:
    import h5py
    import numpy as np

    names = [*attributes, "sample_rate", "durations", "Npoints", "Xspacing", "t0", "ifo", "xunit"]
    name = rng.choice(names)
    if rng.random() < 0.2:
        attributes.pop(name, None)
        return
    odd = (
        *(0, -1, 1, 2**63 - 1, 0.0, -4096.0, 1e-300, 1e300, np.nan, np.inf, np.float32(1.1e9)),
        *(True, "", "H1", "4096", "s", "é", b"\xff\xfe", 1j, h5py.Empty("f8"), h5py.Empty("S1")),
        *([1.0, 2.0], [[1.0]], np.zeros(0), np.zeros((2, 0)), ["a", "b"], [b"\xff"], "x" * 60_000),
        *(np.void(b"abc"), np.zeros(2, [("a", "i4")]), np.array([[0.5, 1, 2, 4]])),
    )
    attributes[name] = rng.choice(odd)


def _put(rng: random.Random, file: Any, name: str, old: Any) -> None:
    """Put something else where a data set or group was."""
    import h5py
    import numpy as np

    is_data = isinstance(old, h5py.Dataset)
    shape = old.shape or () if is_data and (old.size or 0) < 1 << 20 else (4,)
    huge = rng.choice((2**24, 2**31, 2**40, 2**62))
    match rng.randrange(12):
        case 0:
            places = (("/nothing.h5", "/x"), (".", name), ("/dev/zero", "/x"), ("/", "/"))
            links = [h5py.SoftLink(f"/{name}"), h5py.SoftLink("/nothing")]
            file[name] = rng.choice(links + [h5py.ExternalLink(*place) for place in places])
        case 1:
            file[name] = file["/"]
        case 2:
            group = file.create_group(name)
            group["inner"] = np.zeros(3)
            group["itself"] = group
        case 3:
            file[name] = h5py.Empty(rng.choice(("f8", "S1", "u1")))
        case 4:
            # Data that was never written takes no space, whatever its shape.
            size = (*shape[:-1], huge) if rng.random() < 0.5 else (huge, *shape[1:])
            chunks = tuple(min(n, 64) for n in size)
            file.create_dataset(name, size, rng.choice(("f8", "u1")), chunks=chunks)
        case 5:
            options = {"chunks": (1 << 20,), "compression": "gzip", "fillvalue": 1}
            file.create_dataset(name, (1 << 25,), "f8", **options)
        case 6:
            texts = ["Blip", "", "é", "nan", "x" * 3000][: rng.randrange(6)] or [""]
            kind = h5py.string_dtype(*rng.choice(((), ("ascii", 4), ("utf-8", 3000))))
            values = [text.encode()[: kind.itemsize] for text in texts]
            file.create_dataset(name, data=values, dtype=kind)
        case 7:
            kinds = ("f2", "f4", ">f8", "c16", "i8", "u1", "?", "longdouble")
            file[name] = np.zeros(shape, rng.choice(kinds))
        case 8:
            wrong = ((), (0,), (1,), (3,), (*shape, 1), (*shape, 0), shape[1:], (1,) * 32)
            file[name] = np.ones(rng.choice(wrong))
        case 9:
            kind = rng.choice(
                (
                    np.dtype([("a", "f8"), ("b", "S3")]),
                    h5py.vlen_dtype(np.dtype("f8")),
                    h5py.enum_dtype({"a": 0, "b": 1}),
                    h5py.ref_dtype,
                    h5py.regionref_dtype,
                    h5py.opaque_dtype(np.dtype("M8[s]")),
                    np.dtype("(2,3)f8"),
                )
            )
            file.create_dataset(name, shape[:2], kind)
        case 10 if is_data and old.dtype.kind in "iuf" and 0 < old.size < 1 << 20:
            values = np.array(old[()], copy=True).astype(float).ravel()
            values[rng.randrange(values.size) :] = rng.choice((np.nan, np.inf, -np.inf, 1e308, 0))
            file[name] = values.reshape(shape)
        case 11:
            layout = h5py.VirtualLayout(shape or (4,), "f8")
            layout[...] = h5py.VirtualSource(rng.choice(("/nothing.h5", ".")), "x", shape or (4,))
            file.create_virtual_dataset(name, layout)


def change_table(rng: random.Random, content: bytes) -> bytes:
    """Give columns of a Parquet or Feather table other names, types and values."""
    import pandas as pd

    is_parquet = content.startswith(b"PAR1")
    read, write = (pd.read_parquet, "to_parquet") if is_parquet else (pd.read_feather, "to_feather")
    frame = read(io.BytesIO(content))
    n_rows = len(frame)
    odd: tuple[Any, ...] = (
        *(None, True, 1, -1, 0.0, float("nan"), float("inf"), "", "H1", "é", b"\xff", "9" * 400),
        *([1, 2], {"a": 1}, pd.Timestamp("2015-09-14"), pd.Timedelta(1, "s"), pd.NA, pd.NaT),
    )
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(frame))
        match rng.randrange(6):
            case 0:
                frame = frame.drop(columns=name)
            case 1:
                frame = frame.rename(columns={name: rng.choice(_WORDS[:20])})
            case 2:
                frame[name] = pd.Series([rng.choice(odd)] * n_rows, dtype=object)
            case 3:
                kinds = ("str", "category", "float32", "Int64", "bool", "datetime64[ns]", "string")
                try:
                    frame[name] = frame[name].astype(rng.choice(kinds))
                except (ValueError, TypeError):
                    frame[name] = None
            case 4:
                frame = frame.iloc[: rng.choice((0, 1, 2))].reset_index(drop=True)
            case 5:
                frame = frame.set_index(name)
                if not is_parquet:
                    frame = frame.reset_index(drop=True)
        if not len(frame.columns):
            break
    file = io.BytesIO()
    try:
        getattr(frame, write)(file)
    except Exception:
        # pyarrow does not write all of it.
        return change_bytes(rng, content)
    return file.getvalue()
