"""Markdown tables of the records in benchmarks/results, a function for each family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Record = dict[str, Any]


def where(record: Record) -> str:
    """Machine, threads and date, as a caption says them."""
    cpu = record["machine"]
    return (
        f"{cpu['cpu']}, {record['threads']} threads, {cpu['isa']}, {record['date'][:10]}, "
        f"commit {record['commit']}"
    )


def ratio(row: dict[str, Any], side: str) -> float:
    """An opponent's median time over ours."""
    return float(np.median(row[f"{side}_us"]) / np.median(row["ours_us"]))


# Opponents beside PyTorch's two layouts, by their names in a row.
OTHERS = {"torch.compile": "torch.compile", "jax": "JAX", "onnxruntime": "onnxruntime"}


def others(rows: list[dict[str, Any]]) -> list[str]:
    """Those of `OTHERS` that ran in any of the rows."""
    return [side for side in OTHERS if any(f"{side}_us" in row for row in rows)]


def both_layouts(row: dict[str, Any]) -> tuple[float, float]:
    """PyTorch's median time over ours, for NCHW and for channels_last."""
    return ratio(row, "torch"), ratio(row, "channels_last")


def accuracy(record: Record) -> list[str]:
    """Median and range over the seeds, a line for each command."""
    lines = [
        "| result | test accuracy, median (range) | training time | command | seeds |",
        "|---|---|---|---|---|",
    ]
    for command in dict.fromkeys(row["command"] for row in record["rows"]):
        rows = [row for row in record["rows"] if row["command"] == command]
        found = [row["accuracy"] for row in rows]
        seconds = np.median([row["training_s"] for row in rows])
        seeds = ", ".join(str(row["seed"]) for row in rows)
        lines.append(
            f"| {rows[0]['name']}, {rows[0]['images']:,} test images | {np.median(found):.2f} % "
            f"({min(found):.2f} to {max(found):.2f}) | {seconds:.1f} s | `{command}` "
            f"| {seeds} |"
        )
    versions = record["versions"]
    return [*lines, "", f"{where(record)}, NumPy {versions['numpy']}."]


