"""Runs the code cells of a notebook in their order, in one namespace, as a notebook does: `python docs/run_notebook.py NOTEBOOK`.

A cell that raises ends the program with its traceback and exit code 1. Cells are plain Python, without magics.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path


def code_cells(notebook: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the source of each code cell."""
    cells = [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, 1):
        yield f"{notebook.name}, code cell {number}", "".join(cell["source"])


def main() -> None:
    """Run the notebook that the command line names."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for name, source in code_cells(Path(sys.argv[1])):
        print(f"--- {name}", flush=True)
        exec(compile(source, name, "exec"), namespace)


if __name__ == "__main__":
    main()
