"""Tests of opened networks: normalised pixels, logits, precision, digests, batches that do not fit, compiling."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models, transforms

from benchsuite import Architecture, BenchsuiteError, Crop, DataError, Input, Preprocess, UnsupportedProtocol, View
from benchsuite.models import network as networks
from benchsuite.models.device import Compute
from benchsuite.models.network import Network, open_network, state_digest
from benchsuite.models.score_map import derive, score_map
from benchsuite.models.transfer import DirectTransfer

PREPROCESS = Preprocess(40, 32, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CROP = View(40, Crop(32))


class Net(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Linear(8, classes)

    def forward(self, x: Any) -> Any:
        return self.fc(torch.relu(self.bn(self.conv(x))).mean((2, 3)))


def net(classes: int = 5) -> Net:
    torch.manual_seed(0)
    return Net(classes).eval()


def architecture(**fields: Any) -> Architecture:
    return Architecture("net", Net, PREPROCESS, **fields)


def network(preprocess: Preprocess = PREPROCESS, precision: str = "fp32", module: Any = None) -> Network:
    return Network(module or net(), preprocess, Compute("cpu", precision), {})


def images(n: int = 4, size: int = 32) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def every_value() -> Any:
    """One image that holds every value in every channel."""
    return np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)


def reference(pixels: Any, preprocess: Preprocess = PREPROCESS) -> Any:
    apply = transforms.Compose([transforms.ToTensor(), transforms.Normalize(preprocess.mean, preprocess.std)])
    return torch.stack([apply(Image.fromarray(p)) for p in pixels])


def test_pixels_are_normalised_bit_for_bit_as_torchvision_does() -> None:
    for pixels in (every_value(), images()):
        got = network().normalised(pixels, np.zeros(len(pixels), dtype=bool))
        assert got.dtype == torch.float32
        assert torch.equal(got, reference(pixels))


@pytest.mark.parametrize("flips", [(True,) * 4, (False, True, True, False)])
def test_only_the_asked_images_are_mirrored(flips: tuple[bool, ...]) -> None:
    pixels = images()
    mirrored = np.stack([p[:, ::-1] if f else p for p, f in zip(pixels, flips, strict=True)])
    got = network().normalised(pixels, np.array(flips))
    assert torch.equal(got, reference(mirrored))


def test_normalising_changes_neither_the_pixels_nor_the_next_call() -> None:
    it, pixels = network(), images()
    before, flips = pixels.copy(), np.array([True, False, True, False])
    first = it.normalised(pixels, flips).clone()
    assert torch.equal(it.normalised(pixels, flips), first)
    assert np.array_equal(pixels, before)


def test_the_logits_are_those_of_the_bare_module() -> None:
    module, pixels = net(), images()
    with torch.inference_mode():
        wanted = module(reference(pixels))
    got, places = network(module=module)(pixels, np.zeros(4, dtype=bool), CROP)
    assert places == 1
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_a_result_does_not_depend_on_the_batch() -> None:
    it, pixels, flips = network(), images(7), np.arange(7) % 2 == 0
    together = it(pixels, flips, CROP)[0]
    alone = np.concatenate([it(pixels[i : i + 1], flips[i : i + 1], CROP)[0] for i in range(7)])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_the_time_in_the_network_adds_up() -> None:
    it = network()
    assert it.seconds == 0
    it(images(), np.zeros(4, dtype=bool), CROP)
    first = it.seconds
    it(images(), np.zeros(4, dtype=bool), CROP)
    assert 0 < first < it.seconds


def test_a_network_says_how_long_the_host_has_copied_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    it = network()
    assert it.pinning == 0
    monkeypatch.setattr(it.transfer, "pinning", 1.5)
    assert it.pinning == 1.5


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_is_autocast_and_near_to_fp32(precision: str) -> None:
    torch.manual_seed(0)
    module, pixels, flips = models.resnet18(num_classes=5).eval(), images(2, 64), np.zeros(2, dtype=bool)
    exact, _ = network(module=module)(pixels, flips, CROP)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    with torch.inference_mode(), torch.autocast("cpu", dtype):
        x = reference(pixels).to(memory_format=torch.channels_last)
        wanted = module.to(memory_format=torch.channels_last)(x).float().numpy()
    it = network(precision=precision, module=module)
    got, _ = it(pixels, flips, CROP)
    assert module.conv1.weight.dtype == dtype
    assert module.bn1.weight.dtype == torch.float32
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, wanted)
    assert 0 < np.abs(got - exact).max() < 0.05 * np.abs(exact).max()


def test_the_digest_is_that_of_the_weights_before_any_cast() -> None:
    assert network(precision="bf16").digest == network().digest == state_digest(net())


@pytest.mark.parametrize("name", ["conv.weight", "fc.bias", "bn.running_mean", "bn.num_batches_tracked"])
def test_one_changed_number_changes_the_digest(name: str) -> None:
    module = net()
    before = state_digest(module)
    value = module.state_dict()[name]
    value.view(-1)[-1] += 1
    assert state_digest(module) != before


def test_the_digest_knows_names_shapes_and_types_but_no_layout() -> None:
    class One(nn.Module):
        def __init__(self, **tensors: Any) -> None:
            super().__init__()
            for name, tensor in tensors.items():
                self.register_buffer(name, tensor)

    zeros = torch.zeros(2, 3, 4, 4)
    digests = [
        state_digest(m)
        for m in (
            One(a=zeros),
            One(b=zeros),
            One(a=zeros.view(3, 2, 4, 4)),
            One(a=zeros.int()),
            One(a=zeros, b=torch.zeros(0)),
        )
    ]
    assert len(set(digests)) == 5
    ramp = torch.arange(96.0).view(2, 3, 4, 4)
    assert state_digest(One(a=ramp)) == state_digest(One(a=ramp.to(memory_format=torch.channels_last)))


def opened(module: Any, views: tuple[View, ...] = (CROP,), classes: int = 5, **fields: Any) -> Network:
    return open_network(architecture(**fields), module, PREPROCESS, views, classes, Compute())


def test_an_opened_network_answers_and_is_in_evaluation_mode() -> None:
    module = net().train()
    it = opened(module)
    assert not module.training
    assert it(images(), np.zeros(4, dtype=bool), CROP)[0].shape == (4, 5)


def test_an_opened_network_has_its_normalisation_folded_and_the_digest_of_its_checkpoint() -> None:
    module = net()
    wanted, digest = network(module=net())(images(), np.zeros(4, dtype=bool), CROP)[0], state_digest(module)
    it = opened(module)
    assert it.folded == 1
    assert it.digest == digest != state_digest(module)
    np.testing.assert_allclose(it(images(), np.zeros(4, dtype=bool), CROP)[0], wanted, rtol=1e-5, atol=1e-6)


def test_a_number_of_classes_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match=r"the number of classes of net to be 10, that of the dataset, got 5"):
        opened(net(), classes=10)


def test_a_crop_that_the_network_cannot_take_is_refused_with_its_size() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Any) -> Any:
            assert x.shape[2] == 32, "only 32 pixels"
            return x.mean((2, 3)).repeat(1, 2)[:, :5]

    module = nn.Sequential(Fixed())
    opened(module)
    for view, size in ((View(48, Crop(40)), "40x40"), (View((48, 40)), "48x40")):
        with pytest.raises(UnsupportedProtocol, match=f"a size that the network takes, got {size}: only 32 pixels"):
            opened(module, (view,))


@pytest.mark.parametrize(
    ("tail", "got"),
    [(lambda x: (x, x), "got tuple"), (lambda x: x, r"got \(1, 3, 32, 32\)")],
)
def test_an_output_that_is_no_row_of_logits_is_refused(tail: Any, got: str) -> None:
    class Odd(nn.Module):
        def forward(self, x: Any) -> Any:
            return tail(x)

    with pytest.raises(UnsupportedProtocol, match=rf"logits of shape \(n, classes\), {got}"):
        opened(Odd())


def test_dense_views_are_prepared_for_each_nominal_size_and_refused_before_any_image() -> None:
    views = tuple(View(64, dense=True, nominal=n) for n in (32, 40))
    it = opened(net(), views)
    assert {n: s.window for n, s in it.scores.items()} == {32: (16, 16), 40: (20, 20)}
    assert it(images(2, 64), np.zeros(2, dtype=bool), views[1])[1] == 13 * 13
    with pytest.raises(UnsupportedProtocol, match="its input size is fixed"):
        opened(net(), views, input=Input(fixed=True))


def test_probabilities_over_places_are_a_logarithm_of_their_mean() -> None:
    view = View(48, dense=True, nominal=32, spatial="prob")
    it = opened(net(), (view,))
    got, places = it(images(2, 48), np.zeros(2, dtype=bool), view)
    assert places == 9 * 9
    np.testing.assert_allclose(np.exp(got).sum(1), 1, rtol=1e-5)
    assert (got <= math.log(1)).all()


class Small(nn.Module):
    """The toy network on a device whose memory holds ``most`` pixels of images at once."""

    def __init__(self, most: int, error: BaseException | None = None) -> None:
        super().__init__()
        self.net, self.most, self.sizes = net(), most, list[int]()
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    def forward(self, x: Any) -> Any:
        self.sizes.append(len(x))
        if x.shape[0] * x.shape[2] * x.shape[3] > self.most:
            raise self.error
        return self.net(x)


@pytest.mark.parametrize("most", [1, 2, 3, 6, 11, 12])
def test_a_batch_without_memory_is_halved_and_gives_the_same_scores(most: int) -> None:
    pixels, flips = images(11), np.arange(11) % 3 == 0
    wanted, _ = network()(pixels, flips, CROP)
    module = Small(most * 32 * 32)
    it = network(module=module)
    got, places = it(pixels, flips, CROP)
    assert places == 1
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    module.sizes.clear()
    np.testing.assert_allclose(it(pixels, flips, CROP)[0], wanted, rtol=1e-5, atol=1e-6)
    assert max(module.sizes) <= most, "what fits is remembered"


def test_larger_batches_are_tried_again_when_there_may_be_memory() -> None:
    """Another process may have had it for a moment, which must not slow the rest of a run."""
    module, flips = Small(2 * 32 * 32), np.zeros(8, dtype=bool)
    it = network(module=module)
    it(images(8), flips, CROP)
    assert it.fits == 2 * 32 * 32
    module.most = 10**9
    for _ in range(networks.GOOD_PARTS):  # of four parts, later of two
        it(images(8), flips, CROP)
    module.sizes.clear()
    it(images(8), flips, CROP)
    assert module.sizes == [8]


def test_what_fits_is_known_for_images_of_another_size() -> None:
    module = Small(4 * 32 * 32)
    it = network(module=module)
    it(images(8), np.zeros(8, dtype=bool), CROP)
    module.sizes.clear()
    it(images(3, 64), np.zeros(3, dtype=bool), View(64, Crop(64)))
    assert module.sizes == [1, 1, 1]


def test_dense_views_are_halved_too() -> None:
    view = View(48, dense=True, nominal=32)
    wanted = opened(net(), (view,))(images(5, 48), np.zeros(5, dtype=bool), view)
    module = Small(10**9)
    it = opened(module, (view,))
    module.most = 2 * 48 * 48
    got = it(images(5, 48), np.zeros(5, dtype=bool), view)
    assert got[1] == wanted[1] == 81
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-5, atol=1e-6)


def test_an_image_that_does_not_fit_alone_is_refused_with_its_size() -> None:
    it = network(module=Small(32 * 32 - 1))
    with pytest.raises(BenchsuiteError, match=r"small enough for the memory of cpu, got 32x32 pixels"):
        it(images(), np.zeros(4, dtype=bool), CROP)


@pytest.mark.parametrize(
    "words", ["CUDA error: out of memory", "GET was unable to find an engine to execute this computation"]
)
def test_a_batch_is_halved_whichever_library_finds_no_memory(words: str) -> None:
    pixels, flips = images(5), np.zeros(5, dtype=bool)
    wanted, _ = network()(pixels, flips, CROP)
    it = network(module=Small(2 * 32 * 32, RuntimeError(words)))
    np.testing.assert_allclose(it(pixels, flips, CROP)[0], wanted, rtol=1e-5, atol=1e-6)
    assert it.fits == 2 * 32 * 32


@pytest.mark.parametrize("n", [1, 4])
def test_the_error_itself_is_raised_if_a_single_image_fails_for_what_may_be_another_reason(n: int) -> None:
    error = RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if ...")
    module = Small(32 * 32 - 1, error)
    with pytest.raises(RuntimeError) as raised:
        network(module=module)(images(n), np.zeros(n, dtype=bool), CROP)
    assert raised.value is error
    assert module.sizes[-1] == 1


def test_other_errors_of_a_network_are_not_taken_for_a_lack_of_memory() -> None:
    for error in (RuntimeError("broken"), ValueError("out of memory, says a plugin")):
        module = Small(0, error)
        with pytest.raises(type(error)) as raised:
            network(module=module)(images(), np.zeros(4, dtype=bool), CROP)
        assert raised.value is error
        assert module.sizes == [4], "no smaller batch is tried"


def test_a_compiled_network_is_used_for_crops_and_for_score_maps_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's tracer is used; the graphs that it passes to the compiler are run uncompiled, and counted."""
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    views = CROP, View(48, dense=True, nominal=32), View(48, dense=True, nominal=32, spatial="prob")
    shapes = [(2, 32, 32), *((n, h, w) for n in (2, 3) for h, w in ((48, 48), (48, 61), (70, 48)))]
    asked = [(images(n, 80)[:, :h, :w], v) for n, h, w in shapes for v in views if v.dense == (h > 32)]
    it = opened(net(), views)
    wanted = [it(x, np.zeros(len(x), dtype=bool), v) for x, v in asked]
    it.compile()
    tried = len(graphs)
    assert tried >= 2, "both kinds are tried at once"
    got = [it(x, np.zeros(len(x), dtype=bool), v) for x, v in asked]
    assert len(graphs) <= tried + 1, "a new size compiles nothing, but for square images, once"
    for (a, places), (b, of) in zip(got, wanted, strict=True):
        assert places == of
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # uncompiled it is oneDNN that computes


