"""Settings that a search chose: `settings_from` of an entry of `methods` joins them to what the entry says itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from harness.board.chosen_file import Chosen, ChosenFile, StudyFacts
from harness.board.points import given, with_point, without_point
from harness.board.reading.reader import BoardReader
from harness.board.reading.yaml_file import read_yaml
from harness.board.schema import BoardConfig, MethodConfig
from harness.errors import UserError
from harness.validation import first_fault


def with_chosen(reader: BoardReader, board: BoardConfig) -> tuple[BoardConfig, tuple[Chosen, ...]]:
    """Return the board with the chosen settings in their entries, as if they were written by hand; and where they come from.

    Raises: Faults for a file that is absent, damaged or edited by hand, and for a setting that stands in both places.
    """
    methods, found = dict(board.methods), []
    for name, entry in board.methods.items():
        if entry.settings_from is None:
            continue
        with reader.faults.catching(("methods", name, "settings_from")):
            methods[name], chosen = _joined(reader, board, name, entry)
            found.append(chosen)
    reader.faults.raise_any()
    return (board.model_copy(update={"methods": methods}) if found else board), tuple(found)


def _joined(reader: BoardReader, board: BoardConfig, name: str, entry: MethodConfig) -> tuple[MethodConfig, Chosen]:
    """Return an entry with its chosen settings. Raises: UserError, which says where."""
    assert entry.settings_from is not None  # the caller sees to it
    source, where = entry.settings_from, reader.source.where(("methods", name, "settings_from"))
    content = read_chosen(
        reader.source.path.parent / source.file, where=f"{where}: {source.file}", board=reader.source.path.parent
    )
    component = entry.method.name if entry.method else name
    if content.method != component:
        raise UserError(f"{where}: {source.file} has settings of {content.method}, and this entry is {component}")
    base = source.base or (next(iter(content.studies)) if len(content.studies) == 1 else None)
    if base not in content.studies:
        bases = ", ".join(content.studies)
        text = f"has no study of {base!r}" if base else "has several studies: write settings_from: {file: …, base: …}"
        raise UserError(f"{where}: {source.file} {text}; there are: {bases}")
    study = content.studies[base]
    for dotted in study.settings:
        if given(entry, dotted):
            raise UserError(f"{where}: {dotted} stands in this entry and in {source.file}: keep one of the two")
    remarks = tuple(_remarks(board, source.file, study))
    return with_point(name, entry, study.settings), Chosen(name, entry.label or name, source.file, base, study, remarks)


def read_chosen(path: Path, *, where: str, board: Path) -> ChosenFile:
    """Read a file of chosen settings.

    Args:
        where: how messages begin.
        board: the folder of the board, for messages.
    Raises: UserError for a file that is absent, that no search wrote, or that was edited since.
    """
    again = f"run: harness search {board}"
    if not path.exists():
        raise UserError(f"{where} is not there yet; {again}")
    value = read_yaml(path).value
    try:
        content = ChosenFile.model_validate(value)
    except ValidationError as error:
        raise UserError(f"{where} is not as a search wrote it: {first_fault(error, value)}; {again}") from None
    for base, study in content.studies.items():
        if study.study != study.digest:
            by_hand = "write settings of your own into board.yaml, in the place of settings_from"
            raise UserError(f"{where} was edited by hand: the hash of the study of {base} does not match; {again}, or {by_hand}")
    return content


def _remarks(board: BoardConfig, file: str, study: StudyFacts) -> Iterator[str]:
    """Yield how the board's search differs now from the one that wrote the file, where the board has that search."""
    for name, search in board.search.items():
        if search.chosen != file or search.method not in board.methods:
            continue
        again = f"the settings are those of before; run: harness search BOARD --only {name}"
        if search.asked != study.asked:
            changed = sorted(key for key in {*search.asked, *study.asked} if search.asked.get(key) != study.asked.get(key))
            yield f"{file}: {', '.join(changed)} of the search {name!r} changed since the file was written; {again}"
        elif fixed_settings(board, name) != study.fixed:
            yield f"{file}: settings of {search.method!r} that the search holds fixed changed since; {again}"


def fixed_settings(board: BoardConfig, search: str) -> dict[str, object]:
    """Return what a search holds fixed: the settings of the method's entry, and the board's budget, but for the searched ones."""
    config = board.search[search]
    entry = board.methods[config.method]
    training = {} if board.training is None else board.training.identity
    whole = entry.model_copy(update={"training": {**training, **entry.training}})
    fixed = without_point(config.method, whole, dict.fromkeys(config.space, ""))
    if config.budget is not None and isinstance(inner := fixed["training"], dict):
        inner.pop("images", None)
    return fixed
