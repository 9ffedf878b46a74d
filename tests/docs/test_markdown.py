"""Every committed Markdown file: lines that fit a screen, and links that lead to a file."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 120
INDENT = 2
"""Characters that `towncrier build` puts before each line of a fragment when the line moves into CHANGELOG.md."""
LINK = re.compile(r"\]\((?P<target>[^)\s#]*)(?:#(?P<anchor>[^)\s]+))?\)|src=\"(?P<picture>[^\"]+)\"")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")


def committed_pages():
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "*.md"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout", allow_module_level=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


PAGES = committed_pages()
WRITTEN_BY_HAND = [page for page in PAGES if not page.match("leaderboards/*/README.md")]


def name_of(page):
    return str(page.relative_to(ROOT))


def is_fragment(page):
    """Whether a page is a fragment of CHANGELOG.md, where its text will stand."""
    return page.parent.name == "changelog.d" and page.name != "README.md"


def links(page):
    """The relative links of a page: (file or folder, anchor or None). Links to pages that the site's build makes are left out."""
    text = INLINE_CODE.sub("", FENCED.sub("", page.read_text(encoding="utf-8")))
    for match in LINK.finditer(text):
        target = match["target"] or match["picture"] or ""
        if "://" not in target and not target.startswith(("mailto:", "generated/")):
            yield target, match["anchor"]


def linked(page, target):
    """The file or folder that a link of a page leads to; the page itself where only an anchor is named."""
    folder = ROOT if is_fragment(page) else page.parent
    return folder / target if target else page


def anchors(page):
    """The anchors of a page's headings, as GitHub names them: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ +(.*?) *$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", WRITTEN_BY_HAND, ids=name_of)
def test_no_line_is_longer_than_120_characters_unless_it_is_a_row_of_a_table(page):
    longest = LONGEST - INDENT if is_fragment(page) else LONGEST
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    assert [f"line {number}: {len(line)}" for number, line in lines if len(line) > longest and not line.startswith("|")] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_to_a_file(page):
    missing = [target for target, _ in links(page) if not linked(page, target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_into_a_page_leads_to_one_of_its_headings(page):
    for target, anchor in links(page):
        if anchor and linked(page, target).suffix == ".md":
            assert anchor in anchors(linked(page, target)), f"{target}#{anchor}"


def test_the_checks_see_links_and_headings(tmp_path):
    page = tmp_path / "page.md"
    page.write_text('# A *first* title: yes\n[a](b.md#c) `[no](code.md)` ![p](q.png) <img src="r.png">\n```\n[no](d.md)\n```\n')
    assert list(links(page)) == [("b.md", "c"), ("q.png", None), ("r.png", None)]
    assert anchors(page) == {"a-first-title-yes"}
