"""The filter language, the same on the command line and in boards: `method=ddo,sft-*` or `base=edm,seed!=0`.

Terms are joined by commas. `key=a,b` keeps what is a or b, `key!=a,b` what is neither; all keys must agree. Values may
hold `*` and `?`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.errors import UserError, nearest

KEYS = ("base", "method", "seed", "model", "n")


@dataclass(frozen=True)
class Term:
    """One condition on one key."""

    key: str
    values: tuple[str, ...]
    is_negated: bool

    def keeps(self, facts: Mapping[str, str]) -> bool:
        is_in = any(fnmatchcase(facts[self.key], value) for value in self.values)
        return is_in != self.is_negated


@dataclass(frozen=True)
class Filter:
    """All terms must hold; the empty filter keeps everything."""

    terms: tuple[Term, ...] = ()

    def keeps(self, facts: Mapping[str, str]) -> bool:
        """`facts` has a value for each of KEYS."""
        return all(term.keeps(facts) for term in self.terms)

    def __and__(self, other: Filter) -> Filter:
        return Filter(self.terms + other.terms)

    def check(self, known: Iterable[Mapping[str, str]], *, where: str) -> None:
        """Raises: UserError for a value that matches nothing in `known`, with the nearest one."""
        facts = list(known)
        for term in self.terms:
            names = sorted({fact[term.key] for fact in facts})
            for value in term.values:
                if not any(fnmatchcase(name, value) for name in names):
                    raise UserError(
                        f"{where}: no {term.key} of this board matches {value!r}; "
                        f"{_hint(term.key, value, names)}there are: {', '.join(names) or 'none'}"
                    )


def listed(text: str, seeds: Iterable[int]) -> str | None:
    """`0,1,2`: those of the seeds that a range such as `0-2`, `0:2`, `0..2` or `0 2` may mean; None when it means none."""
    found = re.fullmatch(r"\s*(\d+)(?:\s*(?:-|:|\.\.)\s*|\s+)(\d+)\s*", text)
    meant = [seed for seed in seeds if found is not None and int(found[1]) <= seed <= int(found[2])]
    return ",".join(map(str, meant)) or None


def _hint(key: str, value: str, names: list[str]) -> str:
    meant = listed(value, sorted(map(int, names))) if key == "seed" else None
    return nearest(value, names) if meant is None else f"write {key}={meant}; "


def parse_filter(text: str | Sequence[str], *, where: str) -> Filter:
    """Parse one filter or several that must all hold. Raises: UserError that says what a filter looks like."""
    texts = [text] if isinstance(text, str) else list(text)
    return Filter(tuple(term for one in texts for term in _terms(one, where)))


def _terms(text: str, where: str) -> list[Term]:
    terms: list[Term] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([\w-]+)\s*(!?=)\s*(.*?)\s*", part)
        value = match[3] if match else part.strip()
        if not value or (match is None and not terms):
            raise UserError(f"{where}: {text!r} is not a filter; write key=value[,value…][,key!=value…], keys: {', '.join(KEYS)}")
        if match is None:
            last = terms.pop()
            terms.append(Term(last.key, (*last.values, value), last.is_negated))
            continue
        if match[1] not in KEYS:
            raise UserError(f"{where}: no filter key is called {match[1]!r}; {nearest(match[1], KEYS)}keys: {', '.join(KEYS)}")
        terms.append(Term(match[1], (value,), match[2] == "!="))
    return terms
