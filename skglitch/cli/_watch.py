"""``skglitch watch``: classes of the glitches in strain files as they arrive."""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Event
from typing import Any

import click

from . import _options
from ._input import load_model
from ._output import check_suffix, say

_SUFFIXES = (".csv", ".jsonl", ".parquet")


@click.command(short_help="Find and classify glitches in strain files as they arrive.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--model",
    required=True,
    metavar="FILE|pretrained",
    type=_options.ModelPath(exists=True, dir_okay=False, path_type=Path),
    help="The model.",
)
@click.option("--ifo", help="The detector, if files do not name it or are from several.")
# For a single detector, where other commands take one per detector.
@click.option(
    "--channel", "only_channel", help="Channel of frame files, or data set of HDF5 files."
)
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(allow_dash=True, path_type=Path),
    help="A .csv file, a .jsonl file of JSON lines, a .parquet folder, or - for JSON lines to "
    "stdout.",
)
@click.option(
    "--pictures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for a PNG with the spectrograms of each glitch.",
)
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Page with rates, glitches, latency and messages, which reloads itself.",
)
@click.option("--once", is_flag=True, help="Exit when all files in the folder are done.")
@click.option(
    "--replay",
    "speed",
    type=click.FloatRange(0, min_open=True),
    metavar="SPEED",
    help="Replay recorded files, faster by this factor, and exit.",
)
@click.option(
    "--poll",
    type=click.FloatRange(0, min_open=True),
    default=0.1,
    metavar="S",
    help="Time in s between scans of the folder.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:1 or mps.")
@_options.common
def watch(path: Path, output: Path, **options: Any) -> None:
    """Find, classify and list the glitches in strain files that arrive in the folder PATH.

    Each new file is read once it is complete. Triggers that later strain cannot change are
    appended to the table. A process that was killed resumes when it is started again.
    """
    is_stdout = str(output) == "-"
    if not is_stdout:
        check_suffix(output, _SUFFIXES)
    from ..watch import GrowingTable, Page, Watch

    names = ("batch_size", "precision")
    model = load_model(options["model"], ("CNNClassifier",), options | dict.fromkeys(names))
    model.set_params(verbose=0)
    places = {"ifo": options["ifo"], "channel": options["only_channel"]}
    settings = {"model": str(options["model"]), **{k: str(v) for k, v in places.items()}}
    table = GrowingTable(None if is_stdout else output, {"folder": str(path.resolve()), **settings})
    shown = {name: options[name] for name in ("pictures", "speed")}
    if shown["pictures"]:
        shown["pictures"].mkdir(parents=True, exist_ok=True)
    if options["page"]:
        shown["page"] = Page(options["page"], f"Glitches in {path}", model.durations_)
    watcher = Watch(path, model, table, **places, **shown, say=say)
    received: list[int] = []
    stop = Event()

    def note(number: int, _frame: Any) -> None:
        # The second Ctrl-C does not wait for the file.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        received.append(number)
        stop.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.signal(number, note) for number in numbers]
    try:
        watcher.run(once=options["once"] or bool(options["speed"]), poll=options["poll"], stop=stop)
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
    if signal.SIGINT in received:
        raise KeyboardInterrupt
