"""Tensors on a GPU, by a stand-in for CuPy whose kernels run on the CPU: moving, training, asking."""

from __future__ import annotations

import sys
import weakref

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import functional as F

GPU = pytest.mark.usefixtures("cupy")


@GPU
def test_a_gpu_is_there():
    assert tg.cuda.is_available()
    assert tg.cuda.device_count() == 1
    assert tg.cuda.current_device() == 0


@GPU
def test_tensors_move_and_come_back():
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    for there in (x.to("cuda"), x.cuda(), x.to(device=tg.device("cuda:0")), x.cuda("cuda:0")):
        assert there.device == "cuda:0"
        assert there.is_cuda
        assert there.dtype == tg.float32
        np.testing.assert_array_equal(there.cpu().numpy(), x.numpy())
    assert there.to("cuda") is there
    assert there.cuda(tg.device("cuda:0")) is there
    assert x.to(there).device == "cuda:0"
    assert there.to(x).device == "cpu"
    assert there.double().to("cpu").dtype == tg.float64
    assert x.to("cuda", tg.float64).dtype == tg.float64


@GPU
def test_a_copy_on_the_gpu_is_a_copy():
    x = tg.tensor([1.0, 2.0])
    there = x.cuda()
    x[0] = 9
    assert there.tolist() == [1, 2]


@GPU
def test_derivatives_of_functions_stay_on_the_gpu():
    x = tg.tensor([1.0, 3.0], device="cuda")
    assert tg.jacobian(lambda x: x * x, x).device == "cuda:0"
    assert tg.hessian(lambda x: (x * x * x).sum(), x).tolist() == [[6, 0], [0, 18]]


@GPU
def test_a_backward_pass_lets_go_of_masks_on_the_gpu():
    x = tg.tensor([1.0, -2.0], device="cuda", requires_grad=True)
    y = x.clamp(min=0)
    mask = weakref.ref(y.gate.inside)
    total = y.sum()
    total.backward()
    assert mask() is None
    with pytest.raises(RuntimeError, match="Clamp was freed by an earlier backward pass"):
        total.backward()


@GPU
def test_gradients_cross_between_devices():
    x = tg.tensor([1.0, -2.0, 3.0], requires_grad=True)
    there = x.cuda()
    y = (there * there).cpu() * tg.tensor([1.0, 10.0, 100.0])
    y.sum().backward()
    assert x.grad.device == "cpu"
    assert x.grad.tolist() == [2, -40, 600]
    leaf = tg.tensor([2.0], device="cuda", requires_grad=True)
    (leaf.cpu() ** 3).sum().backward()
    assert leaf.grad.device == "cuda:0"
    assert leaf.grad.tolist() == [12]


@GPU
def test_second_derivatives_cross_as_well():
    x = tg.tensor([1.0, 2.0], dtype=tg.float64, requires_grad=True)
    (gx,) = tg.grad((x.cuda() ** 3).cpu().sum(), x, create_graph=True)
    gx.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [6, 12])


@GPU
@pytest.mark.parametrize(
    "make",
    [
        lambda **kw: tg.zeros(2, 3, **kw),
        lambda **kw: tg.ones(2, 3, **kw),
        lambda **kw: tg.full((2, 3), 7.0, **kw),
        lambda **kw: tg.eye(3, **kw),
        lambda **kw: tg.arange(5, **kw),
        lambda **kw: tg.linspace(0, 1, 5, **kw),
        lambda **kw: tg.rand(2, 3, generator=tg.Generator(3), **kw),
        lambda **kw: tg.randn(2, 3, generator=tg.Generator(3), **kw),
        lambda **kw: tg.randint(9, (4,), generator=tg.Generator(3), **kw),
        lambda **kw: tg.tensor([[1, 2], [3, 4]], **kw),
        lambda **kw: tg.as_tensor([1.5, 2.5], **kw),
    ],
    ids=range(11),
)
def test_what_is_made_on_the_gpu_has_the_values_of_the_cpus(make):
    there, here = make(device="cuda"), make()
    assert (there.device, there.dtype) == ("cuda:0", here.dtype)
    np.testing.assert_array_equal(there.cpu().numpy(), here.numpy())


@GPU
def test_what_is_made_like_a_tensor_is_made_beside_it():
    x = tg.ones(2, 3, dtype=tg.float64, device="cuda")
    likes = [tg.zeros_like(x), tg.ones_like(x), tg.full_like(x, 3), tg.rand_like(x),
             tg.randn_like(x), tg.empty_like(x), x.new_zeros(2, 3), x.new_ones(2, 3),
             x.new_full((2, 3), 1), x.new_tensor([1, 2]), x.new_empty(2)]  # fmt: skip
    assert {str(t.device) for t in likes} == {"cuda:0"}
    assert {t.dtype for t in likes} == {np.dtype(np.float64)}
    assert tg.zeros_like(x, device="cpu").device == "cpu"


