"""Image files that Pillow does not write: any bit depth, with any chunk."""

from __future__ import annotations

import struct
import zlib

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""Colour types of PNG."""


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows, *, width: int, bits: int, colour: int, extra: bytes = b"") -> bytes:
    """Return a PNG of packed rows. extra: chunks that stand before the pixels."""
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(
    pixels: bytes, *, width: int, height: int, bits: tuple[int, ...], photometric: int, extra_samples=(), sample_format=1
) -> bytes:
    """Return a little-endian TIFF of one strip without compression."""
    entries = [(256, 4, (width,)), (257, 4, (height,)), (258, 3, bits), (259, 3, (1,)), (262, 3, (photometric,))]
    entries += [(273, 4, (0,)), (277, 3, (len(bits),)), (278, 4, (height,)), (279, 4, (len(pixels),))]
    entries += [(338, 3, tuple(extra_samples))] if extra_samples else []
    entries += [(339, 3, (sample_format,) * len(bits))]
    start = 8 + 2 + 12 * len(entries) + 4
    heap, table = b"", b""
    places = [index for index, entry in enumerate(entries) if entry[0] == 273]
    strip = start + sum(2 * len(values) for _, kind, values in entries if kind == 3 and len(values) > 2)
    entries[places[0]] = (273, 4, (strip,))
    for tag, kind, values in entries:
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            heap, packed = heap + packed, struct.pack("<I", start + len(heap))
        table += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + table + bytes(4) + heap + pixels
