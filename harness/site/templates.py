"""The templates of pages. Everything that goes into them is escaped, unless `harness.site.markdown` made it."""

from __future__ import annotations

import json
from functools import cache

import jinja2
from markupsafe import Markup

_IN_SCRIPTS = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""What would end a script tag, or a line of JavaScript, inside of JSON."""


def page(template: str, **content: object) -> bytes:
    """Return a page. Raises: jinja2.UndefinedError for a name that the content lacks."""
    return _environment().get_template(template).render(content).encode()


def json_data(value: object) -> Markup:
    """Return JSON as the content of a script tag of type application/json; no text in it can end the tag."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_IN_SCRIPTS))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.site", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json_data"] = json_data
    return environment
