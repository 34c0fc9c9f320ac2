"""Every python block of the pages runs, and prints what its comments say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(<!-- skip[^>]*-->\s*)?^```python\n(.*?)^```", re.M | re.S)
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_page(page, capsys, tmp_path, monkeypatch):
    """Blocks of a page share one namespace; tracebacks point at the page's own line."""
    monkeypatch.chdir(tmp_path)
    text, names = page.read_text(encoding="utf-8"), {"__name__": "page"}
    for found in BLOCK.finditer(text):
        if not found[1]:
            line = text.count("\n", 0, found.start(2))
            exec(compile("\n" * line + found[2], str(page), "exec"), names)
            said = capsys.readouterr().out.splitlines()
            assert said == re.findall(r"# prints (.*)", found[2]), f"{page.name}:{line + 1}"
