"""Pickles that are put together opcode by opcode, as no honest program writes them."""

from __future__ import annotations

import io
import pickle
import struct

HUGE = 2**45


def opcodes(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def named(module: str, name: str) -> bytes:
    """The opcode that looks up a name."""
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def storage(numbers: list[float], *, declared: int | None = None, count: int | None = None) -> bytes:
    """The bytes of a legacy storage of float32."""
    file = io.BytesIO()
    for header in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
        file.write(pickle.dumps(header, 2))
    declared = len(numbers) if declared is None else declared
    sizes = b"\x8a\x08" + struct.pack("<q", declared)
    file.write(b"\x80\x02(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu") + sizes + b"NtQ.")
    file.write(pickle.dumps(["0"], 2))
    file.write(struct.pack("<q", len(numbers) if count is None else count))
    return file.getvalue() + struct.pack(f"<{len(numbers)}f", *numbers)


def load_storage(content: bytes) -> bytes:
    """The opcodes that make a storage of its bytes."""
    return named("torch.storage", "_load_from_bytes") + b"B" + struct.pack("<I", len(content)) + content + b"\x85R"


def tensor(size: tuple[int, ...], stride: tuple[int, ...], *, offset: int = 0, content: bytes | None = None) -> bytes:
    """The pickle of a tensor that views a storage, by default of the numbers 1 to 4."""
    raw = load_storage(storage([1.0, 2.0, 3.0, 4.0]) if content is None else content)
    rest = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, size, stride, False))
    # A memo slot is written anew by each of these; no later opcode reads one.
    return opcodes(named("torch._utils", "_rebuild_tensor_v2"), b"(", raw, rest, named("collections", "OrderedDict"), b")RtR")