@pytest.fixture
def on_the_gpu(cupy):
    tg.set_default_device("cuda")
    yield
    tg.set_default_device("cpu")


@pytest.mark.usefixtures("on_the_gpu")
def test_what_is_made_goes_to_the_default_device():
    array = np.ones((2, 3))
    made = [tg.tensor([1.0]), tg.Tensor([1.0]), tg.tensor(array), tg.as_tensor(array), tg.zeros(2),
            tg.randn(2), tg.nn.Linear(2, 2).weight, tg.nn.BatchNorm1d(2).running_mean]  # fmt: skip
    assert {str(t.device) for t in made} == {"cuda:0"}
    kept = [tg.tensor([1.0], device="cpu"), tg.zeros(2, device="cpu"), tg.from_numpy(array),
            tg.tensor(tg.from_numpy(array)), tg.zeros_like(tg.from_numpy(array))]  # fmt: skip
    assert {str(t.device) for t in kept} == {"cpu"}


@GPU
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_what_is_added_or_written_at_places_named_twice_is_the_cpus(dtype):
    x = tg.tensor(np.arange(6).reshape(3, 2).astype(dtype))
    source, index = tg.tensor(np.array([[1, 2], [3, 4], [5, 6]], dtype)), tg.tensor([2, 0, 2])
    there = [t.cuda() for t in (x, source, index)]
    added = x.index_add(0, index, source), there[0].index_add(0, there[2], there[1])
    copied = x.index_copy(0, index, source), there[0].index_copy(0, there[2], there[1])
    x[index], there[0][there[2]] = source, there[1]
    for here, gpus in (added, copied, (x, there[0])):
        assert gpus.dtype == here.dtype
        assert gpus.tolist() == here.tolist()


@GPU
@pytest.mark.parametrize("index", [[0, 3], [-4], [[1], [5]]])
def test_an_index_outside_that_the_host_knows_is_an_error_on_the_gpu_too(index):
    x = tg.ones(3, 2, device="cuda")
    ints = x.long()
    for key in (index, (slice(None), index)):
        with pytest.raises(IndexError, match="out of bounds"):
            x[key]
        with pytest.raises(IndexError, match=r"__setitem__: index .* out of bounds"):
            x[key] = 1.0
    with pytest.raises(IndexError, match="out of bounds"):  # ints have no NaN to say it with
        ints[tg.tensor(index).cuda()]
    with pytest.raises(IndexError, match="out of bounds"):
        ints[tg.tensor(index).cuda()] = 1


NAN = float("nan")


@GPU
@pytest.mark.parametrize(
    ("call", "want"),
    [
        (lambda x, i: x[i], [[NAN, NAN]] * 3),
        (lambda x, i: x[:, i], [[NAN] * 3] * 2),
        (lambda x, i: x.index_select(0, i), [[3, 4], [NAN, NAN], [NAN, NAN]]),
        (lambda x, i: x.gather(0, i.reshape(3, 1)), [[3], [NAN], [NAN]]),
        (lambda x, i: x.take(i * 2), [3, NAN, NAN]),
        (lambda x, i: F.embedding(i, x), [[3, 4], [NAN, NAN], [NAN, NAN]]),
        (lambda x, i: x.index_add(0, i, tg.ones_like(x[[0] * 3])), [[NAN, NAN], [4, 5]]),
        (lambda x, i: x.scatter_add(0, i.reshape(3, 1), x[[0] * 3]), [[NAN, 2], [4, 4]]),
        (lambda x, i: x.scatter(0, i.reshape(3, 1), 7.0), [[NAN, 2], [7, 4]]),
        (lambda x, i: x.index_fill(0, i, 7.0), [[NAN, NAN], [7, 7]]),
        (lambda x, i: x.index_copy(0, i, x[[0] * 3]), [[NAN, NAN], [1, 2]]),
    ],
)
def test_an_index_outside_that_lies_on_the_gpu_gives_nan(call, want):
    from standin import Cuda

    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], device="cuda", requires_grad=True)
    index = tg.tensor([1, 2, -3], device="cuda")
    before = Cuda.synchronizations
    y = call(x, index)
    y.sum().backward()
    assert Cuda.synchronizations == before
    np.testing.assert_array_equal(y.detach().cpu().numpy(), want)


@GPU
def test_a_write_outside_on_the_gpu_writes_nan():
    x = tg.zeros(3, device="cuda")
    x[tg.tensor([1, 3], device="cuda")] = 1
    assert x.isnan().tolist() == [True, True, False]


