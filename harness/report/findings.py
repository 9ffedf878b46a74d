"""The findings of a board with the numbers of its claims filled in, each checked by a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.board.columns import Column
from harness.board.findings import Claim, claims_of, with_claims
from harness.report.claim_family import ClaimFamily
from harness.report.comparison import full_name
from harness.report.difference_tables import interval_text
from harness.report.differences import FloorDifference, difference
from harness.report.display import Style, figure
from harness.report.number_text import p_value
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.report.terminal_style import PLAIN
from harness.statistics.paired import PairedDifference
from harness.statistics.student import LEVEL
from harness.store.record_names import row_name

UNMEASURED = "[not measured yet]"
UNTESTABLE = "[no test: not all seeds ended well]"
UNPAIRED = "[no test: the rows share fewer than two seeds]"
FLOORLESS = "[no test: the floor is not measured, or over too few pairs]"
SHOWN_DIFFERENT = ("better", "off-floor")
"""Words of claims that say that something differs. On boards where nothing does, a claim is borne out on 5 % at most, whichever
was picked after the run."""
ABOUT_ADJUSTED = (
    "An *adjusted* p counts all {size:,} comparisons that these findings might have claimed: {of_rows:,} of two rows and "
    "{of_floor:,} of a row and the floor, in all columns that rank (Holm's method). The findings were written after the run, and "
    "so equal rows are called different on 5 % of boards at most, whichever were picked. Every other p and all intervals are of "
    "one comparison by itself."
)
ABOUT_SINGLE = "The findings were written after the run; every p and interval in them is of one comparison by itself."


@dataclass(frozen=True)
class Finding:
    """A claim in one column.

    Args:
        line: of board.yaml, on which the claim stands.
        rows: those that the claim names, in its order.
        result: what the claim is about; None where there is no test yet, or none can be made.
        adjusted_p: p of a claim that something differs, adjusted for all comparisons that a claim might name; None for others.
    """

    claim: Claim
    line: int
    column: Column
    rows: tuple[TableRow, ...]
    result: FloorDifference | PairedDifference | None
    adjusted_p: float | None = None

    @property
    def is_borne_out(self) -> bool:
        """False where the records speak against the claim. What is not measured yet is not spoken against."""
        if self.result is None or self.claim.word in ("value", "difference"):
            return True
        if self.claim.word in ("at-floor", "no-difference"):
            return self.result.p > LEVEL
        if self.adjusted_p is None or self.adjusted_p > LEVEL:
            return False
        is_above = self.result.mean > 0
        is_better = is_above if self.column.higher_is_better else not is_above
        return is_better if self.claim.word == "better" else not is_better


class Findings:
    """The claims of a board's findings, and what its table says of them."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows = {row_name(row.base, row.method, row.size, row.sampler): row for row in table.rows}
        self._columns = {column.name: column for column in table.board.columns}
        lines: dict[Claim, int] = {}
        for claim, line in zip(claims_of(table.board.config.findings), table.board.claim_lines, strict=True):
            lines.setdefault(claim, line)
        findings = [finding for claim, line in lines.items() for finding in self._of(claim, line)]
        self._findings = {(finding.claim, finding.column.name): self._adjusted(finding) for finding in findings}

    def text(self, style: Style) -> str:
        """Return the findings with the numbers of all claims filled in, and what their p and intervals are of.

        A claim that is not borne out says so.
        """
        text = with_claims(self._table.board.config.findings, lambda claim: self._shown(claim, style))
        return "\n\n".join([text.strip(), *self._about()]) if text.strip() else ""

    def _about(self) -> Iterator[str]:
        tested = [finding for finding in self._findings.values() if finding.result is not None]
        if any(finding.adjusted_p is not None for finding in tested):
            family = self._family
            yield ABOUT_ADJUSTED.format(size=family.size, of_rows=len(family.of_rows), of_floor=len(family.of_floor))
        elif tested:
            yield ABOUT_SINGLE

    @property
    def not_borne_out(self) -> list[str]:
        """For each claim that the records speak against, its line in board.yaml and what they say: `12: findings: …`."""
        wrong = [finding for finding in self._findings.values() if not finding.is_borne_out]
        return [
            f"{each.line}: findings: the records do not bear out: {each.claim.in_column(each.column.name)}: "
            f"difference {_figures(each, PLAIN)}{_direction(each)}"
            for each in wrong
        ]

    def _of(self, claim: Claim, line: int) -> Iterator[Finding]:
        for name in claim.columns:
            column = self._columns[name]
            # A smoke board has not all sizes of its file.
            rows = tuple(self._rows[row] for row in claim.rows if row in self._rows)
            if len(rows) == len(claim.rows):
                yield Finding(claim, line, column, rows, self._result(claim, column, rows))

    def _result(self, claim: Claim, column: Column, rows: Sequence[TableRow]) -> FloorDifference | PairedDifference | None:
        if claim.word == "value" or not all(row.is_whole for row in rows):
            return None
        first, *others = rows
        return difference(first, others[0], column) if others else self._table.tests(first, column).to_floor

    def _adjusted(self, finding: Finding) -> Finding:
        """Return a finding that says that something differs with its adjusted p; any other as it is."""
        if finding.claim.word not in SHOWN_DIFFERENT or finding.result is None:
            return finding
        return replace(finding, adjusted_p=self._family.adjusted(finding.result.p))

    @cached_property
    def _family(self) -> ClaimFamily:
        return ClaimFamily.of_table(self._table)

    def _shown(self, claim: Claim, style: Style) -> str:
        findings = [self._findings.get((claim, name)) for name in claim.columns]
        texts = [UNMEASURED if finding is None else _text(finding, style) for finding in findings]
        if len(texts) > 1:
            labels = [style.escape(self._columns[name].label) for name in claim.columns]
            texts = [f"{label}: {text}" for label, text in zip(labels, texts, strict=True)]
        return "; ".join(texts)