def conv2d(record: Record) -> list[str]:
    """PyTorch's time over ours, a line for each shape, a column for each pass and other opponent."""
    passes = ["forward", "input grad", "weight grad", "both ways"]
    table: dict[str, dict[str, tuple[float, ...]]] = {}
    beside = []
    for row in record["rows"]:
        if "torch_us" in row:
            cells = table.setdefault(row["name"], {})
            cells[row["op"]] = both_layouts(row)
            for side in others([row]):
                column = f"{row['op']}, {OTHERS[side]}"
                cells[column] = (ratio(row, side),)
                beside.append(column)
    columns = [*passes, *dict.fromkeys(beside)]
    lines = ["| conv2d | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for name, cells in table.items():
        shown = (" / ".join(f"{value:.1f}" for value in cells.get(c, ())) for c in columns)
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    means = [_mean([cells[c] for cells in table.values() if c in cells]) for c in columns]
    lines.append("| **geometric mean** | " + " | ".join(means) + " |")
    return [*lines, "", _caption(record, "for its default layout / for channels_last")]


def train(record: Record) -> list[str]:
    """Our time for a training step, and the opponents' over it."""
    beside = others(record["rows"])
    columns = ["PyTorch, NCHW", "PyTorch, channels_last", *(OTHERS[side] for side in beside)]
    lines = [
        "| training step | ours | " + " | ".join(columns) + " |",
        "|---|---|" + "---|" * len(columns),
    ]
    for row in record["rows"]:
        if "torch_us" in row:
            ours = np.median(row["ours_us"]) / 1e3
            label = f"{row['name']}, batch {row['batch']}, {row['optimizer']}"
            found = [*both_layouts(row), *(ratio(row, side) for side in beside)]
            shown = " | ".join(f"{value:.2f}" for value in found)
            lines.append(f"| {label} | {ours:.2f} ms | {shown} |")
    return [*lines, "", _caption(record, "")]


def lenet(record: Record) -> list[str]:
    """A whole training run of both sides, and PyTorch's time over ours."""
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
    caption = f"`{record['command']}`; {where(record)}, {_torch(record)}."
    if len(record["rows"]) == 2:
        ours, theirs = (row["training_s"] for row in record["rows"])
        caption = f"PyTorch's time divided by ours: {theirs / ours:.2f}. {caption}"
    return [*lines, "", caption]


def pool(record: Record) -> list[str]:
    """A line for each shape, a column for each operation."""
    rows = [row for row in record["rows"] if "torch_us" in row]
    names = list(dict.fromkeys(row["name"] for row in rows))
    table: dict[str, dict[str, tuple[float, float]]] = {}
    for row in rows:
        shape = " x ".join(map(str, row["shape"]))
        table.setdefault(shape, {})[row["name"]] = both_layouts(row)
    lines = ["| forward + backward | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for shape, cells in table.items():
        shown = (f"{cells[n][0]:.1f} / {cells[n][1]:.1f}" for n in names)
        lines.append(f"| {shape} | " + " | ".join(shown) + " |")
    means = [_mean([cells[n] for cells in table.values()]) for n in names]
    lines.append("| **geometric mean** | " + " | ".join(means) + " |")
    return [*lines, "", _caption(record, "for its default layout / for channels_last")]


def gemm(record: Record) -> list[str]:
    """Our time and rate for each product, and PyTorch's time over ours."""
    lines = ["| product | ours | GFLOP/s | PyTorch (MKL) |", "|---|---|---|---|"]
    for row in record["rows"]:
        us = np.median(row["ours_us"])
        theirs = f"{ratio(row, 'torch'):.2f}" if "torch_us" in row else ""
        lines.append(f"| {row['name']} | {us:.1f} us | {row['flop'] / us / 1e3:.0f} | {theirs} |")
    return [*lines, "", _caption(record, "")]


def engine(record: Record) -> list[str]:
    """Cost of a gate, memory of a gate, a deep graph and the peak of a training step."""
    rows = {row["name"]: row for row in record["rows"]}
    lines = ["| the graph | ours | PyTorch |", "|---|---|---|"]
    for name in ("forward", "forward + backward"):
        ours, theirs = (np.median(rows[name][f"{side}_us"]) for side in ("ours", "torch"))
        lines.append(f"| {name}, per gate of 4 floats | {ours:.2f} us | {theirs:.2f} us |")
    lines.append(f"| memory of a gate | {rows['memory']['bytes_a_gate']:.0f} bytes | |")
    deep = rows["deep"]
    lines.append(
        f"| {deep['gates']:,} gates, built and differentiated "
        f"| {deep['build_s']:.2f} s + {deep['backward_s']:.2f} s | |"
    )
    for name, row in rows.items():
        if "ours_mb" in row:
            theirs = f"{row['torch_mb']:.0f} MB" if "torch_mb" in row else ""
            lines.append(f"| {name} | {row['ours_mb']:.0f} MB | {theirs} |")
    return [*lines, "", f"`{record['command']}`; {where(record)}, {_torch(record)}."]


def distance(record: Record) -> list[str]:
    """Each library's time over ours, a line for each search."""
    rows = [row for row in record["rows"] if row["op"] == "nearest"]
    names = list(dict.fromkeys(name for row in rows for name in row["libraries"]))
    lines = [
        f"| {rows[0]['k']} nearest rows of 3,072 | ours | " + " | ".join(names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for row in rows:
        mine = np.median(row["seconds"]["ours"])
        taken = [row["seconds"].get(name) for name in names]
        shown = [f"{np.median(each) / mine:.1f}" if each else "" for each in taken]
        lines.append(
            f"| {row['name'].replace('x', ' x ')}, {row['metric'].upper()}, {row['dtype']} "
            f"| {1e3 * mine:.0f} ms | " + " | ".join(shown) + " |"
        )
    versions = ", ".join(f"{name} {version}" for name, version in rows[0]["libraries"].items())
    caption = (
        "Their time divided by ours (above 1 we are faster), interleaved, medians; uint8 rows are "
        f"bytes for us and float32 for them. `{record['command']}`; {where(record)}, {versions}."
    )
    return [*lines, "", caption]


def ensembles(record: Record) -> list[str]:
    """Members, the best of them and all together: mean and range over the seeds, a line a kind."""
    lines = [
        "| ensemble | members' mean | best member | together | seeds above the mean / the best |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["name"] for row in record["rows"]):
        rows = [row for row in record["rows"] if row["name"] == name]
        means, bests = ([f(row["members"]) for row in rows] for f in (np.mean, max))
        own = [row["accuracy"] for row in rows]
        above = (sum(a > b for a, b in zip(own, than, strict=True)) for than in (means, bests))
        cells = " | ".join(_spread(values) for values in (means, bests, own))
        lines.append(f"| {name} | {cells} | {' / '.join(f'{n} of {len(rows)}' for n in above)} |")
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(row["seed"] for row in record["rows"]))
    caption = (
        f"Test accuracy in %, mean (range) over seeds {seeds}; LeNet on 3,000 of the packed digits, 6 "
        f"epochs, 2,000 test images. `{record['command']}`; {where(record)}."
    )
    return [*lines, "", caption]


def _spread(values: list[float]) -> str:
    percent = 100 * np.array(values)
    return f"{percent.mean():.2f} ({percent.min():.2f} to {percent.max():.2f})"


# How a batch of the pipeline's benchmark is prepared, by the name of its times.
PREPARED = {
    "cut": "cut", "inline": "augmented between steps", "workers1": "by 1 worker",
    "workers2": "by 2 workers",
}  # fmt: skip


def added(row: dict[str, Any], side: str) -> float:
    """What a side adds to the bare step, as a share: the median of the rounds, each held to its own
    bare step, for a machine that slows down slows both."""
    return float(np.median(np.divide(row[f"{side}_us"], row["bare_us"]))) - 1


def pipeline(record: Record) -> list[str]:
    """What cutting and augmenting add to a step, a line for each network."""
    sides = [side for side in PREPARED if f"{side}_us" in record["rows"][0]]
    lines = [
        f"| step | bare | {' | '.join(PREPARED[side] for side in sides)} | augmenting alone |",
        "|---|---|---|" + "---|" * len(sides),
    ]
    for row in record["rows"]:
        bare, alone = (float(np.median(row[f"{side}_us"])) for side in ("bare", "alone"))
        shares = " | ".join(f"{100 * added(row, side):+.1f} %" for side in sides)
        lines.append(
            f"| {row['name']}, batch {row['batch']}, {row['augment']} | {bare / 1e3:.2f} ms | {shares} "
            f"| {alone / 1e3:.2f} ms |"
        )
    caption = (
        f"Time added to a training step, medians of {record['rounds']} interleaved rounds. "
        f"`{record['command']}`; {where(record)}."
    )
    return [*lines, "", caption]


def denormals(record: Record) -> list[str]:
    """How much longer a step takes whose weights are denormal numbers, a line for each network."""
    lines = [
        "| training step | ours, usual weights | ours, denormal | PyTorch, denormal |",
        "|---|---|---|---|",
    ]
    for row in record["rows"]:
        slower = [
            f"{np.median(row[f'{side}_denormal_us']) / np.median(row[f'{side}_us']):.2f}"
            if f"{side}_us" in row
            else ""
            for side in ("ours", "torch")
        ]
        usual = np.median(row["ours_us"]) / 1e3
        lines.append(f"| {row['name']} | {usual:.2f} ms | {slower[0]} | {slower[1]} |")
    beside = f", {_torch(record)}" if "torch" in record["versions"] else ""
    caption = (
        "Denormal: the step's time divided by that of the same step with usual weights, medians of "
        f"{record['rounds']} interleaved rounds. `{record['command']}`; {where(record)}{beside}."
    )
    return [*lines, "", caption]


def _mean(cells: Sequence[tuple[float, ...]]) -> str:
    if not cells:
        return ""
    return f"**{' / '.join(f'{value:.1f}' for value in np.exp(np.log(cells).mean(axis=0)))}**"


def _torch(record: Record) -> str:
    return f"PyTorch {record['versions'].get('torch')}"


def _caption(record: Record, columns: str) -> str:
    detail = f", {columns}" if columns else ""
    beside = [
        f"{OTHERS[side]} {version}"
        for side, version in record["versions"].items()
        if side in OTHERS
    ]
    whose = "PyTorch's" if not beside else "An opponent's"
    return (
        f"{whose} time divided by ours (above 1 we are faster){detail}; medians of "
        f"{record['rounds']} interleaved rounds, float32. `{record['command']}`; {where(record)}, "
        f"{', '.join([_torch(record), *beside])}."
    )


TABLES: dict[str, Callable[[Record], list[str]]] = {
    "accuracy": accuracy,
    "train": train,
    "lenet": lenet,
    "conv2d": conv2d,
    "pool": pool,
    "gemm": gemm,
    "distance": distance,
    "engine": engine,
    "train-avx2": train,
    "conv2d-avx2": conv2d,
    "ensembles": ensembles,
    "pipeline": pipeline,
    "denormals": denormals,
}