@GPU
@pytest.mark.parametrize(
    "mix",
    [
        lambda here, there: here + there,
        lambda here, there: there * here,
        lambda here, there: here @ there,
        lambda here, there: there @ here,
        lambda here, there: F.linear(here, there),
        lambda here, there: tg.where(here > 0, there, here),
        lambda here, there: tg.cat([here, there]),
        lambda here, there: F.conv2d(here[None, None], there[None, None]),
        lambda here, there: F.conv2d(there[None, None], here[None, None]),
        lambda here, there: tg.cdist(there, here),
        lambda here, there: F.cross_entropy(there, here[0].long()),
    ],
    ids=range(11),
)
def test_tensors_on_two_devices_are_an_error(mix):
    here, there = tg.ones(3, 3), tg.ones(3, 3, device="cuda")
    with pytest.raises(RuntimeError, match=r"the tensors are on .* and .*; bring them together"):
        mix(here, there)


@GPU
def test_values_are_printed_and_asked_for():
    x = tg.tensor([1.0, 2.0], device="cuda")
    assert repr(x) == "tensor([1., 2.], device='cuda:0')"
    assert (x.sum().item(), x.tolist(), float(x[1])) == (3.0, [1.0, 2.0], 2.0)
    with pytest.raises(TypeError, match=r"numpy: this tensor is on cuda:0; use \.cpu\(\)\.numpy"):
        x.numpy()


@GPU
def test_a_module_moves_with_its_gradients_and_buffers():
    layer = tg.nn.Sequential(tg.nn.Linear(3, 2), tg.nn.BatchNorm1d(2))
    kept = layer[0].weight
    layer(tg.ones(4, 3)).sum().backward()
    assert layer.to("cuda") is layer
    assert layer[0].weight is kept
    places = {str(t.device) for t in (*layer.parameters(), *layer.buffers())}
    assert places == {"cuda:0"}
    assert kept.grad.device == "cuda:0"
    assert layer.cpu()[0].weight.device == "cpu"
    assert layer.cuda()[1].running_mean.device == "cuda:0"
    assert layer.to(tg.float64).to(tg.zeros(1, device="cpu"))[0].bias.dtype == tg.float32


@GPU
def test_memory_is_counted():
    before = tg.cuda.memory_allocated()
    x = tg.zeros(1000, device="cuda")
    assert tg.cuda.memory_allocated() - before == x.nbytes
    assert tg.cuda.memory_reserved() >= tg.cuda.memory_allocated("cuda:0")
    del x
    assert tg.cuda.memory_allocated() == before
    tg.cuda.empty_cache()


@GPU
def test_waiting_is_asked_for():
    from standin import Cuda

    before = Cuda.synchronizations
    tg.cuda.synchronize()
    with tg.cuda.Stream() as stream:
        stream.synchronize()
    assert Cuda.synchronizations == before + 2


@pytest.fixture
def exact():
    before = tg.backends.get_float32_precision()
    tg.backends.set_float32_precision("exact")
    yield
    tg.backends.set_float32_precision(before)


@GPU
@pytest.mark.parametrize(("optimizer", "settings"), [
    ("SGD", {"lr": 0.05, "momentum": 0.9}), ("Adam", {"lr": 2e-3}),
])  # fmt: skip
def test_lenet_learns_digits_on_the_gpu_as_on_the_cpu(optimizer, settings, exact):
    """Five steps on packed digits: losses fall, and they and the weights are the same within rounding.

    Of plain sums: Winograd's rounding, which one device has and the other not, is ten times that.
    """
    tg.manual_seed(0)
    data = tg.data.digits()
    images, labels = tg.tensor(data.images[:8] / np.float32(255)), tg.tensor(data.labels[:8]).long()
    start = tg.models.LeNet5().state_dict()
    results = []
    for device in ("cpu", "cuda"):
        net = tg.models.LeNet5()
        net.load_state_dict(start)
        net.to(device)
        steps = getattr(tg.optim, optimizer)(net.parameters(), **settings)
        losses = []
        for _ in range(5):
            steps.zero_grad()
            losses.append(F.cross_entropy(net(images.to(device)), labels.to(device)))
            losses[-1].backward()
            steps.step()
        assert losses[-1].device.type == device
        weights = [p.detach().cpu().numpy() for p in net.parameters()]
        results.append(([loss.item() for loss in losses], weights))
    (losses, here), (losses_there, there) = results
    assert losses_there[-1] < 0.9 * losses_there[0]
    assert losses_there == pytest.approx(losses, rel=1e-4)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-2, atol=2e-4)


