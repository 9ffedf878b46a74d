"""Hostile files for every reader of the product: honest files with changes, and files that are made to swell or to hang."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import pickle
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hostile_bytes import HUGE, changed_bytes, changed_text
from PIL import Image
from safetensors.torch import save

Content = bytes | dict[str, bytes]
"""The bytes of a file, or those of each file in a folder."""
GOLDEN = Path(__file__).parents[1] / "golden"
TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.float16)}
CALLS = [
    b"cos\nsystem\n",
    b"cposix\nsystem\n",
    b"cbuiltins\neval\n",
    b"cbuiltins\ngetattr\n",
    b"cbuiltins\nbytearray\n",
    b"ctorch\nTensor\n",
]


def pytorch(content: object, *, is_zip: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=is_zip)
    return file.getvalue()


def safetensors(tensors: dict[str, torch.Tensor], header: dict[str, str] | None = None) -> bytes:
    return save(tensors, header)


def npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def image(form: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (8, 8), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, form, **options)
    return file.getvalue()


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED, *, before: bytes = b"") -> bytes:
    file = io.BytesIO(before)
    with zipfile.ZipFile(file, "a", compression) as made:  # an archive may stand behind anything
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def members_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def changed_archive(dice: random.Random, content: bytes) -> bytes:
    """Change the members of an archive, and write an undamaged archive around them."""
    members = members_of(content)
    name = dice.choice(list(members))
    kind = dice.randrange(5)
    if kind <= 2:
        members[name] = changed_bytes(dice, members[name])
    elif kind == 3:
        members[dice.choice(("../x.png", "/x.png", "x\\y.png", "a\x00b", "é.npy", name.upper(), "a/" * 100 + "x.npy"))] = members[
            name
        ]
    else:
        members[name] = members[name][:200] + bytes(30_000_000)  # a bomb, which packs to 30 kB
    return archive(members, dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))


def evil_pickle(dice: random.Random) -> bytes:
    """A pickle that is put together of opcodes: calls, swelling tuples, huge memos and strings, endless nesting."""
    two_times = b"(t" + b"2\x86" * dice.choice((10, 16, 20, 60))
    huge = b"\x8a\x09" + struct.pack("<Q", dice.choice(HUGE)) + b"\0"
    size = struct.pack("<Q", dice.choice(HUGE))
    parts = [
        *CALLS, two_times, huge, huge + b"\x85R", b"(X\x04\x00\x00\x00true\x85R", b"}" + two_times + b"K\x01s", b"]" * 5000,
        b"}" + b"K\x012" * 3000, b"r" + size[:4], b"\x8e" + size,
        b"X" + struct.pack("<I", 2**31), b"(K\x01K\x02e", b"a", b"s", b"u", b"b", b"R", b"\x81", b"t", b"Q", b"P0\n",
        b"I" + b"9" * 5000 + b"\n", b"\x8f(" + two_times + b"\x90", b"V" + b"\\u0041" * 100 + b"\n", b"N", b"0", b"2", b"h\x00",
        b"\x94",
    ]  # fmt: skip
    return dice.choice((b"\x80\x02", b"\x80\x04", b"")) + b"".join(dice.choices(parts, k=dice.randint(1, 12))) + b"."


def sealed_json(body: bytes) -> bytes:
    """Give the body of a record or manifest its right checksum. The first two lines of the body are replaced."""
    rest = b"\n" + body.split(b"\n", 2)[2] if body.count(b"\n") >= 2 else body
    return b'{\n "sha256": "' + hashlib.sha256(rest).hexdigest().encode() + b'",' + rest


def no_weights(weight: torch.Tensor) -> list[torch.Tensor]:
    """Tensors of the shape of a weight, or of none, that torch saves and that cannot be weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch remarks on quantised and nested tensors
        quantised = torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)
        nested = torch.nested.nested_tensor([torch.zeros(3), torch.zeros(2)])
    return [
        weight.to_sparse(),
        weight.to_sparse_csr(),
        quantised,
        nested,
        weight.to("meta"),
        weight * torch.nan,
        weight.to(torch.cfloat),
    ]


def old_format_before_an_archive() -> bytes:
    """A bomb in torch's old format with an archive at its end: torch goes by the first bytes, and zipfile by the last ones."""
    facts = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    swelling = b"\x80\x02}X\x01\x00\x00\x00xcbuiltins\nbytearray\n\x8a\x05" + (2**33).to_bytes(5, "little") + b"\x85Rs."
    return archive(members_of(pytorch({"a": torch.ones(3)})), before=facts + swelling + pickle.dumps([], 2))


def _black(side: int, mode: str = "RGB") -> bytes:
    return image(size=(side, side), mode=mode)


