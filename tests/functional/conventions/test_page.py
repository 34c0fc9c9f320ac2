"""docs/conventions.md and the tests in this folder are one list."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_row_of_the_page_has_its_test(page):
    files = [f for f in Path(__file__).parent.glob("test_*.py") if f != Path(__file__)]
    text = "\n".join(f.read_text(encoding="utf-8") for f in files)
    assert sorted(re.findall(r"^def (test_\w+)\(", text, re.M)) == page