@GPU
def test_states_go_to_files_and_between_devices(tmp_path):
    pytest.importorskip("safetensors")
    here, there = tg.nn.Linear(3, 2), tg.nn.Linear(3, 2).to("cuda")
    there.load_state_dict(here.state_dict())
    assert there.weight.device == "cuda:0"
    np.testing.assert_array_equal(there.weight.detach().cpu().numpy(), here.weight.detach().numpy())
    tg.save(there.state_dict(), tmp_path / "there.safetensors")
    again = tg.nn.Linear(3, 2)
    again.load_state_dict(tg.load(tmp_path / "there.safetensors"))
    np.testing.assert_array_equal(again.weight.detach().numpy(), here.weight.detach().numpy())


@GPU
def test_an_optimizers_state_goes_where_the_parameter_is():
    def stepped(device):
        w = tg.tensor([1.0, 2.0], device=device, requires_grad=True)
        adam = tg.optim.Adam([w], lr=0.1)
        (w * w).sum().backward()
        adam.step()
        return w, adam

    there, one = stepped("cuda")
    here, other = stepped("cpu")
    for w, adam, state in ((here, other, one.state_dict()), (there, one, other.state_dict())):
        adam.load_state_dict(state)
        adam.step()
        moments = adam.state[w]["exp_avg"]
        assert type(moments) is type(w.array)
    np.testing.assert_allclose(there.tolist(), here.tolist(), rtol=1e-6)


@GPU
def test_the_trainer_takes_batches_to_the_model():
    tg.manual_seed(1)
    images = tg.randn(24, 4)
    data = tg.data.TensorDataset(images, (images.sum(1) > 0).long())
    model = tg.nn.Linear(4, 2).to("cuda")
    batches = tg.data.DataLoader(data, batch_size=8)
    trainer = tg.training.Trainer(model, tg.optim.Adam(model.parameters(), lr=0.1))
    history = trainer.fit(batches, batches, epochs=6)
    assert history[-1].validation_loss < 0.6 * history[0].train_loss
    assert model.weight.device == "cuda:0"


@GPU
def test_what_asks_a_model_takes_its_images_to_the_gpu():
    tg.manual_seed(0)
    model = tg.models.LeNet5().to("cuda")
    digits = tg.data.digits(train=False)
    there = tg.training.robustness(model, digits, images=10)
    ensemble = tg.ensemble.Ensemble([model])
    voted = ensemble.predict_proba(digits[:4][0])
    model.to("cpu")
    assert there == tg.training.robustness(model, digits, images=10)
    np.testing.assert_allclose(voted, ensemble.predict_proba(digits[:4][0]), rtol=1e-5)


# ---- what is not there ----


def test_without_cupy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert not tg.cuda.is_available()
    assert tg.cuda.device_count() == 0
    tg.cuda.empty_cache()
    message = r"device 'cuda': CuPy is not installed: pip install \"tinygrad-cv\[cuda13\]\""
    for use in (
        lambda: tg.ones(2).cuda(),
        lambda: tg.zeros(2, device="cuda"),
        lambda: tg.tensor([1.0], device="cuda"),
        lambda: tg.nn.Linear(2, 2).to("cuda"),
        lambda: tg.cuda.synchronize(),
        lambda: tg.cuda.memory_allocated(),
        lambda: tg.cuda.memory_reserved(),
        lambda: tg.cuda.current_device(),
        lambda: tg.cuda.Stream(),
        lambda: tg.set_default_device("cuda"),
    ):
        with pytest.raises(RuntimeError, match=message):
            use()


def test_without_a_driver_the_error_has_its_words_and_what_to_install(cupy, monkeypatch):
    def no_driver():
        raise cupy.cuda.runtime.CUDARuntimeError("cudaErrorInsufficientDriver: too old\nmore")

    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", no_driver)
    assert not tg.cuda.is_available()
    with pytest.raises(
        RuntimeError,
        match=r"^device 'cuda:0': cudaErrorInsufficientDriver: too old; install NVIDIA's driver, "
        r"or the CuPy that fits it: pip install .*$",
    ):
        tg.ones(2).to("cuda:0")


def test_a_gpu_of_another_number_is_refused(cupy, monkeypatch):
    with pytest.raises(RuntimeError, match="device 'cuda:1': this machine has only 'cuda:0'"):
        tg.ones(2).cuda("cuda:1")
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 2)
    with pytest.raises(RuntimeError, match="device 'cuda:2': this machine has 2 GPUs"):
        tg.zeros(2, device="cuda:2")
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 0)
    with pytest.raises(RuntimeError, match="device 'cuda': this machine has no GPU"):
        tg.zeros(2, device="cuda")
    assert not tg.cuda.is_available()


def test_the_cpu_is_no_gpu(cupy):
    with pytest.raises(ValueError, match="cuda: expected a GPU such as 'cuda:0', got 'cpu'"):
        tg.cuda.synchronize("cpu")
