"""MNIST: found where people keep it; files that do not fit are named."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.data import fashion_mnist, mnist
from tinygrad_cv.data.idx import write_idx

PLACES = ["", "mnist", "MNIST", "raw", "mnist/raw", "MNIST/raw"]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("place", PLACES)
def test_mnist_finds_the_files(tmp_path, make_idx, place, suffix):
    arrays = make_idx(tmp_path / "data" / place, suffix)
    for train, part in ((True, "train"), (False, "t10k")):
        data = mnist(tmp_path / "data", train=train)
        np.testing.assert_array_equal(data.images[:, 0], arrays[f"{part}-images-idx3-ubyte"])
        np.testing.assert_array_equal(data.labels, arrays[f"{part}-labels-idx1-ubyte"])
        assert data.images.dtype == np.uint8
        assert data.labels.dtype == np.int64
        assert data.classes == tuple("0123456789")


def test_mnist_takes_the_root_from_the_variable(tmp_path, make_idx, monkeypatch):
    arrays = make_idx(tmp_path / "data" / "mnist")
    monkeypatch.setenv("TINYGRAD_CV_DATA", str(tmp_path / "data"))
    np.testing.assert_array_equal(mnist().images[:, 0], arrays["train-images-idx3-ubyte"])


def test_mnist_hands_the_transform_on(tmp_path, make_idx):
    make_idx(tmp_path)
    assert mnist(tmp_path, transform=lambda image: image.shape)[0][0] == (1, 28, 28)


def test_mnist_says_that_the_root_is_no_folder(tmp_path, monkeypatch):
    with pytest.raises(
        FileNotFoundError, match=r"mnist: root is '.*nowhere', which is not a folder"
    ):
        mnist(tmp_path / "nowhere")
    monkeypatch.setenv("TINYGRAD_CV_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(
        FileNotFoundError, match=r"mnist: TINYGRAD_CV_DATA is '.*nowhere', which is"
    ):
        mnist()


def test_mnist_says_which_files_the_root_lacks(tmp_path, make_idx):
    message = (
        r"mnist: no train-images-idx3-ubyte or train-images-idx3-ubyte\.gz in '.*' "
        r"nor in its folders mnist, MNIST, raw, mnist/raw, MNIST/raw$"
    )
    with pytest.raises(FileNotFoundError, match=message):
        mnist(tmp_path)
    make_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    message = r"mnist: .* has no train-labels-idx1-ubyte \(nor train-labels-idx1-ubyte.gz\)"
    with pytest.raises(FileNotFoundError, match=message):
        mnist(tmp_path)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-labels-idx1-ubyte", np.zeros(5), "has 6 images but .*labels-idx1-ubyte 5 labels"),
        (
            "train-labels-idx1-ubyte",
            np.array([0, 1, 2, 10, 3, 11]),
            "label 3 in .*train-labels-idx1-ubyte is 10, but there are classes 0 to 9",
        ),
        (
            "train-images-idx3-ubyte",
            np.zeros((6, 28, 27)),
            r"has images of \(28, 27\), not \(28, 28\)",
        ),
    ],
    ids=["counts", "label", "size"],
)
def test_mnist_names_files_that_do_not_fit(tmp_path, make_idx, name, array, message):
    make_idx(tmp_path)
    write_idx(tmp_path / name, array.astype(np.uint8))
    with pytest.raises(ValueError, match=f"mnist: .*{message}"):
        mnist(tmp_path)


def test_mnist_names_a_truncated_file(tmp_path, make_idx):
    make_idx(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="train-images-idx3-ubyte has 1000 bytes, but"):
        mnist(tmp_path)


@pytest.mark.parametrize("place", ["", "fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "raw"])
def test_fashion_mnist_finds_the_files(tmp_path, make_idx, place):
    arrays = make_idx(tmp_path / "data" / place, ".gz")
    data = fashion_mnist(tmp_path / "data")
    np.testing.assert_array_equal(data.images[:, 0], arrays["train-images-idx3-ubyte"])
    assert data.classes[0] == "T-shirt/top"
    assert len(data.classes) == 10


def test_fashion_mnist_takes_no_files_that_may_be_of_mnist(tmp_path, make_idx, monkeypatch):
    make_idx(tmp_path / "data")
    fashion = make_idx(tmp_path / "data" / "FashionMNIST" / "raw", train=7)
    monkeypatch.setenv("TINYGRAD_CV_DATA", str(tmp_path / "data"))
    data = fashion_mnist()
    np.testing.assert_array_equal(data.images[:, 0], fashion["train-images-idx3-ubyte"])
    assert len(mnist()) == 6


@pytest.mark.data
@pytest.mark.parametrize(("train", "count", "first"), [(True, 60000, 5), (False, 10000, 7)])
def test_mnist_is_the_whole_of_mnist(full_data, train, count, first):
    data = mnist(train=train)
    assert data.images.shape == (count, 1, 28, 28)
    assert data.labels[0] == first  # the five and the seven that every tutorial shows
    # Mean and deviation as every tutorial normalises with: 0.1307 and 0.3081.
    if train:
        scaled = data.images / np.float64(255)
        assert scaled.mean() == pytest.approx(0.1307, abs=5e-5)
        assert scaled.std() == pytest.approx(0.3081, abs=5e-5)
