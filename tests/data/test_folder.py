"""A folder of pictures: one class a folder, each file read when it is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tinygrad_cv.data import DataLoader, ImageFolder
from tinygrad_cv.data.augment import RandomCrop


def save(path, color, size=(4, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


@pytest.fixture
def root(tmp_path):
    save(tmp_path / "dog" / "b.png", (1, 2, 3))
    save(tmp_path / "dog" / "a.PNG", (4, 5, 6))
    save(tmp_path / "cat" / "indoors" / "x.bmp", (7, 8, 9))
    (tmp_path / "dog" / "notes.txt").write_text("no picture")
    (tmp_path / "README.md").write_text("no class")
    return tmp_path


def test_folders_are_the_classes_in_sorted_order(root):
    data = ImageFolder(root)
    assert data.classes == ("cat", "dog")
    assert data.class_to_idx == {"cat": 0, "dog": 1}
    assert [(path.name, label) for path, label in data.samples] == [
        ("x.bmp", 0),
        ("a.PNG", 1),
        ("b.png", 1),
    ]
    assert data.labels.tolist() == [0, 1, 1]
    assert len(data) == 3


def test_a_sample_is_a_float_image_and_a_label(root):
    image, label = ImageFolder(root)[2]
    want = np.broadcast_to(np.float32([[[1]], [[2]], [[3]]]) / np.float32(255), (3, 3, 4))
    np.testing.assert_array_equal(image.array, want, strict=True)
    assert label == 1


def test_batches_are_collated(root):
    images, labels = next(iter(DataLoader(ImageFolder(root), batch_size=3)))
    assert images.shape == (3, 3, 3, 4)
    assert labels.tolist() == [0, 1, 1]
    assert ImageFolder(root)[[2, 0]][1].tolist() == [1, 0]


def test_a_transform_takes_the_bytes(root):
    data = ImageFolder(root, transform=lambda image: image[:, 0, 0])
    assert data[0][0].tolist() == [7, 8, 9]
    assert data[0][0].dtype == np.uint8


def test_images_can_be_grey(root):
    image, _ = ImageFolder(root, channels=1)[2]
    assert image.shape == (1, 3, 4)


def test_sizes_that_differ_say_what_to_do(root):
    save(root / "dog" / "c.png", (0, 0, 0), size=(9, 9))
    with pytest.raises(
        ValueError, match=r"samples must have the same shape, .*resize or crop them"
    ):
        ImageFolder(root)[:]


def test_a_file_that_is_no_image_is_named(root):
    (root / "dog" / "0.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"load_image: .*dog/0\.jpg is no image"):
        ImageFolder(root)[1]


def test_a_root_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"ImageFolder: root is '.*nowhere', which is not a"
    ):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(
        FileNotFoundError, match=f"ImageFolder: {tmp_path} has no folders; each class"
    ):
        ImageFolder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"ImageFolder: .*empty has no images \(\.bmp, \.gif"
    ):
        ImageFolder(tmp_path)


def test_an_index_that_is_not_there_is_refused(root):
    with pytest.raises(IndexError, match="ImageFolder: index 3 but there are 3 samples"):
        ImageFolder(root)[3]


def test_a_broken_file_is_named_and_stops_the_run(root):
    (root / "dog" / "c.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"c\.png"):
        list(DataLoader(ImageFolder(root), batch_size=2, num_workers=2))


def test_broken_files_are_left_out_and_counted_where_asked(root):
    broken = root / "dog" / "b2.png"
    broken.write_bytes(b"no picture")
    data = ImageFolder(root, on_error="skip")
    labels = [
        y for _, batch in DataLoader(data, batch_size=2, num_workers=1) for y in batch.tolist()
    ]
    assert labels == [0, 1, 1]
    assert list(data.broken) == [broken]
    assert "b2.png" in data.broken[broken]
    with pytest.raises(ValueError, match=r"none of the 1 files of a batch is an image.*b2\.png"):
        data[[3]]
    with pytest.raises(ValueError, match="on_error must be 'raise' or 'skip', got 'ignore'"):
        ImageFolder(root, on_error="ignore")


def test_augmented_batches_without_broken_files_are_those_of_a_folder_without_them(root):
    """What happens to an image is a function of its index, whatever was left out beside it."""
    data = ImageFolder(root, on_error="skip")
    augment = RandomCrop((3, 4), padding=1)

    def epoch():
        return list(DataLoader(data, 2, seed=0, augment=augment, num_workers=2))

    whole = {label: image for images, labels in epoch() for image, label in zip(images, labels.tolist(), strict=True)}  # fmt: skip
    (root / "dog" / "a.PNG").write_bytes(b"no picture")
    parts = [(images.numpy(), labels.tolist()) for images, labels in epoch()]
    assert [labels for _, labels in parts] == [[0], [1]]
    np.testing.assert_array_equal(parts[0][0][0], whole[0].numpy())
    np.testing.assert_array_equal(parts[1][0][0], whole[1].numpy())


def test_images_of_another_size_than_the_first_can_be_as_bad_as_broken_ones(root):
    save(root / "dog" / "c.png", (0, 0, 0), size=(9, 9))
    data = ImageFolder(root, one_size=True)
    assert data.shape == (3, 3, 4)
    with pytest.raises(
        ValueError, match=r"c\.png is 9 x 9 pixels but .*x\.bmp is 4 x 3; images must"
    ):
        data[:]
    lenient = ImageFolder(root, one_size=True, on_error="skip")
    assert lenient[:][1].tolist() == [0, 1, 1]
    assert [path.name for path in lenient.broken] == ["c.png"]


def test_a_part_reads_its_files_alone(root):
    data = ImageFolder(root, on_error="skip")
    part = data.part([2, 0])
    assert part[:][1].tolist() == [1, 0]
    assert part.labels.tolist() == [1, 0]
    assert part.shape == data.shape
    data.samples[0][0].write_bytes(b"no picture")
    assert part[:][1].tolist() == [1]
    assert list(data.broken) == [data.samples[0][0]]
    with pytest.raises(IndexError, match="index 3 but there are 3"):
        data.part([3])


def test_a_folder_in_memory_is_its_samples(root):
    data = ImageFolder(root, on_error="skip")
    (root / "dog" / "a.PNG").write_bytes(b"no picture")
    images = data.in_memory()
    assert images.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(images[:][0].numpy(), data[:][0].numpy())
    assert (images.classes, images.shape) == (data.classes, data.shape)
    with pytest.raises(ValueError, match=r"a\.PNG is no image"):
        ImageFolder(root).in_memory()
    for path, _ in data.samples:
        path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="is an image"):
        data.in_memory()
