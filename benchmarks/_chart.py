"""A chart of horizontal bars as SVG: how many times faster than PyTorch, in its two layouts."""

from __future__ import annotations

from html import escape

THEMES = {
    "light": {"ink": "#1f2328", "quiet": "#656d76"},
    "dark": {"ink": "#e6edf3", "quiet": "#8d96a0"},
}
NCHW, CHANNELS_LAST = "#3b82f6", "#f59e0b"
TOP, STEP, WIDTH = 58, 24, 560


def bars(title: str, values: list[tuple[str, float, float]], footer: str, theme: str) -> str:
    """`values`: a label and PyTorch's time over ours, for NCHW and for channels_last."""
    colour = THEMES[theme]
    left = 30 + 7 * max(len(name) for name, _, _ in values)
    scale = (WIDTH - 60) / max(max(nchw, last) for _, nchw, last in values)
    bottom = TOP + STEP * len(values)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + WIDTH + 20}" '
        f'height="{bottom + 44}" font-family="system-ui, sans-serif" font-size="12" '
        f'fill="{colour["ink"]}" role="img">',
        f"<title>{escape(title)}: PyTorch's time divided by ours</title>",
        f'<text x="10" y="20" font-size="15" font-weight="600">{escape(title)}: times faster than '
        "PyTorch</text>",
        f'<rect x="10" y="32" width="10" height="10" fill="{NCHW}"/>'
        '<text x="25" y="41">its default layout (NCHW)</text>',
        f'<rect x="205" y="32" width="10" height="10" fill="{CHANNELS_LAST}"/>'
        '<text x="220" y="41">channels_last</text>',
    ]
    for i, (name, nchw, last) in enumerate(values):
        y = TOP + STEP * i
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        for value, dy, fill in ((nchw, 1, NCHW), (last, 10, CHANNELS_LAST)):
            parts.append(
                f'<rect x="{left}" y="{y + dy}" width="{value * scale:.1f}" height="8" '
                f'fill="{fill}"/><text x="{left + value * scale + 4:.1f}" y="{y + dy + 8}" '
                f'font-size="9" fill="{colour["quiet"]}">{value:.1f}</text>'
            )
    parts.append(
        f'<line x1="{left + scale:.1f}" y1="{TOP}" x2="{left + scale:.1f}" y2="{bottom}" '
        f'stroke="{colour["ink"]}" stroke-dasharray="3 3" stroke-opacity="0.6"/>'
        f'<text x="{left + scale:.1f}" y="{bottom + 13}" text-anchor="middle" '
        f'font-size="10" fill="{colour["quiet"]}">as fast as PyTorch</text>'
        f'<text x="10" y="{bottom + 34}" font-size="10" fill="{colour["quiet"]}">'
        f"{escape(footer)}</text></svg>"
    )
    return "\n".join(parts) + "\n"
