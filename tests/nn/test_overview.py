"""The table of a network has the classical counts."""

from __future__ import annotations

import pytest

import tinygrad_cv as tg
from tinygrad_cv import models, nn


@pytest.mark.parametrize(
    ("volume", "weights"), [((3, 32, 32), "3,072"), ((3, 200, 200), "120,000")]
)
def test_a_fully_connected_neuron_sees_the_whole_image(volume, weights):
    net = nn.Sequential(nn.Flatten(), nn.Linear(int(weights.replace(",", "")), 1))
    assert nn.summary(net, volume).rows[1].note == f"{weights} weights a neuron"


def test_a_two_by_two_pool_drops_three_quarters():
    (row,) = nn.summary(nn.MaxPool2d(2), (16, 8, 8)).rows
    assert row.note == "drops 75 %"
    assert row.output_shape == (16, 4, 4)
    assert nn.summary(nn.AvgPool2d(3, padding=1, stride=1), (2, 8, 8)).rows[0].note == "drops 0 %"


def test_lenet_row_by_row():
    table = nn.summary(models.LeNet5(), (1, 28, 28))
    rows = {row.name: row for row in table.rows}
    assert list(rows)[:3] == ["conv1", "relu1", "pool1"]
    assert rows["conv1"].output_shape == (6, 28, 28)
    assert rows["conv1"].parameters == 6 * 25 + 6
    assert rows["conv1"].multiply_adds == 6 * 28 * 28 * 25
    assert rows["conv2"].multiply_adds == 16 * 10 * 10 * 150
    assert rows["conv2"].note == "150 weights a neuron"
    assert rows["fc1"].multiply_adds == 400 * 120
    assert rows["conv1"].bytes == 4 * 6 * 28 * 28
    assert table.parameters == table.trainable_parameters == 61_706
    assert table.multiply_adds == 117_600 + 240_000 + 48_000 + 10_080 + 840
    assert table.parameter_bytes == 4 * 61_706
    assert table.bytes == table.parameter_bytes + sum(row.bytes for row in table.rows)


def test_grouped_filters_see_their_group():
    (row,) = nn.summary(nn.Conv2d(4, 8, 3, padding=1, groups=2, bias=False), (4, 6, 6)).rows
    assert row.parameters == 8 * 2 * 9
    assert row.multiply_adds == 8 * 36 * 18


def test_rows_and_transposed_convolutions_count_too():
    (row,) = nn.summary(nn.Conv1d(4, 8, 3, bias=False), (4, 10)).rows
    assert (row.multiply_adds, row.note) == (8 * 8 * 12, "12 weights a neuron")
    # Each of the 4 x 5 x 5 inputs lays down 8 filters of 3 x 3.
    (row,) = nn.summary(nn.ConvTranspose2d(4, 8, 3, stride=2), (4, 5, 5)).rows
    assert (row.output_shape, row.multiply_adds, row.note) == ((8, 11, 11), 100 * 72, "")
    (row,) = nn.summary(nn.MaxPool1d(4), (2, 8)).rows
    assert row.note == "drops 75 %"


def test_shared_layers_count_once_and_frozen_ones_are_not_learned():
    layer = nn.Linear(4, 4)
    net = nn.Sequential(layer, layer, nn.Linear(4, 1).requires_grad_(False))
    table = nn.summary(net, (4,))
    assert [row.parameters for row in table.rows] == [20, 0, 5]
    assert (table.parameters, table.trainable_parameters) == (25, 20)
    assert table.multiply_adds == 16 + 16 + 4


def test_nothing_about_the_network_changes():
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).double()
    net[0].eval()
    nn.summary(net, (2,))
    assert net.training
    assert not net[0].training
    assert net[1].training
    assert all(param.grad is None for param in net.parameters())
    with pytest.raises(ValueError, match="has 3 features"):
        nn.summary(net, (3,))
    assert net.training
    out = net(tg.zeros(1, 2, dtype=tg.float64))
    assert out.requires_grad


def test_it_prints_as_a_table():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                        nn.Linear(2048, 10))  # fmt: skip
    assert repr(nn.summary(net, (3, 32, 32))).split("\n") == [
        "layer          output shape  parameters  multiply-adds    memory",
        "-" * 88,
        "0 (Conv2d)     8 x 32 x 32          224        221,184  32.0 KiB  27 weights a neuron",
        "1 (MaxPool2d)  8 x 16 x 16            0              0   8.0 KiB  drops 75 %",
        "2 (Flatten)    2048                   0              0   8.0 KiB",
        "3 (Linear)     10                20,490         20,480      40 B  2,048 weights a neuron",
        "-" * 88,
        "parameters: 20,714 (20,714 learned), 80.9 KiB; multiply-adds an image: 241,664; outputs "
        "an image: 48.0 KiB",
    ]
