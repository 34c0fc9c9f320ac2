"""A page of pictures and tables in one HTML file: nothing is loaded from elsewhere, no scripts."""

from __future__ import annotations

import base64
import html
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_cv.files import atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

READABLE = 700  # pixels of a picture that a narrow screen may shrink
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --ground: #ffffff; --line: #cccccc; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --ground: #16181b; --line: #44484d; }
}
body { margin: 0 auto; padding: 1rem; max-width: 60rem; color: var(--ink);
  background: var(--ground); font: 1rem/1.5 system-ui, sans-serif; }
h1, h2 { line-height: 1.2; overflow-wrap: anywhere; }
figure { margin: 0; }
img { max-width: 100%; height: auto; padding: 0.5rem; background: #ffffff; border-radius: 0.3rem;
  box-sizing: border-box; }
img.wide { min-width: 38rem; }
figcaption { margin-top: 0.3rem; font-size: 0.9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: 0.2rem 0.8rem; border-bottom: 1px solid var(--line); text-align: left;
  overflow-wrap: break-word; max-width: 30rem; }
th[scope="row"] { font-weight: normal; }
td:not(.number) { min-width: 7rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
"""


class Page:
    """Sections in the order in which they are added; `write` makes the file.

    Parameters
    ----------
    title : str

    Examples
    --------
    >>> page = Page("A run")
    >>> page.table("Classes", ("class", "images"), [("cat", "3")])
    >>> '<th scope="row">cat</th><td class="number">3</td>' in page.text()
    True
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []

    def picture(self, heading: str, draw: Callable[[Path], Any], caption: str) -> None:
        """A picture that ``draw(path)`` writes; the caption is also its alternative text."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            draw(path)
            png = path.read_bytes()
        content = base64.b64encode(png).decode()
        width, height = struct.unpack(">II", png[16:24])  # the first words of its header
        # Letters of a wide picture would be too small on a telephone: there it scrolls.
        wide = ' class="wide"' if width > READABLE and width > 1.3 * height else ""
        said, name = html.escape(caption), html.escape(heading)
        self._parts.append(
            f"<section><h2>{name}</h2>\n"
            f'<figure><div class="scroll" tabindex="0" role="group" aria-label="{name}">\n'
            f'<img{wide} width="{width}" height="{height}" alt="{said}" '
            f'src="data:image/png;base64,{content}"></div>\n'
            f"<figcaption>{said}</figcaption></figure></section>"
        )

    def table(self, heading: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table with a row of headers and a header for each row; numbers stand on the right."""
        kinds = [""] + [
            ' class="number"' if all(_is_number(row[i]) for row in rows) else ""
            for i in range(1, len(columns))
        ]
        head = "".join(
            f'<th scope="col"{kind}>{html.escape(name)}</th>'
            for name, kind in zip(columns, kinds, strict=True)
        )
        body = "\n".join(f"<tr>{_cells(row, kinds)}</tr>" for row in rows)
        name = html.escape(heading)
        self._parts.append(
            f"<section><h2>{name}</h2>\n"
            f'<div class="scroll" tabindex="0" role="group" aria-label="{name}"><table>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div></section>"
        )

    def text(self) -> str:
        """The page; its policy forbids whatever is not inside."""
        title = html.escape(self.title)
        policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        parts = "\n".join(self._parts)
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>{STYLE}</style></head>\n"
            f"<body><main>\n<h1>{title}</h1>\n{parts}\n</main></body></html>\n"
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the page; the file is whole or absent."""
        with atomic_write(path) as temporary:
            temporary.write_text(self.text(), encoding="utf-8")


def _is_number(cell: Any) -> bool:
    try:
        float(str(cell).replace(",", ""))
    except ValueError:
        return False
    return True


def _cells(row: Sequence[Any], kinds: Sequence[str]) -> str:
    """A row: its first cell names it."""
    first, *rest = (html.escape(str(cell)) for cell in row)
    said = f'<th scope="row">{first}</th>'
    return said + "".join(
        f"<td{kind}>{cell}</td>" for cell, kind in zip(rest, kinds[1:], strict=True)
    )
