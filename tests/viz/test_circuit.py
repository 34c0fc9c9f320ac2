"""Recorded circuits and their drawings, the textbook's example first."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.viz import draw_circuit, drawing, record


@pytest.fixture
def textbook():
    """f = (x + y) z at x = -2, y = 5, z = -4, recorded with its backward pass."""
    x, y, z = (tg.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    with record() as circuit:
        f = (x + y) * z
        f.backward()
    return circuit.name(x=x, y=y, z=z), f, (x, y, z)


@pytest.fixture
def without_graphviz(monkeypatch):
    monkeypatch.setattr(drawing.shutil, "which", lambda name: None)


def test_the_textbook_example(textbook):
    circuit, f, leaves = textbook
    assert f.item() == -12
    assert [leaf.grad.item() for leaf in leaves] == [-4, -4, 3]
    seen = {wire.name: (float(wire.value), float(wire.grad)) for wire in circuit.wires}
    assert seen == {"x": (-2, -4), "y": (5, -4), "z": (-4, 3), "Add": (3, -4), "Mul": (-12, 1)}


def texts(svg: str) -> dict[str, list[str]]:
    """The texts of a drawing by colour."""
    found: dict[str, list[str]] = {}
    for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        found.setdefault(element.get("fill", ""), []).append(element.text or "")
    return found


def test_values_are_green_above_and_gradients_red_below(textbook, without_graphviz):
    svg = draw_circuit(textbook[0]).svg
    by_colour = texts(svg)
    assert sorted(by_colour[drawing.VALUE]) == sorted(["-2", "5", "-4", "3", "-12"])
    assert sorted(by_colour[drawing.GRADIENT]) == sorted(["-4", "-4", "3", "-4", "1"])
    assert {"+", "*", "x", "y", "z"} <= set(by_colour[drawing.INK])


def test_wires_run_from_left_to_right(textbook, without_graphviz):
    circuit = textbook[0]
    places = drawing._places(circuit)
    assert len(set(places.values())) == len(circuit.wires)
    for wire in circuit.wires:
        for source in wire.inputs:
            assert places[source][0] < places[wire][0]


def test_a_backward_pass_after_the_recording_is_kept_too():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    with record() as circuit:
        y = (x * x).sum()
    y.backward()
    np.testing.assert_array_equal(circuit.wire(x).grad, [2, 4])


def test_two_backward_passes_add_up():
    x = tg.tensor(3.0, requires_grad=True)
    with record() as circuit:
        y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert float(circuit.wires[-1].grad) == 2


def test_nothing_is_recorded_outside():
    x = tg.tensor(1.0, requires_grad=True)
    with record() as circuit:
        pass
    (x * x).backward()
    assert circuit.wires == []
    with pytest.raises(ValueError, match="no gate was recorded"):
        draw_circuit(circuit)


def test_a_tensor_is_drawn_with_what_its_graph_holds(without_graphviz):
    x = tg.tensor(2.0, requires_grad=True)
    svg = draw_circuit((x * x).exp(), names={"x": x}).svg
    assert "record() keeps all" in svg
    # Mul saved x, Exp its own output; what Mul gave, 4, nobody kept.
    assert sorted(texts(svg)[drawing.VALUE]) == ["2", "54.6"]
    with pytest.raises(ValueError, match="no recorded gate"):
        draw_circuit(x)


def test_large_arrays_are_summarised():
    assert drawing.summary(np.ones((2, 3, 4))) == "2 x 3 x 4, norm 4.9"
    assert drawing.summary(np.float32(0.123456)) == "0.1235"
    assert drawing.summary(None) == ""


def test_names_are_escaped(without_graphviz):
    x = tg.tensor(1.0, requires_grad=True)
    with record() as circuit:
        _ = x * 2
    circuit.wire(x).name = "a<b&c"
    assert "a<b&c" in texts(draw_circuit(circuit).svg)[drawing.INK]


def test_a_circuit_brings_its_ground_along(textbook, without_graphviz):
    first = ET.fromstring(draw_circuit(textbook[0]).svg).find("{http://www.w3.org/2000/svg}rect")
    assert (first.get("width"), first.get("fill")) == ("100%", drawing.GROUND)
    assert f'bgcolor="{drawing.GROUND}"' in draw_circuit(textbook[0]).dot


def test_dot_has_an_edge_for_every_wire(textbook):
    dot = draw_circuit(textbook[0]).dot
    assert len(re.findall(r"n\d+ -> n\d+", dot)) == 4
    assert dot.count(drawing.GRADIENT) == 5


def test_files_by_suffix(textbook, without_graphviz, tmp_path):
    draw_circuit(textbook[0], tmp_path / "c.svg")
    ET.parse(tmp_path / "c.svg")
    draw_circuit(textbook[0], tmp_path / "c.dot")
    assert (tmp_path / "c.dot").read_text().startswith("digraph")
    with pytest.raises(RuntimeError, match=r"apt install graphviz"):
        draw_circuit(textbook[0], tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"expected \.svg"):
        draw_circuit(textbook[0], tmp_path / "c.bmp")


def test_a_network_can_be_drawn(without_graphviz):
    tg.manual_seed(0)
    net = tg.models.LeNet5()
    with record() as circuit:
        tg.functional.cross_entropy(net(tg.rand(2, 1, 28, 28)), tg.tensor([1, 2])).backward()
    svg = draw_circuit(circuit).svg
    assert "Conv2d" in svg
    assert "6 x 1 x 5 x 5" in svg
