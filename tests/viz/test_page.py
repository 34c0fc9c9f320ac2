"""A report page is one file, readable by eye and by ear, on narrow screens and dark ones."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tinygrad_cv.viz.figure import figure, write
from tinygrad_cv.viz.page import STYLE, Page

VOID = {"meta", "img", "link", "br"}


class Elements(HTMLParser):
    """Every element as (tag, attributes, text inside); fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.found, self._open = [], []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        element = [tag, dict(attrs), ""]
        self.found.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def all(self, tag):
        return [(attributes, text) for name, attributes, text in self.found if name == tag]


def picture(width, height):
    return lambda path: write(figure(width, height), path)


@pytest.fixture(scope="module")
def page():
    page = Page("<lenet> & others")
    page.picture("Curves", picture(9, 3.6), "Loss over 10 epochs.")
    page.picture("A square", picture(2, 2), 'So-called "square".')
    page.table(
        "Classes",
        ("class", "unit", "images"),
        [("1", "a<b", "1,000"), ("2", "none", "nan")],
    )
    return Elements(page.text())


def test_nothing_comes_from_elsewhere(page):
    addresses = [
        value
        for _, attributes, _ in page.found
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "poster")
    ]
    assert len(addresses) == 2
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert not page.all("script")
    assert not page.all("link")
    assert "@import" not in STYLE
    assert "url(" not in STYLE
    policies = [a["content"] for a, _ in page.all("meta") if "http-equiv" in a]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_pictures_have_alternative_texts_and_sizes(page):
    (wide, _), (small, _) = page.all("img")
    assert (wide["alt"], small["alt"]) == ("Loss over 10 epochs.", 'So-called "square".')
    assert (wide["width"], wide["height"]) == ("1080", "432")
    assert (small["width"], small["height"]) == ("240", "240")
    assert wide["class"] == "wide"  # keeps its letters legible on a narrow screen, where it scrolls
    assert "class" not in small
    captions = [text for _, text in page.all("figcaption")]
    assert captions == [wide["alt"], small["alt"]]


def test_tables_have_headers_for_columns_and_rows(page):
    said = [(text, a["scope"], a.get("class")) for a, text in page.all("th")]
    assert said == [
        ("class", "col", None),
        ("unit", "col", None),
        ("images", "col", "number"),
        ("1", "row", None),
        ("2", "row", None),
    ]
    cells = [(text, a.get("class")) for a, text in page.all("td")]
    assert cells == [("a<b", None), ("1,000", "number"), ("none", None), ("nan", "number")]


def test_what_is_wider_than_the_screen_scrolls_by_itself(page):
    scrolled = [a for _, a, _ in page.found if a.get("class") == "scroll"]
    assert [a["aria-label"] for a in scrolled] == ["Curves", "A square", "Classes"]
    assert all(a["tabindex"] == "0" and a["role"] == "group" for a in scrolled)
    assert re.search(r"\.scroll \{[^}]*overflow-x: auto", STYLE)
    # `anywhere` would let a table shrink its first column to a letter's width.
    cells = re.search(r"^th, td \{([^}]*)\}", STYLE, re.M)[1]
    assert "anywhere" not in cells


def test_the_page_says_its_language_name_and_width(page):
    assert page.all("html")[0][0]["lang"] == "en"
    assert [text for _, text in page.all("title")] == ["<lenet> & others"]
    assert [text for _, text in page.all("h1")] == ["<lenet> & others"]
    assert [text for _, text in page.all("h2")] == ["Curves", "A square", "Classes"]
    viewports = [a["content"] for a, _ in page.all("meta") if a.get("name") == "viewport"]
    assert viewports == ["width=device-width, initial-scale=1"]


def luminance(colour):
    """Relative luminance of #rrggbb, as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_letters_stand_out_by_day_and_by_night():
    assert "color-scheme: light dark" in STYLE
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    for rules in (light, dark):
        ink, ground = (re.search(rf"--{name}: (#\w{{6}})", rules)[1] for name in ("ink", "ground"))
        high, low = sorted((luminance(ink), luminance(ground)), reverse=True)
        assert (high + 0.05) / (low + 0.05) > 7  # WCAG's AAA
    assert luminance(re.search(r"--ground: (#\w{6})", dark)[1]) < 0.05
