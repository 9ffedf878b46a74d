"""Disturb runs at random moments, again and again: `python tests/endurance --seed 0 --kills 1000 --out FILE`.

Each round is a small board on a new folder, with an executor. It is disturbed some times, then ends, and is compared with an
undisturbed run. The counts stand in FILE after each round; the same command goes on there. After a round that ends badly the
command ends with 1, says which round it was, and leaves the folder of the round where it is. `--round N` plays that round alone.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fakes"), str(HERE.parents[1]), str(HERE.parents[1] / "plugins")]

import endurance_engines  # noqa: E402
import endurance_hosts  # noqa: E402
from endurance_counts import Counts  # noqa: E402
from endurance_rounds import Round, undisturbed  # noqa: E402

from harness.process import worker  # noqa: E402

DISK = "64m"
"""Room on the disk of a round: the board needs a few MB."""
SHARES = {"local": 12, "ray": 1, "slurm": 1}
"""How often an engine plays; jobs of a cluster start a Python each, which takes seconds."""


def options(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--kills", type=int, required=True, help="how many in all, with those that FILE has")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    there = endurance_engines.available()
    usual = ",".join(name for name in there if name != "slurm")  # its jobs take a minute each to start and to be noticed
    parser.add_argument("--engines", default=usual, help=f"names with commas between them; all that are here: {', '.join(there)}")
    parser.add_argument("--round", type=int, help="play this round alone, and count nothing")
    return parser.parse_args(words)


@contextmanager
def disk(folder: Path) -> Iterator[bool]:
    """Put a small file system of its own into a folder, where the system allows that. Yields: whether it is there."""
    folder.mkdir(parents=True)
    line = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    has_own = os.geteuid() == 0 and subprocess.run(line, capture_output=True, check=False).returncode == 0
    try:
        yield has_own
    finally:
        if has_own:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


class Series:
    """Rounds with the engines of a command."""

    def __init__(self, seed: int, engines: Sequence[str], folder: Path) -> None:
        self._seed, self._names, self._folder = seed, engines, folder
        self._started: endurance_engines.Engine | None = None
        folder.joinpath("undisturbed").mkdir()
        self._expected, self._seconds = undisturbed(folder / "undisturbed")

    def _engine(self, name: str) -> endurance_engines.Engine:
        """Return the engine of a round; that of the round before ends where it is another."""
        if self._started is None or self._started.name != name:
            self.close()
            self._started = endurance_engines.ENGINES[name](self._seconds)  # kept before its start, which may fail half-way
            self._started.start(self._folder)
        return self._started

    def play(self, number: int, most: int) -> Round:
        """Play a round. Raises: AssertionError where it does not end as it must."""
        moment = random.Random(f"{self._seed}/{number}")
        (name,) = moment.choices(self._names, [SHARES[name] for name in self._names])
        folder = self._folder / f"round-{number}"
        with disk(folder) as has_own:
            game = Round(self._engine(name), folder, moment, has_own_disk=has_own)
            try:
                game.play(most)
                game.check_results(self._expected)
            except AssertionError:
                if has_own:
                    shutil.copytree(folder, self._folder / f"failed-{number}", symlinks=True)
                raise
        shutil.rmtree(folder)
        return game

    def close(self) -> None:
        """End the engine."""
        if self._started is not None:
            self._started.close()
        self._started = None


def play_all(chosen: argparse.Namespace, series: Series) -> int:
    """Play rounds until there are as many kills as asked for. Returns: the exit code."""
    command = f"python tests/endurance --seed {chosen.seed} --kills {chosen.kills}"
    command += f" --engines {chosen.engines} --out {chosen.out.name}"
    counts = Counts.read(chosen.out, command, chosen.kills)
    while counts.kills < chosen.kills:
        number = counts.rounds if chosen.round is None else chosen.round
        began = time.monotonic()
        try:
            game = series.play(number, chosen.kills - counts.kills)
        except AssertionError as error:
            print(f"round {number}: {error}", flush=True)
            return 1
        seconds = time.monotonic() - began
        print(f"round {number}: {game.engine.name}, {game.done.total()} kills in {seconds:.1f} s", flush=True)
        if chosen.round is not None:
            return 0
        counts.add(game.done, seconds)
    print(f"{counts.kills} kills in {counts.rounds} rounds", flush=True)
    return 0


def main(words: Sequence[str]) -> int:
    """Play. Returns: the exit code."""
    chosen = options(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that disks are unmounted, and engines end
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="agg", PYTHONWARNINGS="ignore")
    endurance_hosts.adopt_orphans()
    worker.warm_up()
    folder = Path(tempfile.mkdtemp(prefix="endurance-"))
    series = Series(chosen.seed, chosen.engines.split(","), folder)
    try:
        code = play_all(chosen, series)
    finally:
        series.close()
    if code == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"its files: {folder}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
