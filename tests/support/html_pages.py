"""Reads a page of HTML: what it refers to, how it is built, whether its colours can be told apart."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input", "col", "base", "source"}
REFERENCES = {"href", "src", "srcset", "action", "data", "poster", "background", "cite", "formaction", "xlink:href"}
LOADERS = {"script", "link", "iframe", "object", "embed", "img", "image", "use", "base", "form", "audio", "video"}


@dataclass
class Element:
    """An element, with what stands in it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list["Element"])
    text: str = ""

    def all(self, tag: str) -> list[Element]:
        """The elements of a kind in it, at any depth."""
        return [found for child in self.children for found in ([child] * (child.tag == tag) + child.all(tag))]

    def whole_text(self) -> str:
        """The text in it and in what it holds."""
        return self.text + "".join(child.whole_text() for child in self.children)


class Page(HTMLParser):
    """A page, parsed strictly: an element that is not closed in order is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]
        self.declaration = ""
        self.feed(text)
        self.close()
        assert self._open == [self.root], [element.tag for element in self._open]

    def handle_decl(self, decl: str) -> None:
        """Called by the parser."""
        self.declaration = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is there twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        """Called by the parser."""
        assert self._open.pop().tag == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        """Called by the parser."""
        self._open[-1].text += data

    @property
    def elements(self) -> list[Element]:
        """All elements, in the order of the page."""

        def below(element: Element) -> list[Element]:
            return [found for child in element.children for found in (child, *below(child))]

        return below(self.root)


def check_self_contained(text: str) -> set[str]:
    """Assert that a page loads nothing and runs nothing; the files beside it that it links to."""
    page = Page(text)
    assert page.declaration == "doctype html"
    assert {element.tag for element in page.elements} & LOADERS == set()
    names = {name for element in page.elements for name in element.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert "style" not in names
    [style] = page.root.all("style")
    assert not re.search(r"url\(|@import|expression|</", style.text)
    [policy] = [each.attributes["content"] for each in page.root.all("meta") if "http-equiv" in each.attributes]
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    references = {
        element.attributes[name] for element in page.elements for name in REFERENCES & element.attributes.keys()
    }
    beside = {reference for reference in references if not reference.startswith("#")}
    assert all(re.fullmatch(r"(?!\.+$)[\w.~%-]+", reference) for reference in beside), beside
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    assert {reference[1:] for reference in references - beside} <= set(ids)
    return beside


def check_accessible(text: str) -> None:
    """Assert what a parser can tell: language, one h1, landmarks, skip link, captions and scopes."""
    page = Page(text)
    [html] = page.root.all("html")
    assert html.attributes["lang"] == "en"
    for tag in ("h1", "main", "header", "footer", "title"):
        assert len(page.root.all(tag)) == 1, tag
    assert len(page.root.all("nav")) <= 1
    [body] = page.root.all("body")
    skip, [main] = body.children[0], page.root.all("main")
    assert (skip.tag, skip.attributes["href"]) == ("a", f"#{main.attributes['id']}")
    ids = {element.attributes["id"] for element in page.elements if "id" in element.attributes}
    for element in page.elements:
        assert element.attributes.get("aria-labelledby", next(iter(ids))) in ids
    for table in page.root.all("table"):
        assert table.children[0].tag == "caption"
        assert table.children[0].whole_text()
        assert all(head.attributes["scope"] in {"col", "row"} for head in table.all("th"))
        for row in table.all("tbody")[0].all("tr"):
            assert row.children[0].tag == "th"
    for chart in page.root.all("svg"):
        assert chart.attributes["role"] == "img"
        assert chart.attributes["aria-label"]
    for region in page.elements:
        if region.attributes.get("class") == "scroll":
            assert region.attributes["tabindex"] == "0"
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, such as `#1b1f24`, as WCAG counts it: from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
