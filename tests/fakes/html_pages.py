"""Read pages of HTML in tests: elements with attributes, text and children, where every tag is closed in its place."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "img", "br", "hr", "col"}


class Element:
    """An element of a page, with its attributes, its text, and the elements inside."""

    def __init__(self, tag, attributes, parent=None):
        self.tag, self.attributes, self.parent = tag, dict(attributes), parent
        self.children, self.parts = [], []

    @property
    def text(self):
        """All text inside, with single spaces."""
        return " ".join("".join(part if isinstance(part, str) else part.raw for part in self.parts).split())

    @property
    def raw(self):
        return "".join(part if isinstance(part, str) else part.raw for part in self.parts)

    def all(self, tag=None, **attributes):
        """Every element inside with this tag and these attributes; `cls` asks for one of its classes."""
        wanted = attributes.pop("cls", None)
        for child in self.children:
            classes = (child.attributes.get("class") or "").split()
            fits = tag in (None, child.tag) and (wanted is None or wanted in classes)
            if fits and all(child.attributes.get(name) == value for name, value in attributes.items()):
                yield child
            yield from child.all(tag, **attributes, **({} if wanted is None else {"cls": wanted}))

    def one(self, tag=None, **attributes):
        (found,) = self.all(tag, **attributes)
        return found


class Reader(HTMLParser):
    """Reads a page into elements; every tag must be closed in its place."""

    def __init__(self, text):
        super().__init__()
        self.root = self.open = Element("", {})
        self.faults = []
        self.feed(text)
        self.close()
        if self.open is not self.root:
            self.faults.append(f"<{self.open.tag}> is not closed")

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.faults.append(f"<{tag}> has an attribute twice: {attrs}")
        element = Element(tag, attrs, self.open)
        self.open.children.append(element)
        self.open.parts.append(element)
        if tag not in VOID:
            self.open = element

    def handle_endtag(self, tag):
        if self.open.tag != tag:
            self.faults.append(f"</{tag}> closes <{self.open.tag}>")
            return
        self.open = self.open.parent

    def handle_data(self, data):
        self.open.parts.append(data)


def read_page(content):
    """Return the root of a page, whose tags are all closed."""
    reader = Reader(content.decode() if isinstance(content, bytes) else content)
    assert reader.faults == []
    return reader.root
