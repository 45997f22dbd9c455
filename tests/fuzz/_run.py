"""Reading of damaged files in a child process, which may hang, crash or fill the memory."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import skglitch

from . import _mutate
from ._readers import Reader

# CPU time in s after which a mutant hangs, and wall time for one that waits: machines do much else.
TIME_LIMIT, WAIT_LIMIT = 5.0, 60.0
# Time in s for imports and for making intact files.
_START_LIMIT = 300.0
# Memory in bytes that a mutant may take besides twice that of the intact file.
_SPARE = 32 << 20
# Address space in bytes beyond which the operating system refuses: keeps the machine usable.
_ADDRESS_SPACE = 2 << 30
_PACKAGE = str(Path(skglitch.__file__).parent)
OK = ("value", "own error")


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant."""

    reader: str
    seed: int
    kind: str
    # Same for all mutants that fail in the same way.
    place: str = ""
    detail: str = ""
    seconds: float = 0.0
    memory: int = 0

    @property
    def failed(self) -> bool:
        return self.kind not in OK


def make_mutant(reader: Reader, intact: dict[str, bytes], seed: int) -> tuple[str, bytes]:
    """Damage one of the intact files: the same file and damage for a seed."""
    rng = random.Random(f"{reader.name} {seed}")
    name = rng.choice(sorted(intact))
    path = Path(name)
    ways = [_mutate.change_bytes, *reader.changes.get(path.suffix, ())]
    way = rng.choice(ways)
    try:
        content = way(rng, intact[name])
    except Exception:
        # A first change has left nothing for a second, or a library refuses to write such a file.
        content = _mutate.change_bytes(rng, intact[name])
    return f"{path.stem}-{seed}{path.suffix}", content


