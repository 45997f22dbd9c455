"""``python -m tests.fuzz``: read many damaged files, and print what became of them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

# As in conftest.py, before anything imports torch.
os.environ["OMP_NUM_THREADS"] = "1"

from ._readers import READERS
from ._run import Child, Outcome, make_mutant

_ROW = "{:<14} {:>8} {:>8} {:>11} {:>9} {:>9} {:>10}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=10_000, help="per reader")
    parser.add_argument("--first", type=int, default=0, help="first seed, to go on with a run")
    parser.add_argument("--reader", action="append", choices=[r.name for r in READERS])
    parser.add_argument("--seed", type=int, help="only this one, and say what became of it")
    parser.add_argument("--keep", type=Path, help="folder for the mutants that failed")
    options = parser.parse_args()
    readers = [r for r in READERS if not options.reader or r.name in options.reader]
    seeds = range(options.first, options.first + options.mutants)
    if options.seed is not None:
        seeds = range(options.seed, options.seed + 1)
        os.environ["SKGLITCH_FUZZ_VERBOSE"] = "1"
    child = Child()
    n_failures = 0
    print(_ROW.format("reader", "mutants", "values", "own errors", "failures", "slowest", "memory"))
    for reader in readers:
        outcomes: list[Outcome] = []
        begin = time.monotonic()
        interrupted = False
        try:
            for outcome in child.run(reader, seeds):
                outcomes.append(outcome)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            child.close()
        _print_row(reader.name, outcomes, time.monotonic() - begin)
        for first, n_mutants in _first_failures(outcomes):
            n_failures += 1
            print(f"    {n_mutants} x {first.kind}, {first.place}, --seed {first.seed}")
            print(f"        {first.detail}", flush=True)
            if options.keep is not None:
                options.keep.mkdir(parents=True, exist_ok=True)
                name, content = make_mutant(reader, reader.make(), first.seed)
                (options.keep / name).write_bytes(content)
        if options.seed is not None:
            print(*outcomes)
        if interrupted:
            print(f"Interrupted: go on with --reader {reader.name!r} --first {len(outcomes)}")
            break
    print(f"{n_failures} distinct failures")
    return 1 if n_failures else 0


def _first_failures(outcomes: list[Outcome]) -> list[tuple[Outcome, int]]:
    """Return the first of the mutants that fail in the same way, and how many there are."""
    alike: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.failed:
            alike.setdefault((outcome.kind, outcome.place), []).append(outcome)
    return [(same[0], len(same)) for same in alike.values()]


def _print_row(name: str, outcomes: list[Outcome], seconds: float) -> None:
    kinds = [outcome.kind for outcome in outcomes]
    print(
        _ROW.format(
            name,
            len(outcomes),
            kinds.count("value"),
            kinds.count("own error"),
            sum(outcome.failed for outcome in outcomes),
            f"{max((outcome.seconds for outcome in outcomes), default=0):.2f} s",
            f"{max((outcome.memory for outcome in outcomes), default=0) >> 20} MB",
        ),
        f"  in {seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
