import json

import jinja2
import pytest
from html_pages import read_page

from harness.site.templates import json_data, page

HOSTILE = '</script><script>alert(1)</script><!-- & \u2028 "'


def test_no_text_in_json_ends_its_script():
    text = str(json_data({"label": HOSTILE}))
    assert "<" not in text
    assert ">" not in text
    assert json.loads(text) == {"label": HOSTILE}


def test_json_has_no_numbers_that_javascript_cannot_read():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_data([float("nan")])


def test_texts_are_escaped():
    root = read_page(page("index.html.j2", root="", live=False, entries=[], version=HOSTILE))
    assert HOSTILE in root.one("main").raw
    assert len(list(root.all("script"))) == 2


def test_a_forgotten_part_of_a_page_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        page("index.html.j2", root="", live=False, entries=[])
