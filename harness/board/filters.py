"""The filter language, the same on the command line and in boards: `method=ddo,sft-*` or `base=edm,seed!=0`.

Terms are joined by commas, and all terms must hold. `key=a,b` keeps what is a or b; `key!=a,b` keeps what is neither. Values may
hold `*` and `?`. `method=ddo[beta=0.1]` keeps the points of the grid `ddo` with this beta.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.board.grids import matches
from harness.errors import UserError, nearest

KEYS = ("base", "method", "seed", "model", "sampler", "n")


@dataclass(frozen=True)
class Term:
    """A condition on one key."""

    key: str
    values: tuple[str, ...]
    is_negated: bool

    def keeps(self, facts: Mapping[str, str]) -> bool:
        """Whether the condition holds. `facts` has a value for the term's key."""
        is_listed = any(matches(facts[self.key], value) for value in self.values)
        return is_listed != self.is_negated

    def __str__(self) -> str:
        """Return the condition as filters have it: `method!=ddo,sft-*`."""
        return f"{self.key}{'!=' if self.is_negated else '='}{','.join(self.values)}"


@dataclass(frozen=True)
class Filter:
    """Conditions that must all hold. The empty filter keeps everything."""

    terms: tuple[Term, ...] = ()

    def keeps(self, facts: Mapping[str, str]) -> bool:
        """Whether all conditions hold. `facts` has a value for each of KEYS."""
        return all(term.keeps(facts) for term in self.terms)

    def __and__(self, other: Filter) -> Filter:
        return Filter(self.terms + other.terms)

    def __str__(self) -> str:
        """Return the filter as boards and the command line have it; the empty filter is an empty text."""
        return ",".join(map(str, self.terms))

    def without(self, key: str) -> Filter:
        """Return the filter without its conditions on this key."""
        return Filter(tuple(term for term in self.terms if term.key != key))

    def check(self, known: Iterable[Mapping[str, str]], *, where: str) -> None:
        """Check all values. Raises: UserError, with the nearest value, for one that matches nothing in `known`."""
        facts = list(known)
        for term in self.terms:
            names = sorted({fact[term.key] for fact in facts})
            for value in term.values:
                if not any(matches(name, value) for name in names):
                    raise UserError(
                        f"{where}: no {term.key} of this board matches {value!r}; "
                        f"{_hint(term.key, value, names)}there are: {', '.join(names) or 'none'}"
                    )


_SEED_RANGE = re.compile(r"\s*(\d+)(?:\s*(?:-|:|\.\.)\s*|\s+)(\d+)\s*")


def seeds_in_range(text: str, seeds: Iterable[int]) -> str | None:
    """Return the seeds that a range such as `0-2`, `0:2`, `0..2` or `0 2` may mean, as a filter lists them: `0,1,2`.

    Returns: None where the text is no range, or holds none of the seeds.
    """
    match = _SEED_RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    return ",".join(str(seed) for seed in seeds if first <= seed <= last) or None


def _hint(key: str, value: str, names: list[str]) -> str:
    seeds = seeds_in_range(value, sorted(map(int, names))) if key == "seed" else None
    return nearest(value, names) if seeds is None else f"write {key}={seeds}; "


def parse_filter(text: str | Sequence[str], *, where: str) -> Filter:
    """Parse one filter, or several that must all hold. Raises: UserError that says what a filter looks like."""
    texts = [text] if isinstance(text, str) else text
    return Filter(tuple(term for text in texts for term in _parse_terms(text, where)))


_COMMA = re.compile(r",(?![^\[]*\])")
"""A comma, but not one between brackets."""
_TERM = re.compile(r"\s*([\w-]+)\s*(!?=)\s*(.*?)\s*")


def _parse_terms(text: str, where: str) -> list[Term]:
    terms: list[Term] = []
    for part in _COMMA.split(text):
        match = _TERM.fullmatch(part)
        value = match[3] if match else part.strip()
        if not value or (match is None and not terms):
            raise UserError(f"{where}: {text!r} is not a filter; write key=value[,value…][,key!=value…], keys: {', '.join(KEYS)}")
        if match is None:  # a further value of the last term
            last = terms.pop()
            terms.append(Term(last.key, (*last.values, value), last.is_negated))
            continue
        key, operator = match[1], match[2]
        if key not in KEYS:
            raise UserError(f"{where}: no filter key is called {key!r}; {nearest(key, KEYS)}keys: {', '.join(KEYS)}")
        terms.append(Term(key, (value,), operator == "!="))
    return terms