def test_nothing_is_compiled_within_a_pass_over_crops_however_many_are_in_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the first batch would include a minute of compiling, and a profile would count it as time of the network."""
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    it = opened(net(), (CROP,))
    it.compile()
    tried = len(graphs)
    for n in (8, 8, 5, 2):
        it(images(n), np.zeros(n, dtype=bool), CROP)
    assert len(graphs) == tried > 0
    opened(net(), (CROP,)).compile(crops=False)
    assert len(graphs) == tried, "a run of score maps alone waits for none of it"


def test_a_network_that_cannot_be_compiled_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(module: Any) -> Any:
        raise RuntimeError("no compiler\nin many lines")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    with pytest.raises(BenchsuiteError, match=r"Expected --compile to be possible .*, got no compiler$"):
        network().compile()


def test_a_compiler_that_makes_another_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like a compiler that ignores score maps and returns the logits of the whole image."""
    whole = {score_map: lambda module, found, x: (module(x).unsqueeze(1), 1)}
    monkeypatch.setattr(torch, "compile", lambda function, **_: whole.get(function, function))
    opened(net()).compile()
    with pytest.raises(
        BenchsuiteError, match=r"^Expected the logits with --compile to be those without it, got others on noise$"
    ):
        opened(net(), (View(48, dense=True, nominal=32),)).compile()


