"""Candidates of rounds that have diverged: the others of their round go on. Imports no torch."""

from __future__ import annotations

from harness.training.rounds import Round, RoundSchedule


class LostCandidates:
    """The candidates that ended early because they diverged, and how many steps of each were left out."""

    def __init__(self, rounds: RoundSchedule) -> None:
        self._rounds = rounds
        self._left_out: dict[tuple[int, int], int] = {}

    @property
    def steps_left_out(self) -> int:
        """The number of steps that were not taken, over all candidates."""
        return sum(self._left_out.values())

    def has(self, part: Round) -> bool:
        """Return whether a candidate has diverged."""
        return (part.number, part.candidate) in self._left_out

    def can_lose(self, part: Round) -> bool:
        """Return whether a candidate may diverge without ending the training: another one of its round has not diverged."""
        lost = sum(number == part.number for number, _ in self._left_out)
        return not self.has(part) and lost + 1 < self._rounds.candidates

    def add(self, part: Round, step: int) -> None:
        """Note a candidate that diverged after so many steps, over all rounds and candidates."""
        self._left_out[part.number, part.candidate] = part.starts_after + part.steps - step

    def state(self) -> dict[str, int]:
        """Return what a checkpoint holds: the steps left out, by `round/candidate`, from 0."""
        return {f"{number}/{candidate}": steps for (number, candidate), steps in self._left_out.items()}

    def restore(self, state: dict[str, int]) -> None:
        """Go on from a checkpoint."""
        places = {place: tuple(map(int, place.split("/"))) for place in state}
        self._left_out = {(number, candidate): state[place] for place, (number, candidate) in places.items()}
