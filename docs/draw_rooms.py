"""Draws docs/rooms.svg, the picture of the core on the page about the architecture, from the imports of the code.

    python docs/draw_rooms.py            # write the picture
    python docs/draw_rooms.py --check    # exit 1 when the committed picture is not what the code says

A box is a room, with the first sentence of its package. An arrow from a room to a lower one says that modules of the upper one
import modules of the lower one; arrows that follow from others are left out.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "house"))

from imports import graph, modules  # noqa: E402 - the path above makes it importable

PICTURE = ROOT / "docs" / "rooms.svg"
CONTRACT = "the contract"
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 236, 84, 28, 46, 20

COLUMNS = {
    "cli": 2, "run": 2, "stages": 2, "training": 2, "weights": 2, "process": 2, CONTRACT: 2, "statistics": 0,
    "report": 1, "site": 1, "board": 1, "sampling": 1, "measure": 3, "scaffold": 0, "results": 0, "submission": 3, "images": 3,
    "store": 3,
    "toolkit": 4, "testing": 4,
}  # fmt: skip
"""The column of each room, from the left: the way of a cell goes down the third one, and no arrow passes behind a box."""

Rooms = Mapping[str, set[str]]


def room_of(module: str) -> str:
    """Return the room of a module: the folder below harness/, or the contract for a module at its root."""
    parts = module.split(".")
    is_in_folder = len(parts) > 1 and (ROOT / "harness" / parts[1]).is_dir()
    return parts[1] if is_in_folder else CONTRACT


def rooms() -> Rooms:
    """Return the rooms that each room imports. The command line's entry `harness.__main__` is left out."""
    found: dict[str, set[str]] = {}
    for module, imported in graph(modules(ROOT, "harness")).items():
        if module != "harness.__main__":
            found.setdefault(room_of(module), set()).update({room_of(other) for other in imported} - {room_of(module)})
    return found


def below(edges: Rooms, room: str) -> set[str]:
    """Return every room that can be reached from this one."""
    direct = edges[room]
    return direct.union(*(below(edges, other) for other in direct))


def reduced(edges: Rooms) -> Rooms:
    """Return the edges that do not follow from others."""
    return {
        room: {other for other in direct if not any(other in below(edges, third) for third in direct)}
        for room, direct in edges.items()
    }


def level(edges: Rooms, room: str) -> int:
    """Return the length of the longest way down from a room."""
    return 1 + max((level(edges, other) for other in edges[room]), default=-1)


def sentence(room: str) -> str:
    """Return the first sentence of the room's package."""
    if room == CONTRACT:
        return "What plugins import: components, capabilities, interfaces, hooks, settings, errors, streams."
    text = ast.get_docstring(ast.parse((ROOT / "harness" / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ").replace("`", "")


def places(edges: Rooms) -> dict[str, tuple[int, int]]:
    """Return the left upper corner of each room's box: a line for each level, the lowest room at the bottom."""
    levels = {room: level(edges, room) for room in sorted(edges)}
    found: dict[str, tuple[int, int]] = {}
    taken: set[tuple[int, int]] = set()
    for room in sorted(edges, key=lambda room: room not in COLUMNS):
        column = COLUMNS.get(room, 0)
        while (column, levels[room]) in taken:  # a new room stands in the first free place
            column += 1
        taken.add((column, levels[room]))
        top = MARGIN + (max(levels.values()) - levels[room]) * (HEIGHT + GAP_Y)
        found[room] = (MARGIN + column * (WIDTH + GAP_X), top)
    return found


def picture() -> str:
    """Return the picture as SVG."""
    edges = rooms()
    corners = places(edges)
    width = max(x for x, _ in corners.values()) + WIDTH + MARGIN
    height = max(y for _, y in corners.values()) + HEIGHT + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" role="img" aria-label="The rooms of the core and what they import">',
        '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for room, others in sorted(reduced(edges).items()):
        lines += [_arrow(corners[room], corners[other]) for other in sorted(others)]
    lines += [line for room in sorted(edges) for line in _box(room, corners[room])]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _arrow(upper: tuple[int, int], lower: tuple[int, int]) -> str:
    # Each end leans towards the other box, so that arrows from one box do not start at one point.
    lean = max(-WIDTH // 3, min(WIDTH // 3, (lower[0] - upper[0]) // 3))
    x1, y1 = upper[0] + WIDTH // 2 + lean, upper[1] + HEIGHT
    x2, y2 = lower[0] + WIDTH // 2 - lean, lower[1]
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#555" stroke-width="1.5" marker-end="url(#head)"/>'


def _box(room: str, corner: tuple[int, int]) -> list[str]:
    x, y = corner
    fill = "#fff4d6" if room in ("toolkit", "testing", CONTRACT) else "#e6f0fa"
    lines = [f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="#333"/>']
    name = room if room == CONTRACT else f"{room}/"
    lines.append(f'<text x="{x + 10}" y="{y + 20}" font-size="15" font-weight="bold" fill="#111">{escape(name)}</text>')
    for row, text in enumerate(wrap(sentence(room), 40)[:4]):
        lines.append(f'<text x="{x + 10}" y="{y + 37 + 13 * row}" font-size="11" fill="#333">{escape(text)}</text>')
    return lines


def main() -> int:
    """Write the picture, or compare it with the committed one. Returns: the exit code."""
    parser = argparse.ArgumentParser(description="Draw the rooms of the core.")
    parser.add_argument("--check", action="store_true", help="only say whether the committed picture is fresh")
    if parser.parse_args().check:
        is_fresh = PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == picture()
        print("docs/rooms.svg is up to date" if is_fresh else "docs/rooms.svg is stale: run python docs/draw_rooms.py")
        return 0 if is_fresh else 1
    PICTURE.write_text(picture(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
