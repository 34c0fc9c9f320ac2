"""Tables and charts from benchmarks/results/*.json, so that no number in the README is typed by hand.

python benchmarks/report.py              print the tables
python benchmarks/report.py --readme     write them into README.md, and the charts to docs/img
python benchmarks/report.py --check      say whether README.md and the charts are up to date
"""

from __future__ import annotations

import argparse
import json
import sys
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
CHARTS = ROOT / "docs" / "img"
BEGIN, END = "<!-- {}: written by benchmarks/report.py -->", "<!-- end of {} -->"

Record = dict[str, Any]


def latest() -> dict[str, Record]:
    """The newest record of each family."""
    found: dict[str, Record] = {}
    for path in sorted(RESULTS.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        kept = found.get(record["family"])
        if kept is None or record["date"] >= kept["date"]:
            found[record["family"]] = record
    return found


def where(record: Record) -> str:
    """Machine, threads and date, as a caption says them."""
    cpu = record["machine"]
    return (
        f"{cpu['cpu']}, {record['threads']} threads, {cpu['isa']}, {record['date'][:10]}, "
        f"commit {record['commit']}"
    )


def accuracy_table(record: Record) -> list[str]:
    """Median and range over the seeds, a line for each command."""
    lines = [
        "| result | test accuracy, median (range) | training time | command | seeds |",
        "|---|---|---|---|---|",
    ]
    for command in dict.fromkeys(row["command"] for row in record["rows"]):
        rows = [row for row in record["rows"] if row["command"] == command]
        accuracy = [row["accuracy"] for row in rows]
        seconds = np.median([row["training_s"] for row in rows])
        seeds = ", ".join(str(row["seed"]) for row in rows)
        lines.append(
            f"| {rows[0]['name']}, {rows[0]['images']:,} test images | {np.median(accuracy):.2f} % "
            f"({min(accuracy):.2f} to {max(accuracy):.2f}) | {seconds:.1f} s | `{command}` "
            f"| {seeds} |"
        )
    versions = record["versions"]
    return [*lines, "", f"{where(record)}, NumPy {versions['numpy']}."]


def ratios(row: dict[str, Any]) -> tuple[float, float]:
    """PyTorch's median time over ours, for NCHW and for channels_last."""
    ours = np.median(row["ours_us"])
    return np.median(row["torch_us"]) / ours, np.median(row["channels_last_us"]) / ours


def conv_table(record: Record) -> list[str]:
    """PyTorch's time over ours, a line for each shape, a column for each pass."""
    passes = ["forward", "input grad", "weight grad", "both ways"]
    lines = [
        "| conv2d | " + " | ".join(passes) + " |",
        "|---|" + "---|" * len(passes),
    ]
    table: dict[str, dict[str, tuple[float, float]]] = {}
    for row in record["rows"]:
        if "torch_us" in row:
            table.setdefault(row["name"], {})[row["op"]] = ratios(row)
    for name, cells in table.items():
        shown = (f"{cells[p][0]:.1f} / {cells[p][1]:.1f}" if p in cells else "" for p in passes)
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    means = []
    for p in passes:
        values = [cells[p] for cells in table.values() if p in cells]
        nchw, last = np.exp(np.log(values).mean(axis=0)) if values else (0.0, 0.0)
        means.append(f"**{nchw:.1f} / {last:.1f}**" if values else "")
    lines.append("| **geometric mean** | " + " | ".join(means) + " |")
    caption = (
        "PyTorch's time divided by ours (above 1 we are faster), for its default layout / for "
        f"channels_last; medians of {record['rounds']} interleaved rounds, float32. "
        f"`{record['command']}`; {where(record)}, PyTorch {record['versions'].get('torch')}."
    )
    return [*lines, "", caption]


def lenet_table(record: Record) -> list[str]:
    """A training run of both sides, and how many times faster ours is."""
    lines = [
        "| LeNet on MNIST | test accuracy | training time | an epoch, median |",
        "|---|---|---|---|",
    ]
    for row in record["rows"]:
        epoch = np.median([measured[0] for measured in row["epochs"]])
        lines.append(
            f"| {row['name']} | {row['test_accuracy']:.2f} % | {row['training_s']:.0f} s "
            f"| {epoch:.2f} s |"
        )
    caption = f"`{record['command']}`; {where(record)}, PyTorch {record['versions'].get('torch')}."
    if len(record["rows"]) == 2:
        ours, theirs = (row["training_s"] for row in record["rows"])
        caption = f"Ours took 1/{theirs / ours:.2f} of PyTorch's time. {caption}"
    return [*lines, "", caption]


TABLES = {"accuracy": accuracy_table, "conv2d": conv_table, "lenet": lenet_table}

THEMES = {
    "light": {"ink": "#1f2328", "quiet": "#656d76", "line": "#d0d7de"},
    "dark": {"ink": "#e6edf3", "quiet": "#8d96a0", "line": "#3d444d"},
}
NCHW, CHANNELS_LAST = "#3b82f6", "#f59e0b"


def conv_chart(record: Record, theme: str) -> str:
    """Horizontal bars: how many times faster forward and backward together are, per shape."""
    colour = THEMES[theme]
    rows = [row for row in record["rows"] if row["op"] == "both ways" and "torch_us" in row]
    values = [(row["name"], *ratios(row)) for row in rows]
    left, top, step, width = 150, 58, 24, 560
    most = max(max(nchw, cl) for _, nchw, cl in values)
    scale = (width - 60) / most
    height = top + step * len(values) + 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{colour["ink"]}" role="img">',
        "<title>conv2d forward and backward: PyTorch's time divided by ours</title>",
        '<text x="10" y="20" font-size="15" font-weight="600">'
        "conv2d, forward + backward: times faster than PyTorch</text>",
        f'<rect x="10" y="32" width="10" height="10" fill="{NCHW}"/>'
        '<text x="25" y="41">its default layout (NCHW)</text>',
        f'<rect x="205" y="32" width="10" height="10" fill="{CHANNELS_LAST}"/>'
        '<text x="220" y="41">channels_last</text>',
    ]
    for i, (name, nchw, cl) in enumerate(values):
        y = top + step * i
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        for ratio, dy, fill in ((nchw, 1, NCHW), (cl, 10, CHANNELS_LAST)):
            parts.append(
                f'<rect x="{left}" y="{y + dy}" width="{ratio * scale:.1f}" height="8" '
                f'fill="{fill}"/><text x="{left + ratio * scale + 4:.1f}" y="{y + dy + 8}" '
                f'font-size="9" fill="{colour["quiet"]}">{ratio:.1f}</text>'
            )
    bottom = top + step * len(values)
    parts.append(
        f'<line x1="{left + scale:.1f}" y1="{top}" x2="{left + scale:.1f}" y2="{bottom}" '
        f'stroke="{colour["ink"]}" stroke-dasharray="3 3" stroke-opacity="0.6"/>'
        f'<text x="{left + scale:.1f}" y="{bottom + 13}" text-anchor="middle" '
        f'font-size="10" fill="{colour["quiet"]}">as fast as PyTorch</text>'
        f'<text x="10" y="{bottom + 34}" font-size="10" fill="{colour["quiet"]}">'
        f"{escape(where(record))}, PyTorch {record['versions'].get('torch')}</text></svg>"
    )
    return "\n".join(parts) + "\n"


