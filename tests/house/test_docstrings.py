"""Docstrings begin with their subject: a reader who opens a file in the middle knows what the sentence is about."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WITHOUT_A_SUBJECT = ("Of ", "What ", "That of", "Those of", "As `", "As ", "The same", "It ", "Its ", "They ", "One that")
FILES = sorted(file for base in ("harness", "plugins") for file in (ROOT / base).rglob("*.py"))


def docstrings(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and (
            text := ast.get_docstring(node)
        ):
            yield getattr(node, "name", "the module"), text


@pytest.mark.parametrize("base", ["harness", "plugins"])
def test_docstrings_begin_with_their_subject_or_a_verb(base):
    found = [
        f"{file.relative_to(ROOT)}: {name}: {text.splitlines()[0]}"
        for file in FILES
        if file.is_relative_to(ROOT / base)
        for name, text in docstrings(file)
        if text.startswith(WITHOUT_A_SUBJECT)
    ]
    assert found == []
