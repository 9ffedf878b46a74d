"""Where things are in the folder of a board."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.store.record_names import RecordName


@dataclass(frozen=True)
class BoardFolder:
    """Paths of one board's folder. People write board.yaml and reported.csv; `harness publish` and `harness render` the rest.

    ```
    leaderboards/NAME/board.yaml       the board
    leaderboards/NAME/reported.csv     numbers of papers
    leaderboards/NAME/results/         a record a cell and floor, and previews of samples
    leaderboards/NAME/README.md        the page
    leaderboards/NAME/plots/           its plots
    ```
    """

    root: Path

    @property
    def reported(self) -> Path:
        return self.root / "reported.csv"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def page(self) -> Path:
        return self.root / "README.md"

    @property
    def plots(self) -> Path:
        return self.root / "plots"

    def record(self, record: RecordName) -> Path:
        return self.results / record.file_name

    def preview(self, row: str) -> Path:
        """The preview of a row's samples, by the row's name."""
        return self.results / f"preview__{row.replace('/', '__')}.json"

    @property
    def real_preview(self) -> Path:
        """The preview of real examples."""
        return self.results / "preview__real.json"
