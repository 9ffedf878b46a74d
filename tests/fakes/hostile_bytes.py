"""Changes that make hostile bytes and texts of honest ones. Dice draw every change, so that a seed gives the same files."""

from __future__ import annotations

import copy
import json
import random
import re
import struct
from typing import Any

HUGE = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
FORMS = ("<H", "<I", "<Q", ">H", ">I", ">Q", "<d", "<f")
TOKEN = re.compile(r"\"[^\"\n]*\"|-?[\w.]+|[\[\]{},:]")

EVIL_TEXTS = (
    "", "0", "-1", "1", "010", "1:30", "1e999", "-1e-999", "9" * 400, "9" * 5000, "NaN", "Infinity", "-Infinity", ".inf", ".nan",
    "true", "null", "~", "no", "[]", "{}", "[[]]", "[" * 2000, "{\"a\":" * 2000, "\"\"", "\"x\"", "'", "\"", "\\", "\"\\ud800\"",
    "\"\\u0000\"", "\"\\x1b[2J\"", "\"\\UFFFFFFFF\"", "\x00", "\x85", "\ufeff", "\u2028", "é" * 50, "x" * 200_000, "2026-02-30",
    "0000-00-00", "!!bool x", "!!int x", "!!float x", "!!binary x", "!!timestamp x", "!!python/object/apply:os.system [true]",
    "*a", "&a [*a, *a]", "<<: *a", "<<: [1]", "? [a]", "|", ">", "%YAML 9", "---", "...", "../../etc/passwd", "/dev/zero", "\t",
    "__class__", "os.system", "x" * 4096 + "/", "a\nb", "a,b", "a:b", "#", "@", "`", "1_000", "0x10", "0b1", "1j", "٣", "-0.0",
)  # fmt: skip

EVIL_VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, -1e308, float("inf"), float("-inf"), float("nan"),
    "", "x", "\ud800", "\x00", "é", "x" * 100_000, "../../x", "a\nb", "|", "<b>", "1", [], {}, [[]], [{}], {"": {}}, [1e308] * 3,
    [None], ["x"], [[1, 2]] * 3, {"x": float("nan")},
)  # fmt: skip
"""Values of JSON as Python reads it, which takes numbers that are not finite and halves of characters."""


def changed_json(dice: random.Random, content: bytes) -> bytes:
    """Change values of a JSON table: replaced by others, lost, renamed, nested deep. The layout is that of a record's file."""
    table = json.loads(content)
    for _ in range(dice.randint(1, 3)):
        holder, key = dice.choice(places(table) or [({}, "")])
        kind = dice.randrange(8)
        if kind <= 5 or isinstance(holder, list):
            holder[key] = copy.deepcopy(dice.choice(EVIL_VALUES))
        elif kind == 6:
            del holder[key]
        else:
            holder[dice.choice(("x", "name", "\ud800", ""))] = holder[key]
    text = json.dumps(table, indent=1) + "\n"
    if dice.random() < 0.1:
        text = text.replace("[]", "[" * 20_000 + "]" * 20_000, 1)
    return text.encode()


def places(value: object) -> list[tuple[Any, Any]]:
    """Return the holder and the key of every value below a value: a dictionary and a key, or a list and an index."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [(value, key) for key, _ in items] + [place for _, item in items for place in places(item)]


def changed_text(dice: random.Random, text: str) -> bytes:
    """Change a text: tokens replaced by evil ones, lines repeated, moved or lost, another encoding, a cut."""
    for _ in range(dice.randint(1, 3)):
        tokens = list(TOKEN.finditer(text))
        kind = dice.randrange(7)
        lines = text.split("\n")
        at = dice.randrange(len(lines))
        if kind <= 2 and tokens:
            token = dice.choice(tokens)
            text = text[: token.start()] + dice.choice(EVIL_TEXTS) + text[token.end() :]
        elif kind == 3:
            lines[at:at] = lines[at : at + dice.randint(1, 5)] * dice.choice((1, 2, 100))
            text = "\n".join(lines)
        elif kind == 4:
            lines[at] = dice.choice(("", " ", "  ", "\t")) + lines[at] if dice.random() < 0.5 else lines[at].lstrip()
            text = "\n".join(lines)
        elif kind == 5:
            text = "\n".join(lines[:at] + lines[at + 1 :])
        else:
            place = dice.randrange(len(text) + 1)
            text = text[:place] + dice.choice(EVIL_TEXTS) + text[place:]
    encoding = dice.choices(("utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"), (20, 2, 1, 1, 1))[0]
    content = text.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
    return content[: dice.randrange(len(content) + 1)] if dice.random() < 0.1 else content


def changed_bytes(dice: random.Random, content: bytes) -> bytes:
    """Change bytes: flips, huge numbers, parts repeated, moved or lost, a cut."""
    raw = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        dice.choice(_CHANGES)(dice, raw, dice.randrange(len(raw) + 1))
    return bytes(raw)


def _flip(dice: random.Random, raw: bytearray, at: int) -> None:
    for _ in range(dice.randint(1, 8) if raw else 0):
        raw[dice.randrange(len(raw))] = dice.randrange(256)


def _put_number(dice: random.Random, raw: bytearray, at: int) -> None:
    form = dice.choice(FORMS)
    size = struct.calcsize(form)
    number = float(dice.choice(HUGE)) if form[1] in "df" else dice.choice(HUGE) % 256**size
    raw[at : at + size] = struct.pack(form, number)


def _repeat(dice: random.Random, raw: bytearray, at: int) -> None:
    raw[at:at] = raw[at : at + dice.randint(1, 64)] * dice.choice((1, 2, 1000))


def _lose(dice: random.Random, raw: bytearray, at: int) -> None:
    del raw[at : at + dice.randint(1, 64)]


def _cut(dice: random.Random, raw: bytearray, at: int) -> None:
    del raw[at:]


def _insert(dice: random.Random, raw: bytearray, at: int) -> None:
    raw[at:at] = dice.randbytes(dice.randint(1, 64))


def _change_digits(dice: random.Random, raw: bytearray, at: int) -> None:
    numbers = [found.span() for found in re.finditer(rb"\d+", bytes(raw))]
    if numbers:
        start, end = dice.choice(numbers)
        raw[start:end] = str(dice.choice((*HUGE, -1, 10**30))).encode()


_CHANGES = (_flip, _put_number, _repeat, _lose, _cut, _insert, _change_digits)
