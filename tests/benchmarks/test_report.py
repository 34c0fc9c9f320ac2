"""The README's tables and charts are what benchmarks/results says."""

from __future__ import annotations

import importlib.util
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    spec = importlib.util.spec_from_file_location("report", ROOT / "benchmarks" / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_and_charts_are_up_to_date(report):
    for path, text in report.outputs(report.newest()).items():
        assert path.read_text(encoding="utf-8") == text, f"run benchmarks/report.py: {path.name}"


def test_committed_results_are_of_a_clean_tree(report):
    for path in report.RESULTS.glob("*.json"):
        assert json.loads(path.read_text())["dirty"] is False, path.name


def row(name: str, op: str, ours: float, torch: float, last: float, **facts: object) -> dict:
    return {
        "name": name,
        "op": op,
        **facts,
        "ours_us": [ours] * 3,
        "torch_us": [torch] * 3,
        "channels_last_us": [last] * 3,
    }


@pytest.fixture
def record() -> dict:
    return {
        "family": "conv2d",
        "date": "2026-01-31T12:00:00Z",
        "commit": "abc1234",
        "command": "python benchmarks/conv_bench.py",
        "machine": {"cpu": "a <fast> one", "isa": "avx2"},
        "versions": {"torch": "2.0"},
        "threads": 2,
        "rounds": 3,
        "rows": [row("small", "both ways", 1, 4, 2), row("large", "both ways", 2, 2, 4)],
    }


def test_the_table_shows_medians_and_their_geometric_mean(report, record):
    lines = report.TABLES["conv2d"](record)
    assert "| small |  |  |  | 4.0 / 2.0 |" in lines
    assert "| large |  |  |  | 1.0 / 2.0 |" in lines
    assert lines[4].endswith("**2.0 / 2.0** |")


FAMILIES = {
    "train": {"name": "net", "batch": 8, "optimizer": "SGD"},
    "pool": {"name": "max", "shape": [1, 2, 3, 4]},
    "gemm": {"name": "2 x 3 x 4 A B", "flop": 48_000.0},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_table_of_ratios(report, record, family):
    record["rows"] = [row(**{"op": "", "ours": 2, "torch": 5, "last": 3, **FAMILIES[family]})]
    text = "\n".join(report.TABLES[family](record))
    assert "2.5" in text
    assert record["command"] in text
    assert record["commit"] in text


def test_a_training_run_shows_both_sides_and_their_ratio(report, record):
    epochs = [[1.0, 0.3, 0.9, 0.9], [2.0, 0.2, 0.9, 0.9], [6.0, 0.1, 0.9, 0.9]]
    record["rows"] = [
        {"name": "ours", "test_accuracy": 99.123, "training_s": 9.0, "epochs": epochs},
        {"name": "theirs", "test_accuracy": 99.0, "training_s": 22.5, "epochs": epochs},
    ]
    lines = report.TABLES["lenet"](record)
    assert "| ours | 99.12 % | 9 s | 2.00 s |" in lines
    assert lines[-1].startswith("PyTorch's time divided by ours: 2.50. `python ")


def test_other_opponents_have_columns_where_they_ran(report, record):
    record["versions"] |= {"jax": "0.9", "onnxruntime": "1.2"}
    record["rows"][0]["jax_us"] = [3.0]
    record["rows"].append(
        {**row("small", "forward", 2, 4, 8), "jax_us": [10.0], "onnxruntime_us": [1.0]}
    )
    lines = report.TABLES["conv2d-avx2"](record)
    assert lines[0].endswith("| both ways | both ways, JAX | forward, JAX | forward, onnxruntime |")
    assert "| small | 2.0 / 4.0 |  |  | 4.0 / 2.0 | 3.0 | 5.0 | 0.5 |" in lines
    assert "| large |  |  |  | 1.0 / 2.0 |  |  |  |" in lines
    assert "PyTorch 2.0, JAX 0.9, onnxruntime 1.2" in lines[-1]
    record["rows"] = [{**row(op="", ours=2, torch=5, last=3, **FAMILIES["train"]), "jax_us": [9]}]
    assert "| net, batch 8, SGD | 0.00 ms | 2.50 | 1.50 | 4.50 |" in report.TABLES["train"](record)


def test_a_page_keeps_what_stands_around_a_table(report, record):
    begin, end = report.BEGIN.format("conv2d"), report.END.format("conv2d")
    page = f"before\n{begin}\nold\n{end}\nafter\n"
    filled = report.filled(page, {"conv2d": [record]})
    assert filled.startswith("before\n")
    assert filled.endswith("after\n")
    assert "old" not in filled
    assert "| small |" in filled


def test_the_newest_record_of_every_machine_is_shown(report, record, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    other = {"cpu": "another", "isa": "avx2"}
    for name, change in {
        "a": {"date": "2026-01-30T12:00:00Z", "commit": "older"},
        "b": {},
        "c": {"date": "2026-01-29T12:00:00Z", "machine": other},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({**record, **change}))
    found = report.newest()["conv2d"]
    assert [r["commit"] for r in found] == ["abc1234", "abc1234"]
    assert [r["machine"]["cpu"] for r in found] == ["a <fast> one", "another"]
    begin, end = report.BEGIN.format("conv2d"), report.END.format("conv2d")
    page = report.filled(f"{begin}\n{end}", {"conv2d": found})
    assert page.index("a <fast> one") < page.index("another")


@pytest.fixture
def accuracy(report):
    return importlib.import_module("accuracy")


def test_a_training_run_is_read_from_what_it_prints(accuracy):
    printed = (
        "epoch 1/2  train loss 0.5  4.5 s, 10 images/s\n"
        "epoch 2/2  train loss 0.4  5.25 s, 9 images/s\n"
        "test accuracy 98.45 % (2,000 images)\n"
    )
    row = accuracy.row_of("lenet-digits", 3, printed)
    assert (row["accuracy"], row["images"], row["training_s"]) == (98.45, 2000, 9.75)
    with pytest.raises(SystemExit, match="printed no test accuracy"):
        accuracy.row_of("lenet-digits", 3, printed.splitlines()[0])


def test_the_row_of_a_finished_run_is_kept(accuracy, tmp_path, monkeypatch):
    monkeypatch.setattr(accuracy, "run", lambda name, seed: {"name": name, "seed": seed})
    first = accuracy.kept(tmp_path / "rows", "lenet-digits", 0)
    monkeypatch.setattr(accuracy, "run", None)
    assert accuracy.kept(tmp_path / "rows", "lenet-digits", 0) == first


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_chart_is_svg_with_every_bar(report, record, theme):
    root = ET.fromstring(report.conv_chart(record, theme))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"small", "large", "4.0", "1.0", "2.0"} <= set(texts)
    assert any("a <fast> one" in (text or "") for text in texts)


def test_the_table_of_distances_shows_each_librarys_time_over_ours(report, record):
    seconds = {"ours": [0.1, 0.2, 0.3], "torch": [1.0], "faiss": [0.5, 0.4]}
    search = {
        "name": "5x9", "op": "nearest", "metric": "l1", "dtype": "uint8", "k": 5,
        "seconds": seconds, "libraries": {"torch": "2.0", "faiss": "1.0", "scipy": "3.0"},
    }  # fmt: skip
    record["rows"] = [search, {**search, "op": "pairwise", "name": "unseen"}]
    lines = report.TABLES["distance"](record)
    assert "| 5 x 9, L1, uint8 | 200 ms | 5.0 | 2.2 |  |" in lines
    assert "unseen" not in "".join(lines)
    assert "torch 2.0, faiss 1.0, scipy 3.0" in lines[-1]


def test_the_table_of_ensembles_says_how_they_stand_to_their_members(report, record):
    record["rows"] = [
        {"name": "many", "seed": 0, "members": [0.9, 0.92], "accuracy": 0.95, "seconds": 1},
        {"name": "many", "seed": 1, "members": [0.8, 0.96], "accuracy": 0.9, "seconds": 1},
    ]
    lines = report.TABLES["ensembles"](record)
    assert lines[2] == (
        "| many | 89.50 (88.00 to 91.00) | 94.00 (92.00 to 96.00) | 92.50 (90.00 to 95.00) "
        "| 2 of 2 / 1 of 2 |"
    )
    assert "over seeds 0, 1" in lines[-1]


def test_the_table_of_the_pipeline_shows_what_it_adds_to_a_step(report, record):
    times = {"bare": 2000, "cut": 2020, "workers1": 2100, "workers2": 1990, "alone": 500}
    sides = {f"{side}_us": [us] * 3 for side, us in times.items()}
    record["rows"] = [{"name": "net", "batch": 8, "augment": "flip", "steps": 4, **sides}]
    lines = report.TABLES["pipeline"](record)
    assert lines[0] == "| step | bare | cut | by 1 worker | by 2 workers | augmenting alone |"
    assert lines[2] == "| net, batch 8, flip | 2.00 ms | +1.0 % | +5.0 % | -0.5 % | 0.50 ms |"
    record["rows"][0]["inline_us"] = [2080]
    lines = report.TABLES["pipeline"](record)
    assert "| cut | augmented between steps | by 1 worker |" in lines[0]
    assert "| +1.0 % | +4.0 % | +5.0 % | -0.5 % |" in lines[2]


def test_the_table_of_denormals_shows_how_much_longer_a_step_takes(report, record):
    times = {"ours": 2000, "ours_denormal": 2040, "torch": 3000, "torch_denormal": 24000}
    sides = {f"{side}_us": [us] * 3 for side, us in times.items()}
    record["rows"] = [{"name": "net", **sides}]
    assert report.TABLES["denormals"](record)[2] == "| net | 2.00 ms | 1.02 | 8.00 |"
    del record["rows"][0]["torch_us"], record["versions"]["torch"]
    lines = report.TABLES["denormals"](record)
    assert lines[2] == "| net | 2.00 ms | 1.02 |  |"
    assert "PyTorch" not in lines[-1]