def _text(finding: Finding, style: Style) -> str:
    if finding.claim.word == "value":
        (row,) = finding.rows
        score = row.score(finding.column)
        if score is None:
            return UNMEASURED if row.lacking else _ended(row.notes, style)
        lacking = "" if score.n == row.seeds else f" ({score.n} of {row.seeds} seeds)"
        return f"{figure(score, finding.column, style)}{lacking}"
    if finding.result is None:
        return _untested(finding.rows, style)
    text = _figures(finding, style)
    return text if finding.is_borne_out else f"**[not borne out by the records: {text}]**"


def _figures(finding: Finding, style: Style) -> str:
    """Return the difference that was tested, its interval and p."""
    assert finding.result is not None, "only a test has figures"
    is_adjusted = finding.adjusted_p is not None
    p = p_value(finding.result.p if finding.adjusted_p is None else finding.adjusted_p)
    p_text = f"{'adjusted ' if is_adjusted else ''}p {style.escape(p if p.startswith('<') else f'= {p}')}"
    return f"{interval_text(finding.result, finding.column, style)}, {p_text}"


def _direction(finding: Finding) -> str:
    """Return which differences count as better, for a claim that depends on it."""
    if finding.claim.word not in SHOWN_DIFFERENT:
        return ""
    return f" ({'higher' if finding.column.higher_is_better else 'lower'} is better)"


def _ended(notes: Sequence[str], style: Style) -> str:
    return f"[{style.escape(', '.join(notes))}]"


def _untested(rows: Sequence[TableRow], style: Style) -> str:
    """Return why there is no test of rows: seeds lack, ended without a result, or are not shared; or there is no floor."""
    if skipped := [row for row in rows if row.is_skipped]:
        return _ended([f"{full_name(row)} {note}" if len(rows) > 1 else note for row in skipped for note in row.notes], style)
    if any(row.lacking for row in rows):
        return UNMEASURED
    if not all(row.is_whole for row in rows):
        return UNTESTABLE
    return FLOORLESS if len(rows) == 1 else UNPAIRED