class Child:
    """A process that reads mutants, and is replaced where one ends it."""

    def __init__(self, time_limit: float = TIME_LIMIT, wait_limit: float = WAIT_LIMIT) -> None:
        self.time_limit = time_limit
        self.wait_limit = wait_limit
        self._process: Any = None
        self._connection: Connection | None = None
        self._prepared: set[str] = set()

    def run(self, reader: Reader, seeds: Iterable[int]) -> Iterator[Outcome]:
        """Read mutants, and yield what became of each."""
        for seed in seeds:
            if reader.name not in self._prepared:
                self._start()
                answer = self._ask(reader, None, _START_LIMIT, _START_LIMIT)
                if not isinstance(answer, Outcome) or answer.failed:
                    raise RuntimeError(f"{reader.name} does not read intact files: {answer}")
                self._prepared.add(reader.name)
            answer = self._ask(reader, seed, self.time_limit, self.wait_limit)
            if isinstance(answer, str):
                raise RuntimeError(f"{reader.name}, seed {seed}: {answer}")
            if isinstance(answer, Outcome):
                yield answer
            else:
                self._process.kill()
                self.close()
                yield Outcome(reader.name, seed, *answer)

    def close(self) -> None:
        """End the process, and remove its files."""
        if self._process is not None:
            assert self._connection is not None
            self._connection.close()
            self._process.join(5)
            self._process.kill()
            self._folder.cleanup()
        self._process = None
        self._prepared.clear()

    def _start(self) -> None:
        if self._process is None:
            # A fork would inherit threads in the middle of their work.
            context = multiprocessing.get_context("spawn")
            self._connection, other = context.Pipe()
            self._folder = tempfile.TemporaryDirectory(prefix="skglitch-fuzz-")
            args = (other, self._folder.name)
            self._process = context.Process(target=_serve, args=args, daemon=True)
            self._process.start()
            other.close()

    def _ask(self, reader: Reader, seed: int | None, limit: float, wait_limit: float) -> Any:
        assert self._connection is not None
        stop, cpu_stop = time.monotonic() + wait_limit, self._cpu_seconds() + limit
        try:
            self._connection.send((reader, seed))
            while time.monotonic() < stop and self._cpu_seconds() < cpu_stop:
                if self._connection.poll(0.2):
                    return self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            return "crash", signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return "hang", ""

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _serve(connection: Connection, folder: str) -> None:
    """Answer what the child is asked."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if not os.environ.get("SKGLITCH_FUZZ_VERBOSE"):
        os.dup2(nowhere, 2)
    warnings.simplefilter("ignore")
    os.environ["SKGLITCH_HOME"] = tempfile.tempdir = folder
    known: dict[str, tuple[dict[str, bytes], int]] = {}
    while True:
        try:
            reader, seed = connection.recv()
        except EOFError:
            return
        try:
            connection.send(_answer(reader, seed, Path(folder), known))
        except Exception:
            # What makes files or mutants is wrong.
            connection.send(traceback.format_exc())


def _answer(reader: Reader, seed: int | None, folder: Path, known: dict[str, Any]) -> Outcome:
    if seed is None:
        outcome, known[reader.name] = _prepare(reader, folder)
        # Modules are many objects, which need not be searched for garbage before each mutant.
        gc.freeze()
        return outcome
    intact, memory = known[reader.name]
    name, content = make_mutant(reader, intact, seed)
    path = folder / name
    path.write_bytes(content)
    outcome = _read(reader, seed, path, 2 * memory + _SPARE)
    path.unlink()
    return outcome


def _prepare(reader: Reader, folder: Path) -> tuple[Outcome, tuple[dict[str, bytes], int]]:
    """Make and read intact files. Also return their contents and the memory that they take."""
    intact = reader.make()
    outcomes = []
    # What is read first imports much.
    for _ in range(2):
        outcomes.clear()
        for name, content in intact.items():
            path = folder / name
            path.write_bytes(content)
            outcomes.append(_read(reader, -1, path, sys.maxsize))
            path.unlink()
    memory = max(outcome.memory for outcome in outcomes)
    # The files of some formats are refused as a whole, which is an outcome like any other.
    failed = [outcome for outcome in outcomes if outcome.failed]
    return (failed or outcomes)[0], (intact, memory)


def _read(reader: Reader, seed: int, path: Path, allowed: int) -> Outcome:
    gc.collect()
    before = _reset_peak()
    _limit_address_space(_status("VmSize") + _ADDRESS_SPACE)
    begin = time.process_time()
    kind, place, detail = "value", "", ""
    try:
        reader.read(path)
    except Exception as error:
        kind, place, detail = _judge(error, reader, path)
    seconds = time.process_time() - begin
    memory = _status("VmHWM") - before
    # What another reader imports counts for nothing.
    _limit_address_space(-1)
    if memory > allowed and kind in OK:
        kind, place = "memory", f"{kind}, {detail.partition(': ')[0]}"
        detail = f"{memory >> 20} MB where {allowed >> 20} MB are allowed; {detail}"
    return Outcome(reader.name, seed, kind, place, detail, seconds, memory)


def _judge(error: Exception, reader: Reader, path: Path) -> tuple[str, str, str]:
    """Kind, place and text of an error: only our own with the name of the file is right."""
    import click

    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_PACKAGE)]
    name = type(error).__name__
    frame = ours[-1] if ours else frames[-1]
    place = f"{name} in {Path(frame.filename).name}:{frame.name}, line {frame.lineno}"
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    text += "".join(getattr(error, "__notes__", ()))
    detail = f"{name}: {text}".replace("\n", " ")[:300]
    is_ours = frames[-1].filename.startswith(_PACKAGE) and isinstance(
        error, ValueError | OSError | MemoryError | click.ClickException
    )
    if not is_ours:
        # Click raises what it finds wrong with options.
        is_ours = isinstance(error, click.UsageError)
    if not is_ours:
        return "foreign error", place, detail
    if reader.tolerant:
        return "error of a tolerant reader", place, detail
    if path.name not in text:
        return "no file name", place, detail
    return "own error", place, detail


def _reset_peak() -> int:
    """Forget the highest memory of this process so far, and return that of now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name + ":"))


def _limit_address_space(n_bytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (n_bytes, resource.RLIM_INFINITY))
