import re
from html import unescape

import pytest

from harness.report.markup import latex_text, markdown_text

HARD = "a_b *c* | d \\ e & 50% $x$ #1 {y} ~ ^ <i> &gt; `z` [a](b)"


def test_markdown_keeps_what_would_be_markup():
    assert markdown_text("snow_ball *x* | y") == r"snow\_ball \*x\* \| y"


def test_a_line_end_does_not_end_a_row_of_a_markdown_table():
    assert markdown_text("two\nlines") == "two lines"


def test_markdown_without_its_backslashes_is_the_text():
    assert unescape(re.sub(r"\\(.)", r"\1", markdown_text(HARD))) == HARD


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("<b>bold</b>", "&lt;b>bold&lt;/b>"),
        ("from $x$ to $y$", r"from \$x\$ to \$y\$"),
        ("`code`", r"\`code\`"),
        ("~~gone~~", r"\~\~gone\~\~"),
        ("[link](http://a)", r"[link\](http://a)"),
        ("fid[digits-cnn] ↓", "fid[digits-cnn] ↓"),
        ("&lt; stays & so", "&amp;lt; stays & so"),
    ],
)
def test_no_tag_formula_link_or_entity_comes_of_a_text(text, markdown):
    assert markdown_text(text) == markdown


def test_latex_keeps_what_would_be_markup():
    assert latex_text("a_b & 50%") == r"a\_b \& 50\%"
    assert latex_text("\\") == r"\textbackslash{}"


@pytest.mark.parametrize("letter", "&%$#_{}~^\\<>|")
def test_no_letter_of_the_text_is_a_command_of_latex(letter):
    # What remains without commands and without escaped letters has none that LaTeX would take for its own.
    rest = re.sub(r"\\[a-z]+\{\}|\\[&%$#_{}]", "", latex_text(f"a{letter}b"))
    assert rest == "ab"


@pytest.mark.parametrize(("letter", "formula"), [("×", r"$\times$"), ("±", r"$\pm$"), ("β", r"$\beta$")])
def test_letters_that_latex_lacks_are_formulas(letter, formula):
    assert latex_text(f"net {letter} fit") == f"net {formula} fit"


@pytest.mark.parametrize("escape", [markdown_text, latex_text])
def test_plain_words_stay_as_they_are(escape):
    assert escape("DDPM, 35 steps (guided)") == "DDPM, 35 steps (guided)"