BOMBS: dict[str, list[Callable[[], Content]]] = {
    ".npz": [
        lambda: npz(mu=np.zeros(5000, np.float32), sigma=np.zeros((5000, 5000), np.float32)),
        lambda: npz(arr_0=np.zeros((30, 1200, 1200, 3), np.uint8)),
    ],
    ".pt": [
        lambda: archive({"a/data.pkl": b"\x80\x02" + b"]0" * 5_000_000 + b"N."}),
        lambda: archive({"a/data.pkl": b"\x80\x02" + b"}" * 3_000_000 + b"."}, 0),
        old_format_before_an_archive,
    ],
    ".bin": [old_format_before_an_archive],
    ".pkl": [lambda: b"\x80\x02" + b"]" * 3_000_000 + b".", lambda: b"\x80\x02" + b"(" * 3_000_000 + b"."],
    ".bombs": [
        lambda: {"x.png": _black(5700)},
        lambda: {"x.png": _black(20_000, "1")},
        lambda: {f"{number}.png": _black(4000) for number in range(8)},
        lambda: {"x.ppm": b"P2 1 1 255\n" + b"#\n" * 5_000_000 + b"0\n"},
    ],
    ".zip": [
        lambda: archive({"x.png": image() + bytes(80_000_000)}),
        lambda: archive({f"{number}.png": _black(3000) for number in range(20)}),
    ],
    ".gz": [lambda: gzip.compress(struct.pack(">4I", 2051, 60000, 28, 28) + bytes(100_000_000), 1)],
    ".safetensors": [
        lambda: (20_000_001).to_bytes(8, "little") + b"{" + b" " * 20_000_000,
        lambda: (2**63).to_bytes(8, "little") + b"{}",
    ],
    ".png": [lambda: _black(20_000, "1")],
}
"""Files of one format that swell most, by the suffix."""


def header_of(dice: random.Random) -> bytes:
    """A safetensors file with a header that is put together of good and bad parts, and the right length."""
    shape = [dice.choice((0, 1, 2, 3, -1, 2**31, 2**62, 2**64)) for _ in range(dice.randrange(6))]
    kind = dice.choice(("F32", "F16", "BF16", "F64", "I64", "U8", "BOOL", "F8_E4M3", "F4", "C64", "x", ""))
    name = dice.choice(("x.0", "x.٣", "a.weight", "", "\u0000", "__metadata__", "x.1", "lambda"))
    size = dice.choice((0, 4, 8, 24, 2**40))
    entries = {
        name: {"dtype": kind, "shape": shape, "data_offsets": [0, size]},
        "__metadata__": {"harness": dice.choice(("{}", "[", "3", "[" * 9999))},
    }
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(min(size, 24))


def damaged_png(dice: random.Random) -> bytes:
    """A PNG whose header declares another size or depth, with right checksums."""
    sides = dice.choices((0, 1, 8, 100, 5000, 2**15, 2**31 - 1, 2**32 - 1), k=2)
    head = struct.pack(
        ">IIBBBBB", *sides, dice.choice((1, 2, 4, 8, 16, 3)), dice.choice((0, 2, 3, 4, 6, 1)), 0, 0, dice.choice((0, 1))
    )
    text = zlib.compress(bytes(10_000_000)) if dice.random() < 0.3 else b"\x00"
    chunks = [
        (b"IHDR", head),
        (b"zTXt", b"k\0\0" + text),
        (b"iCCP", b"k\0\0" + text),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ]
    kept = [chunks[0], *(chunk for chunk in chunks[1:] if dice.random() < 0.7)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in kept
    )


def packed(dice: random.Random, content: bytes) -> bytes:
    """Pack bytes in a way that the reader does not expect."""
    return dice.choice((gzip.compress, bz2.compress, lzma.compress, zlib.compress))(content)


def small_pickles() -> list[bytes]:
    table = {"fid": {"mu": np.zeros(3), "sigma": np.eye(3)}, "x": (1, [2.0, {3}])}
    return [pickle.dumps(table, protocol) for protocol in (2, 4)]


def changed(dice: random.Random, content: Content, *, is_text: bool) -> Content:
    """Change a file, or one file of a folder."""
    change = changed_text if is_text else changed_bytes
    if isinstance(content, dict):
        name = dice.choice(list(content))
        return {**content, name: _changed_file(dice, content[name], is_text=is_text or name.endswith(".json"))}
    return change(dice, content.decode()) if is_text else change(dice, content)  # type: ignore[arg-type] # text or bytes, as asked


def _changed_file(dice: random.Random, content: bytes, *, is_text: bool) -> bytes:
    return changed_text(dice, content.decode()) if is_text else changed_bytes(dice, content)
