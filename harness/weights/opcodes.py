"""Looks through a pickle's opcodes before it is read: what they would make, how large, and which are not allowed."""

from __future__ import annotations

import pickletools
from typing import BinaryIO, cast

from harness.errors import UserError

REFUSED = {
    "PERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ_EX", "NEXT_BUFFER", "READONLY_BUFFER",
}  # fmt: skip
_PUTS, _GETS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE"}

HEAVIEST = 100_000
"""Values in a tuple, counted through its tuples as often as they are reached. Published files have tuples of ten."""


class RefusedPickle(UserError):
    """The file is damaged, or holds what is no data."""


def inspect(file: BinaryIO, *, allows_ids: bool) -> None:
    """Read one pickle's opcodes without carrying them out. `file` is then at its end.

    Args:
        allows_ids: whether the pickle may refer to objects by ids of its reader.
    Raises: RefusedPickle for an opcode that published files have not, a memo slot that no opcode before could have filled, and a
        tuple that is too heavy; ValueError and others for bytes that are no pickle, among them declared sizes that are not there.
    """
    stack = _Weights()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if opcode.name in REFUSED or (opcode.name == "BINPERSID" and not allows_ids):
            raise RefusedPickle(f"the opcode {opcode.name} is not allowed")
        # The interpreter sets memory aside for a memo by its largest slot.
        if opcode.name in _PUTS and cast("int", argument) > count:
            raise RefusedPickle(f"{opcode.name} to slot {argument} after {count} opcodes")
        stack.follow(opcode, argument)


class _Weights:
    """The reader's stack with the weight of each value in its place.

    A tuple that holds another twice, which holds another twice, and so on, takes a few bytes a level; but its hash, which
    the interpreter takes when it is a key or a set's member, visits all of 2^levels, and cannot be interrupted.
    """

    MARK = 0

    def __init__(self) -> None:
        self.stack: list[int] = []
        self.memo: dict[int, int] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Do with the weights what the opcode does with the values. Where it could not be carried out, neither can this."""
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
        """Weights of what the opcode takes off the stack."""
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
