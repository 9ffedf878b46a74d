"""The file that a search writes: the chosen settings of each base, how they were found, and what that cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from harness.board.search_settings import Value
from harness.store.files import write_text


class _Part(BaseModel):
    """A part of the file. Unknown keys are faults: somebody wrote them by hand."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrialFacts(_Part):
    """A trial as the file lists it.

    Args:
        values: the mean over the search's seeds at each budget that the trial came to, the smallest budget first.
        end: `done` at the whole budget; `stopped` where better ones went on; `diverged`; `failed`.
    """

    number: int
    settings: dict[str, Value]
    values: list[float]
    end: Literal["done", "stopped", "diverged", "failed"]


class SearchCost(_Part):
    """The cost of all trials of a study together; a cell that several trials share counts once.

    Args:
        images: training images seen.
        network_evaluations: examples that went through networks in training, the curve, sampling, and preparing a sampler.
        seconds: of fine-tuning, sampling and metrics, each in one process.
        pretraining_images, pretraining_seconds: of the base that was made for the search alone; 0 where there is none.
    """

    images: int = 0
    network_evaluations: int = 0
    seconds: float = 0.0
    pretraining_images: int = 0
    pretraining_seconds: float = 0.0


class StudyFacts(_Part):
    """The study of one base.

    Args:
        settings: the chosen values by dotted path.
        value: of the chosen trial.
        metric: the column, and `measured` on what: the curve's draws, or the evaluation draws of the search's seeds.
        trials: number of trials, those that were stopped, diverged or failed included.
        edges: a sentence for each setting whose chosen value lies at an edge of its range.
        asked: the search's settings, and `fixed` those of the method that it held fixed.
        all_trials: every trial.
        kept_base: whether no trial is better than the base: selection kept the base's weights in the best one, on every seed.
        ties: the points with other settings and the same value.
        study: hash of everything above.
    """

    settings: dict[str, Value]
    value: float
    metric: str
    measured: Literal["curve", "evaluation"]
    trials: int
    seeds: list[int]
    edges: list[str]
    cost: SearchCost
    asked: dict[str, object]
    fixed: dict[str, object]
    all_trials: list[TrialFacts]
    kept_base: bool = False
    ties: list[str] = []
    study: str = ""

    @property
    def digest(self) -> str:
        """The hash that `study` has, unless somebody edited the file by hand."""
        content = json.dumps(self.model_dump(mode="json", exclude={"study"}), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:24]

    @model_serializer(mode="wrap")
    def _without_what_older_files_lack(self, serialised: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out the fields that were added later while they are empty, so that older files keep their hash."""
        content: dict[str, object] = serialised(self)
        return {name: value for name, value in content.items() if value or name not in ("kept_base", "ties")}

    @property
    def points(self) -> int:
        """The number of different points among the trials: a space of few points makes trials repeat them."""
        return len({json.dumps(trial.settings, sort_keys=True) for trial in self.all_trials})

    @property
    def doubts(self) -> list[str]:
        """A sentence for each reason why the chosen settings may be no best ones, without a full stop."""
        if self.kept_base:
            return ["no trial is better than the base, whose weights selection kept: the chosen settings are no best"]
        tied = [f"{len(self.ties)} other points have the same value ({'; '.join(self.ties)}): the first one was taken"]
        if len(self.ties) == 1:
            tied = [f"another point has the same value ({self.ties[0]}): the first one was taken"]
        return [*self.edges, *(tied if self.ties else [])]

    def sealed(self) -> StudyFacts:
        """Return the study with its hash."""
        return self.model_copy(update={"study": self.digest})


class ChosenFile(_Part):
    """The whole file: the search, the component that it is of, and a study for each base."""

    search: str
    method: str
    studies: dict[str, StudyFacts]


@dataclass(frozen=True)
class Chosen:
    """The settings that one entry of `methods` takes from a search.

    Args:
        entry, label: of `methods`.
        file: as the board names it.
        base: the base whose study it is.
        remarks: a sentence for each way in which the board has gone on since: another space, other fixed settings.
    """

    entry: str
    label: str
    file: str
    base: str
    study: StudyFacts
    remarks: tuple[str, ...]


_HEAD = """\
# Written by `harness search {board}`; board.yaml has the search. Nothing here is edited by hand: a board that takes settings
# from an edited file does not load.
"""


class _Dumper(yaml.SafeDumper):
    """Writes plain values."""

    def ignore_aliases(self, data: object) -> bool:
        """Write each value in full: aliases are hard to read."""
        return True


def write(path: Path, content: ChosenFile, board: str) -> None:
    """Write the file, whole or not at all. board: the board's folder, for the first line. Raises: StorageError."""
    write_text(path, _HEAD.format(board=board) + file_text(content))


def file_text(content: ChosenFile) -> str:
    """Return the content as YAML, with a line for each trial."""
    value = content.model_dump(mode="json")
    lines = [f"search: {value['search']}\nmethod: {value['method']}\nstudies:\n"]
    for base, study in value["studies"].items():
        trials, seal = study.pop("all_trials"), study.pop("study")
        edges = study.pop("edges")
        inner = [_yaml(study), "edges:" + ("" if edges else " []") + "\n", *(f"  - {_flow_text(edge)}\n" for edge in edges)]
        inner += ["all_trials:\n", *(f"  - {_flow(trial)}\n" for trial in trials), f"study: {_flow_text(seal)}\n"]
        lines += [f"  {base}:\n", *(f"    {line}\n" for line in "".join(inner).splitlines())]
    return "".join(lines)


def _yaml(value: Mapping[str, object]) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=None)


def _flow_text(text: str) -> str:
    """Return a text as a YAML value: in quotes, which JSON's are too."""
    return json.dumps(text, ensure_ascii=False)


def _flow(value: Mapping[str, object]) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=True).strip()
