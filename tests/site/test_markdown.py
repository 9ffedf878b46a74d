from pathlib import Path

import pytest
from html_pages import read_page

from harness.site.markdown import html_of, inline_html_of, targets_from

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[here](javascript:alert(1))",
    "[here](JaVaScRiPt:alert(1))",
    "[here](data:text/html;base64,PHNjcmlwdD4=)",
    "[here](vbscript:x)",
    "[here](file:///etc/passwd)",
    "[here](//example.org/x)",
    "<javascript:alert(1)>",
    "![picture](https://example.org/pixel.png)",
    "![*picture*](javascript:alert(1))",
    "[![picture](https://example.org/p.png)](javascript:alert(1))",
    "[here]: javascript:alert(1)\n\n[here]",
    '<details markdown="1" ontoggle=alert(1) open>\n\ntext\n\n</details>',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "| a |\n|---|\n| <svg onload=alert(1)> |",
    '```html"><script>alert(1)</script>\ncode\n```',
    "<style>@import 'https://example.org'</style>",
]
FOLDER = Path("boards/one")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_script_no_picture_and_no_request_comes_of_markdown(text):
    elements = list(read_page(str(html_of(text, targets_from(FOLDER, {})))).all())
    assert not {each.tag for each in elements} & {"a", "script", "img", "svg", "style", "iframe", "details", "object", "form"}
    assert {name for each in elements for name in each.attributes} <= {"class"}


def test_a_quote_in_an_address_ends_no_attribute():
    text = '[here](https://example.org/"onmouseover="alert(1))'
    link = read_page(str(html_of(text, targets_from(FOLDER, {})))).one("a")
    assert set(link.attributes) == {"href", "rel"}


def test_links_to_papers_stay_and_give_no_referrer():
    link = read_page(str(html_of("[paper](https://arxiv.org/abs/2301.13362)", targets_from(FOLDER, {})))).one("a")
    assert link.attributes == {"href": "https://arxiv.org/abs/2301.13362", "rel": "noreferrer"}


@pytest.mark.parametrize("written", ["../two/README.md", "../two/board.yaml", "../two/", "../two/README.md#results"])
def test_a_link_to_another_board_leads_to_its_page(written, tmp_path):
    target = targets_from(tmp_path / "one", {(tmp_path / "two").resolve(): "../two/index.html"})
    assert target(written) == "../two/index.html"


@pytest.mark.parametrize("written", ["../three/README.md", "../../docs/metrics.md", "/etc/passwd", "#results", "", "\\\\host\\x"])
def test_a_link_to_what_the_site_has_not_becomes_its_text(written, tmp_path):
    target = targets_from(tmp_path / "one", {(tmp_path / "two").resolve(): "../two/index.html"})
    assert target(written) is None


def test_hidden_links_keep_their_text_and_other_links_beside_them():
    text = "see [one](nowhere.md) and [*two*](https://example.org) and ![three](x.png)"
    page = read_page(str(inline_html_of(text, targets_from(FOLDER, {}))))
    assert page.text == "see one and two and three"
    assert [each.text for each in page.all("a")] == ["two"]


def test_headings_stand_below_those_of_the_page_and_columns_are_aligned_by_a_class():
    page = read_page(str(html_of("# a\n\n##### b\n\n| x | y |\n|:--|--:|\n| 1 | 2 |", targets_from(FOLDER, {}))))
    assert [each.tag for each in page.children[:2]] == ["h3", "h6"]
    assert [each.attributes.get("class") for each in page.all("td")] == ["", "right"]
