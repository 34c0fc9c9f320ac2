"""Links between the pages lead somewhere: to a file that is there, to a heading that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
TUTORIAL = sorted((ROOT / "docs" / "tutorial").glob("[0-9]*.md"))
PICTURES = ROOT / "docs" / "img"
FENCED = re.compile(r"^```.*?^```", re.M | re.S)


def prose(page):
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def links(page):
    """(picture or not, text, target) of each Markdown link, and of pictures in HTML."""
    text = prose(page)
    yield from re.findall(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", text)
    for found in re.findall(r'(?:src|srcset)="([^"]+)"', text):
        yield "!", "html", found


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for picture, text, target in links(page):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if PICTURES not in there.parents or PICTURES.exists():  # a source archive has no pictures
            assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target
        if picture:
            assert text, f"{target} has no alternative text"


def test_every_page_is_in_the_index():
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target).resolve() for _, _, target in links(index)}
    missing = {p.name for p in ROOT.glob("docs/*.md")} - {p.name for p in listed} - {"README.md"}
    assert not missing
    assert (ROOT / "docs" / "tutorial" / "README.md") in listed


def test_the_tutorial_reads_as_one_book():
    assert len(TUTORIAL) == 6
    listed = [t for _, _, t in links(TUTORIAL[0].parent / "README.md") if t[0].isdigit()]
    assert listed == [*(page.name for page in TUTORIAL), TUTORIAL[0].name]
    for i, page in enumerate(TUTORIAL):
        beside = [TUTORIAL[j].name for j in (i - 1, i + 1) if 0 <= j < len(TUTORIAL)]
        for line in (prose(page).splitlines()[2], prose(page).splitlines()[-1]):
            assert {*beside, "README.md"} == set(re.findall(r"\(([^)]+\.md)\)", line))
        assert len(re.findall(r"^\d\. .*\*Hint: ", prose(page), re.M)) >= 4