def outputs(records: dict[str, Record]) -> dict[Path, str]:
    """What each written file should hold."""
    text = README.read_text(encoding="utf-8")
    for family, table in TABLES.items():
        begin, end = BEGIN.format(family), END.format(family)
        if family in records and begin in text:
            head, rest = text.split(begin, 1)
            tail = rest.split(end, 1)[1]
            text = head + "\n".join([begin, *table(records[family]), end]) + tail
    files = {README: text}
    if "conv2d" in records:
        for theme in THEMES:
            files[CHARTS / f"conv-{theme}.svg"] = conv_chart(records["conv2d"], theme)
    return files


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--readme", action="store_true", help="write README.md and the charts")
    arguments.add_argument("--check", action="store_true", help="exit with 1 if they are stale")
    options = arguments.parse_args()
    records = latest()
    if not (options.readme or options.check):
        for family, record in records.items():
            if family in TABLES:
                print("\n".join(TABLES[family](record)), end="\n\n")
        return
    stale = []
    for path, text in outputs(records).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT).as_posix())
            if options.readme:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if options.check and stale:
        sys.exit(f"stale: {', '.join(stale)}; run python benchmarks/report.py --readme")
    print("\n".join(f"wrote {name}" for name in stale) or "up to date")


if __name__ == "__main__":
    main()
