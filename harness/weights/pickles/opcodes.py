"""Inspection of a pickle's opcodes before the pickle is read: are they all allowed, and how large would their values be?"""

from __future__ import annotations

import pickletools
from typing import BinaryIO, cast

from harness.errors import UserError

REFUSED = {
    "PERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ_EX", "NEXT_BUFFER", "READONLY_BUFFER",
}  # fmt: skip
"""Opcodes that published files do not have."""
_PUTS, _GETS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE"}

MOST = 2_000_000
"""The largest permitted number of opcodes. Each can make a container of a hundred bytes. Checkpoints have up to some 100,000."""
HEAVIEST = 100_000
"""The largest permitted weight of a tuple (see `_StackWeights`). Tuples in published files have a weight of about ten."""


class RefusedPickle(UserError):
    """The file is damaged, or holds something that is not data."""


def inspect(file: BinaryIO, *, allows_ids: bool) -> None:
    """Read the opcodes of one pickle without carrying them out, and leave `file` at its end.

    Args:
        allows_ids: whether the pickle may refer to objects by persistent ids, which its reader resolves.
    Raises: RefusedPickle for an opcode that is not allowed, for a memo slot with a number larger than the count of opcodes so
    far, for a tuple that is too heavy, and for more opcodes than MOST. ValueError and others for bytes that are no pickle, for
    instance when a declared size is larger than the file.
    """
    stack = _StackWeights()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count > MOST:
            raise RefusedPickle(f"it has more than {MOST:,} opcodes")
        if opcode.name in REFUSED or (opcode.name == "BINPERSID" and not allows_ids):
            raise RefusedPickle(f"the opcode {opcode.name} is not allowed")
        # The interpreter allocates a memo by its largest slot.
        if opcode.name in _PUTS and cast("int", argument) > count:
            raise RefusedPickle(f"{opcode.name} to slot {argument} after {count} opcodes")
        stack.follow(opcode, argument)


class _StackWeights:
    """The reader's stack, with the weight of each value in the place of the value.

    The weight of a tuple is 1 plus the weights of its members; all other values weigh 1. The limit stops nested tuples in which
    each tuple holds the next one twice. Such a tuple takes a few bytes for each level. When it is the key of a dictionary or a
    member of a set, the interpreter hashes it: the hash visits all 2^levels values, and cannot be interrupted.
    """

    MARK = 0
    """The weight that stands for a mark on the stack."""

    def __init__(self) -> None:
        self.stack: list[int] = []
        self.memo: dict[int, int] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Change the stack of weights in the way in which the opcode changes the stack of values.

        Raises: RefusedPickle for a tuple that is too heavy.
        """
        if opcode.name in _PUTS or opcode.name == "MEMOIZE":
            slot = len(self.memo) if opcode.name == "MEMOIZE" else cast("int", argument)
            self.memo[slot] = self.stack[-1] if self.stack else 1
        elif opcode.name in _GETS:
            self.stack.append(self.memo.get(cast("int", argument), 1))
        elif opcode.name == "DUP":
            self.stack.append(self.stack[-1] if self.stack else 1)
        elif opcode.name == "MARK":
            self.stack.append(self.MARK)
        else:
            taken = self._taken(opcode)
            weight = 1 + sum(taken) if opcode.name in _TUPLES else 1
            if weight > HEAVIEST:
                raise RefusedPickle(f"a tuple holds {weight} values or more")
            self.stack.extend([weight] * len(opcode.stack_after))

    def _taken(self, opcode: pickletools.OpcodeInfo) -> list[int]:
        """Take the values of the opcode off the stack, and return their weights."""
        if opcode.name == "POP" and self.stack and self.stack[-1] == self.MARK:
            return [self.stack.pop()]
        taken: list[int] = []
        below = list(opcode.stack_before)
        if pickletools.markobject in below:
            below = below[: below.index(pickletools.markobject)]
            while self.stack and (top := self.stack.pop()) != self.MARK:
                taken.append(top)
        start = max(0, len(self.stack) - len(below))
        taken += self.stack[start:]
        del self.stack[start:]
        return taken
