"""Feeds the restricted reader changed pickles, in a process with little memory where nothing but reading is tolerated.

    python tests/weights/pickles/fuzz_pickles.py --cases 100000 --seed 1

Each case is a small pickle or network whose bytes and opcodes are changed, cut, doubled, swapped and mixed with hostile ones.
The reader must give data or RefusedPickle. Python's audit events tell when anything is imported, compiled, opened or started;
the limit of the process's memory and the alarm's clock tell of bombs. Prints how many were read and refused; anything else ends
the process with an error.
"""

from __future__ import annotations

import argparse
import collections
import pickle
import pickletools
import random
import resource
import signal
import struct
import sys
from pathlib import Path

import numpy as np
import torch

from harness.weights import pickles
from harness.weights.pickles import RefusedPickle, unpickle

NETWORKS = Path(__file__).parents[2] / "golden" / "edm2" / "pkl_edm2_cond.pkl"
ROOM = 512 * 2**20
SECONDS = 20
FORBIDDEN = ("import", "compile", "exec", "open", "os.", "subprocess.", "socket.", "shutil.", "ctypes.", "marshal.")


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def pieces(content: bytes) -> list[bytes]:
    """The bytes of each opcode. Frames are left out: with their lengths wrong, most changes would not get past them."""
    found = [(opcode.name, place) for opcode, _, place in pickletools.genops(content)]
    ends = [*(place for _, place in found[1:]), len(content)]
    return [content[start:end] for (name, start), end in zip(found, ends, strict=True) if name != "FRAME"]


def originals() -> list[list[bytes]]:
    plain = {"a": np.arange(4.0), "b": collections.OrderedDict(x=[1, (2, {3})]), "c": np.float32(2), "d": {4: (5, 6)}}
    tables = [pickle.dumps(plain, protocol) for protocol in (2, 3, 4, 5)]
    network = NETWORKS.read_bytes()
    return [pieces(content) for content in (*tables, network)]


EVIL = [
    *[f"c{module}\n{name}\n".encode() for module, name in unpickle.PERMITTED],
    b"cos\nsystem\n", b"cbuiltins\neval\n", b"cbuiltins\ngetattr\n", text("os") + text("system") + b"\x93", text("echo"),
    *[bytes([byte]) for byte in b"Rb\x8120(t1\x85\x86\x87]})asue\x94\x8f\x90\x91NQ"],
    b"h\x00", b"h\x01", b"q\x00", b"q\x05", b"\x82\x01", b"K\x01", b"\x8a\x06" + b"\xff" * 5 + b"\x7f",
    b"J\xff\xff\xff\x7f", text("f8"), text("latin1"), b"C\x08" + bytes(8), b"\x8e" + struct.pack("<Q", 2**44),
]  # fmt: skip


def changed(dice: random.Random, known: list[list[bytes]]) -> bytes:
    # The network is long: most cases are about the short ones, which take a hundredth of the time.
    parts = list(dice.choices(known, [6] * (len(known) - 1) + [1])[0])
    for _ in range(dice.randint(1, 3)):
        at, kind = dice.randrange(len(parts)), dice.randrange(6)
        if kind == 0:
            del parts[at : at + dice.randint(1, 3)]
        elif kind == 1:
            parts[at:at] = parts[at : at + dice.randint(1, 8)] * dice.choice((1, 2, 30))
        elif kind == 2:
            other = dice.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        elif kind == 3:
            parts[at:at] = dice.choices(EVIL, k=dice.randint(1, 5))
        elif kind == 4:
            parts[at] = dice.choice(EVIL)
        else:
            raw = bytearray(parts[at])
            for _ in range(dice.randint(1, 3)):
                raw[dice.randrange(len(raw))] = dice.randrange(256)
            parts[at] = bytes(raw)
        parts = parts or [b"."]
    whole = b"".join(parts)
    return whole[: dice.randrange(len(whole) + 1)] if dice.random() < 0.1 else whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = originals()
    for parts in known:
        pickles.loads(b"".join(parts))  # what reading imports is imported now
    for codec in ("ascii", "latin1", "utf-8", "raw_unicode_escape", "unicode_escape"):
        b"x".decode(codec)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + ROOM, in_use + ROOM))
    watching = False

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event.startswith(FORBIDDEN):
            raise SystemExit(f"the reader caused {event} {arguments!r}")

    sys.addaudithook(audit)
    dice, outcomes = random.Random(options.seed), collections.Counter[str]()
    for number in range(options.cases):
        case = changed(dice, known)
        signal.alarm(SECONDS)
        watching = True
        try:
            pickles.loads(case)
            outcomes["read"] += 1
        except RefusedPickle as error:
            outcomes["refused"] += 1
            if "memory" in str(error):
                raise SystemExit(f"case {number} of seed {options.seed} took all memory: {error}") from None
        finally:
            watching = False
    signal.alarm(0)
    print(f"{outcomes['read']} read, {outcomes['refused']} refused")  # noqa: T201


if __name__ == "__main__":
    main()
