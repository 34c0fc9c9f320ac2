"""Tables and charts from benchmarks/results/*.json, so that no number in a page is typed by hand.

python benchmarks/report.py              print the tables
python benchmarks/report.py --write      write them into the pages, and the charts
python benchmarks/report.py --check      say whether pages and charts are up to date
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import _chart
from _tables import TABLES, Record, both_layouts, where

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = [ROOT / "README.md", ROOT / "docs" / "craft.md"]
ALL = ROOT / "benchmarks" / "RESULTS.md"
CHARTS = ROOT / "docs" / "img"
BEGIN, END = "<!-- {}: written by benchmarks/report.py -->", "<!-- end of {} -->"


def newest() -> dict[str, list[Record]]:
    """Of each family the newest record of every machine and instruction set, newest first."""
    found: dict[str, dict[tuple[str, str], Record]] = {}
    records = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")]
    for record in sorted(records, key=lambda record: record["date"], reverse=True):
        machine = record["machine"]["cpu"], record["machine"]["isa"]
        found.setdefault(record["family"], {}).setdefault(machine, record)
    return {family: list(machines.values()) for family, machines in found.items()}


def conv_chart(record: Record, theme: str) -> str:
    """Forward and backward together, per shape."""
    values = [
        (row["name"], *both_layouts(row))
        for row in record["rows"]
        if row["op"] == "both ways" and "torch_us" in row
    ]
    return _chart.bars("conv2d, forward + backward", values, _footer(record), theme)


def train_chart(record: Record, theme: str) -> str:
    """Whole training steps."""
    values = [
        (f"{row['name']}, batch {row['batch']}, {row['optimizer']}", *both_layouts(row))
        for row in record["rows"]
        if "torch_us" in row
    ]
    return _chart.bars("a training step", values, _footer(record), theme)


def _footer(record: Record) -> str:
    return f"{where(record)}, PyTorch {record['versions'].get('torch')}"


DRAWN = {"conv2d": ("conv", conv_chart), "train": ("train", train_chart)}


def filled(text: str, records: dict[str, list[Record]]) -> str:
    """A page with the tables between its markers written anew."""
    for family, table in TABLES.items():
        begin, end = BEGIN.format(family), END.format(family)
        if family in records and begin in text:
            head, rest = text.split(begin, 1)
            tail = rest.split(end, 1)[1]
            lines = [line for record in records[family] for line in ("", *table(record))]
            text = head + "\n".join([begin, *lines[1:], end]) + tail
    return text


def outputs(records: dict[str, list[Record]]) -> dict[Path, str]:
    """What each written file should hold: RESULTS.md all, other pages speeds of one machine."""
    first = {
        family: machines if family == "accuracy" else machines[:1]
        for family, machines in records.items()
    }
    files = {
        page: filled(page.read_text(encoding="utf-8"), shown)
        for page, shown in (*((page, first) for page in PAGES), (ALL, records))
    }
    for family, (name, chart) in DRAWN.items():
        if family in records:
            for theme in _chart.THEMES:
                files[CHARTS / f"{name}-{theme}.svg"] = chart(records[family][0], theme)
    return files


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--write", action="store_true", help="write the pages and the charts")
    arguments.add_argument("--check", action="store_true", help="exit with 1 if they are stale")
    options = arguments.parse_args()
    records = newest()
    if not (options.write or options.check):
        for family in TABLES:
            for record in records.get(family, []):
                print("\n".join(TABLES[family](record)), end="\n\n")
        return
    stale = []
    for path, text in outputs(records).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT).as_posix())
            if options.write:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if options.check and stale:
        sys.exit(f"stale: {', '.join(stale)}; run python benchmarks/report.py --write")
    print("\n".join(f"wrote {name}" for name in stale) or "up to date")


if __name__ == "__main__":
    main()