def test_float32_on_cuda_has_no_tf32_in_it() -> None:
    seen: list[bool] = []

    class Looks(nn.Module):
        def forward(self, x: Any) -> Any:
            seen.append(torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)
            return x

    for precision in ("fp32", "tf32"):
        network(precision=precision, module=nn.Sequential(Looks(), net()))(images(), np.zeros(4, dtype=bool), CROP)
    assert seen == [False, True]


@pytest.mark.parametrize(
    "view", [CROP, *(View(64, dense=True, nominal=32, spatial=s) for s in ("mean", "prob", "gap"))]
)
def test_every_number_of_a_pass_is_on_the_device(monkeypatch: pytest.MonkeyPatch, view: View) -> None:
    """Fake tensors on a GPU that need not exist: torch raises an error if they are mixed with those of the host."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode, scores, devices = FakeTensorMode(), {32: derive(architecture(), net(), 32)}, list[str]()

    class Pretended(DirectTransfer):
        def up(self, pixels: Any) -> Any:
            return torch.empty(pixels.shape, dtype=torch.from_numpy(pixels).dtype, device=self.device)

        def down(self, scores: Any) -> Any:
            devices.append(scores.device.type)
            return lambda: (np.zeros(tuple(scores.shape), np.float32), 0.0)

    for name, stand_in in {"transfer": Pretended, "moved": lambda m, d: m, "state_digest": lambda m: ""}.items():
        monkeypatch.setattr(networks, name, stand_in)
    size = (32, 32) if view.crop else (64, 71)
    with mode:
        with torch.device("cuda"):
            module = Net()
        made = Network(module, PREPROCESS, Compute("cuda"), scores)
        found, _ = made(np.zeros((2, *size, 3), np.uint8), np.array([True, False]), view)
        assert found.shape == (2, 5)
    assert devices == ["cuda"]
