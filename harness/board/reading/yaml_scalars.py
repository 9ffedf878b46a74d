"""Single values of YAML: what a text means, and texts whose meaning in YAML 1.1 is not what people mean by them."""

from __future__ import annotations

import re

import yaml

_TAG = "tag:yaml.org,2002:"
_TEXTS = {f"{_TAG}{kind}" for kind in ("str", "timestamp", "value")}
"""Tags of values that are read as text: a board has no use for dates, and YAML's `=` means nothing here."""
_NUMBERS = {f"{_TAG}int", f"{_TAG}float"}
_BASE_8 = re.compile(r"[-+]?0[0-7_]+")
_LEAST_PRINTABLE = " "


class Misread(ValueError):
    """A text that YAML cannot read, or reads as something that nobody means by it. The message says what to write."""


def scalar_value(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    """Return the value of a single text: text, a number, a truth value or None.

    Raises: Misread; yaml.YAMLError for tags that YAML does not know.
    """
    check_characters(node.value)
    if node.tag in _TEXTS:
        return node.value
    try:
        value = loader.construct_object(node, deep=True)
    except yaml.YAMLError:
        raise
    except Exception:  # the library's converters raise whatever the text leads them to
        kind = node.tag.removeprefix(_TAG)
        raise Misread(f"{_short(node.value)} is no value of YAML's type {kind}") from None
    if isinstance(value, bytes):
        raise Misread(f"tags such as {node.tag!r} have no meaning here")
    if node.tag in _NUMBERS and node.style is None:
        _check_base(node.value, value)
    return value


def check_characters(text: str) -> None:
    """Raises: Misread for control characters, and for halves of characters, which only escapes in quotes can write."""
    for character in text:
        is_control = (character < _LEAST_PRINTABLE and character not in "\t\n\r") or "\x7f" <= character < "\x85"
        if is_control or "\ud800" <= character <= "\udfff":
            raise Misread(f"the character U+{ord(character):04X} has no place in a text of a board")


def _check_base(text: str, value: object) -> None:
    """Raises: Misread for a number that YAML reads in base 8 or 60 with another result than in base 10."""
    if ":" in text:
        raise Misread(
            f"YAML reads {_short(text)} in base 60, as {value}; write {value} for this number, or '{text[:40]}' for a text"
        )
    if _BASE_8.fullmatch(text) and (meant := int(text)) != value:
        raise Misread(f"YAML reads {_short(text)} in base 8, as {value}; write {meant}, or {value} if that is meant")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
