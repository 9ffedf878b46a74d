"""Where things are in the folder of a board."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.store.record_names import RecordName


@dataclass(frozen=True)
class BoardFolder:
    """Paths in the folder of one board.

    People write board.yaml and reported.csv. `harness publish` and `harness render` write all other files.

    ```
    leaderboards/NAME/board.yaml       the board
    leaderboards/NAME/reported.csv     numbers of papers
    leaderboards/NAME/results/         one record for each cell and floor, previews of samples, and training logs
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
        """The file with the preview of a row's samples. row: the row's name."""
        return self.results / f"preview__{row.replace('/', '__')}.json"

    @property
    def real_preview(self) -> Path:
        """The file with the preview of real examples."""
        return self.results / "preview__real.json"
