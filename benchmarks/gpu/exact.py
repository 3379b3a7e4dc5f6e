"""Checks of exactness: bits, counts, precisions, pinned memory and streams, changed pixels, TF32, compiled networks."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import shutil
import warnings
from fractions import Fraction
from typing import Any, get_args

import numpy as np
import torch
from benchsuite.protocols.adversarial import fast_gradient_sign, projected_gradient
from benchsuite.protocols.frequency import low_pass
from benchsuite.protocols.noise import gaussian
from gpu_check import made_up
from gpu_check.bench import Bench, apart, beyond_ties, softmax
from gpu_check.rows import Check, Outcome, Stage, measured, promised, skipped

from benchsuite import Preprocess
from benchsuite.evaluation.question import TOLERANCE
from benchsuite.evaluation.resident import on_device
from benchsuite.models.device import device_here
from benchsuite.models.input_normalization import InputNormalization
from benchsuite.models.network import COMPILED
from benchsuite.models.perturbed_batch import PerturbedBatch, perturbed
from benchsuite.models.precision import computing
from benchsuite.models.resize.check import difference
from benchsuite.models.resize.coefficients import VERTICAL_FIRST
from benchsuite.models.resize.resampling import resized
from benchsuite.progress import Progress
from benchsuite.runs import auto_precision
from benchsuite.runs import run as runs
from benchsuite.runs.plan import plan
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import Interpolation

PROTOCOLS = ("1crop", "10crop", "fullconv")
RESIZED = ("10crop", "multiscale")

RESIZES = ((375, 500, 224, 298), (90, 120, 240, 320), (300, 90, 60, 80), (61, 400, 70, 70), (1, 7, 5, 3))
"""Height and width before and after."""

TF32 = 2e-5
"""What lies between the errors of products and convolutions in float32 and in TF32, relative to the largest result."""

OFF = 1e-4
"""Largest difference between float32 on the device and on the CPU, relative to the largest number: rounding."""


def prepare(bench: Bench) -> Outcome:
    """Makes what the other checks need."""
    return measured(made_up.prepare(bench.name))


def pixel_values(bench: Bench) -> Outcome:
    """uint8 pixels become the same numbers on the device as on the CPU, bit for bit, and as in NumPy."""
    values = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None, None], (1, 256, 1, 3)).copy()
    on_host = torch.from_numpy(values)
    other = unit_other = 0
    for how in (bench.sizes.preprocess, Preprocess(36, 32, "bilinear", (104.0, 117.0, 123.0), (1.0,) * 3, range=255.0)):
        ours, theirs = InputNormalization(how, bench.name), InputNormalization(how, "cpu")
        on_device = on_host.to(bench.name)
        other += int((ours(on_device).cpu() != theirs(on_host)).sum())
        wanted = values.astype(np.float32) / np.float32(255)
        unit_other += int((ours.unit(on_device).cpu().permute(0, 2, 3, 1).numpy() != wanted).sum())
    return promised(not other + unit_other, f"{other} of 1536 normalised and {unit_other} of 1536 unit values differ")


def same_bits(bench: Bench) -> Outcome:
    """The same batch has the same bits: again, after other batches, and from a network that is opened anew."""
    n, found, kept = bench.sizes.few, [], True
    pixels, flips = made_up.crops(n), np.arange(n) % 3 == 0
    side = bench.sizes.resize
    whole = np.stack([made_up.picture(i, side + side // 3, side) for i in range(4)])
    for precision in bench.precisions:
        results = []
        networks = [bench.network(precision)]
        if precision == "fp32":  # opening takes longer than all the rest
            networks.append(bench.new_network(precision, bench.name))
        for network in networks:
            for _ in range(2):
                crops = network(pixels, flips, bench.crop)[0]
                maps = network(whole, flips[:4], bench.dense)[0]
                network(pixels[: n // 3], flips[: n // 3], bench.crop)
                results.append(crops.tobytes() + maps.tobytes())
        same = len(set(results)) == 1
        kept &= same
        found.append(f"{precision}: {'the same' if same else 'OTHER BITS'}")
    return promised(kept, f"{n} crops and 4 score maps, twice, fp32 also anew; {', '.join(found)}")


def against_cpu(bench: Bench) -> Outcome:
    """The logits of each precision against float32 on the CPU; float32 is bounded."""
    n = bench.sizes.few
    pixels, flips = made_up.crops(n), np.arange(n) % 3 == 0
    side, cpu = bench.sizes.resize, bench.network("fp32", "cpu")
    whole = np.stack([made_up.picture(i, side + 5, side) for i in range(4)])
    wanted = np.concatenate([cpu(pixels[i : i + 16], flips[i : i + 16], bench.crop)[0] for i in range(0, n, 16)])
    maps, places = cpu(whole, flips[:4], bench.dense)
    words, kept, values = list[str](), True, dict[str, float]()
    for precision in bench.precisions:
        network = bench.network(precision)
        crops, (dense, of) = network(pixels, flips, bench.crop)[0], network(whole, flips[:4], bench.dense)
        values[precision] = off = max(apart(wanted, crops), apart(maps, dense))
        changed = int((wanted.argmax(1) != crops.argmax(1)).sum())
        kept &= places == of and (off <= OFF or precision != "fp32")
        words.append(f"{precision} {off:.1e} ({changed} other top-1)")
    return promised(kept, f"largest difference relative to the largest logit: {', '.join(words)}", off=values)


def batch_sizes(bench: Bench) -> Outcome:
    """Batches of other sizes change probabilities by no more than what counts as a near tie."""
    n, words, kept = bench.sizes.few, list[str](), True
    pixels, flips = made_up.crops(n), np.arange(n) % 3 == 0
    for precision in bench.precisions:
        network = bench.network(precision)

        def cut(size: int, network: Any = network) -> Any:
            parts = [network(pixels[i : i + size], flips[i : i + size], bench.crop)[0] for i in range(0, n, size)]
            return np.concatenate(parts)

        whole, others = cut(n), [cut(size) for size in (n // 3, 7, 1)]
        off = max(float(np.abs(softmax(whole) - softmax(x)).max()) for x in others)
        bits = sum(np.array_equal(whole, x) for x in others)
        kept &= off <= TOLERANCE[precision]
        words.append(f"{precision} {off:.1e} of {TOLERANCE[precision]:g} ({bits} of 3 the same bits)")
    return promised(kept, f"batches of {n}, {n // 3}, 7 and 1, probabilities: {', '.join(words)}")


def counts(bench: Bench) -> Outcome:
    """Whole evaluations: counts on the device are those of the CPU, and of other batches, but for near ties."""
    limit, words, kept = bench.sizes.few // 3, list[str](), True
    base = bench.evaluate(PROTOCOLS, device="cpu", limit=limit)
    for name, options in (("batches as usual", {}), ("batches of 7", {"batch_size": 7})):
        found = bench.evaluate(PROTOCOLS, limit=limit, **options)
        pairs = [beyond_ties(base[p], found[p], "fp32") for p in PROTOCOLS]
        kept &= not any(beyond for _, beyond in pairs)
        words.append(f"{name}: {sum(changed for changed, _ in pairs)} other top-1")
        words[-1] += f", {sum(beyond for _, beyond in pairs)} beyond near ties"
    errors = " ".join(f"{p} {one.errors}" for p, one in base.items())
    return promised(kept, f"{limit} images, top-1/top-5 errors on the CPU {errors}; {'; '.join(words)}")


def lower_counts(bench: Bench) -> Outcome:
    """Whole evaluations in lower precisions, against float32 on the device."""
    limit, words = bench.sizes.few, list[str]()
    base = bench.evaluate(PROTOCOLS, limit=limit)
    for precision in bench.precisions[1:]:
        found = bench.evaluate(PROTOCOLS, limit=limit, precision=precision)
        pairs = [beyond_ties(base[p], found[p], precision) for p in PROTOCOLS]
        changed, beyond = (sum(column) for column in zip(*pairs, strict=True))
        words.append(f"{precision} {changed} other top-1, {beyond} beyond near ties")
    total = limit * len(PROTOCOLS)
    return measured(f"of {total} answers: {', '.join(words) or 'no lower precision is native here'}")


def resize_bits(bench: Bench) -> Outcome:
    """Every filter, smaller and larger, in both orders of passes: the bits of the CPU, and of Pillow if it is here."""
    device, cpu, n, other = torch.device(bench.name), torch.device("cpu"), 0, 0
    for height, width, high, wide in RESIZES:
        noise = np.random.default_rng(height).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        for name, version in itertools.product(get_args(Interpolation), (VERTICAL_FIRST - 1, VERTICAL_FIRST)):
            there, here = (resized(torch.from_numpy(noise).to(d), high, wide, name, version) for d in (device, cpu))
            n, other = n + 1, other + int((there.cpu() != here).any())
    if importlib.util.find_spec("PIL") is None:
        return promised(not other, f"{other} of {n} resizes have other bits than on the CPU; Pillow is not here")
    refused = difference(device)
    text = f"{other} of {n} resizes have other bits than on the CPU; {refused or 'those of the installed Pillow'}"
    return promised(not other and not refused, text)


def resized_views(bench: Bench) -> Outcome:
    """Whole evaluations whose images are resized on the device have the logits of those whose images the host resizes.

    Batches are the same, so predictions are the same to the last bit.
    """
    words, kept, limit = list[str](), True, bench.sizes.few // 3
    passes = {where: bench.evaluate(RESIZED, limit=limit, resize_on=where) for where in ("host", "device")}
    for name in RESIZED:
        host, there = (passes[where][name] for where in ("host", "device"))
        same = all(np.array_equal(host.columns[c], there.columns[c]) for c in host.columns)
        counted = there.manifest["profile"]["resized"]
        kept &= same and counted["on_device"] > 0
        words.append(f"{name}: {'the same' if same else 'OTHER'} predictions")
    counts = f"{counted['on_device']} images on the device, {counted['on_host']} on the host {counted['refused']}"
    return promised(kept, f"{'; '.join(words)}; {counts.strip()}")


def resident_views(bench: Bench) -> Outcome:
    """Whole evaluations of images that stay on the device have the predictions of those that are read again."""
    limit, protocols = bench.sizes.few // 3, ("1crop", "10crop")
    base = bench.evaluate(protocols, limit=limit, batch_size=16)
    passes = [bench.evaluate(protocols, limit=limit, batch_size=16, loader="torch,resident") for _ in range(2)]
    same = all(
        np.array_equal(base[name].columns[c], found[name].columns[c])
        for found in passes
        for name in protocols
        for c in base[name].columns
    )
    held = on_device(device_here(bench.name)).bytes
    rates = ", ".join(f"{one['1crop'].rate:.0f}" for one in (base, *passes))
    kept = same and (held > 0 or not bench.cuda)
    words = f"{limit} images, read, kept and again: {'the same' if same else 'OTHER'} predictions, {rates} images/s"
    return promised(kept, f"{words}; {held / 2**20:.1f} MiB stay on the device")


def pinned(bench: Bench) -> Outcome:
    """Batches that are submitted ahead, from one array that is overwritten at once, have the scores of their own."""
    count, n = 24, max(2, bench.sizes.batch // 8)
    network, pixels = bench.network(bench.lower), made_up.crops(n)
    batches = [np.ascontiguousarray(np.roll(pixels, i, axis=(0, 1, 2)[i % 3])) for i in range(count)]
    flips = [np.arange(n) % (2 + i % 3) == 0 for i in range(count)]
    if network.start is None and bench.cuda:
        return promised(False, "the network does not submit batches ahead")
    buffer, finishes = np.empty_like(pixels), []
    for x, f in zip(batches, flips, strict=True):
        buffer[:] = x
        finishes.append((network.start or network.begin)(buffer, f, bench.crop))
    buffer[:] = 0
    ahead = [finish()[0] for finish in finishes]
    pinning, working = network.pinning, network.seconds
    alone = [network(x, f, bench.crop)[0] for x, f in zip(batches, flips, strict=True)]
    wrong = sum(not np.array_equal(a, b) for a, b in zip(ahead, alone, strict=True))
    text = f"{wrong} of {count} batches of {n} differ; one by one the host pinned for {network.pinning - pinning:.2f} s"
    return promised(not wrong, text + f", the device worked for {network.seconds - working:.2f} s")


def changed_pixels(bench: Bench) -> Outcome:
    """Noise and filters on the device change pixels as on the CPU."""
    n, words, kept = 8, list[str](), True
    samples = [Sample(f"{i:06}", i % bench.sizes.classes, "made up", "1") for i in range(n)]
    pixels = torch.from_numpy(made_up.crops(n)).permute(0, 3, 1, 2).float() / 255
    for change in (gaussian(std=Fraction(1, 10)), low_pass(r=Fraction(bench.sizes.crop, 8))):
        found = [
            perturbed(change, pixels.to(device), PerturbedBatch(samples, torch.device(device))).cpu()
            for device in (bench.name, "cpu")
        ]
        off = float((found[0] - found[1]).abs().max())
        kept &= off <= 1e-5
        words.append(f"{change.name} {off:.1e}")
    limit = bench.sizes.few // 3
    here, there = (bench.evaluate(("noise", "1crop"), device=d, limit=limit) for d in (bench.name, "cpu"))
    pairs = [beyond_ties(there[p], here[p], "fp32") for p in there]
    kept &= not any(beyond for _, beyond in pairs)
    text = f"largest difference of a pixel: {', '.join(words)}"
    return promised(kept, f"{text}; {limit} images: {pairs[0][0]} other top-1")


def attacks(bench: Bench) -> Outcome:
    """Attacks by the gradient: nearly all pixels move as on the CPU, within eps, and the loss grows."""
    n, words, kept, eps = 8, list[str](), True, Fraction(4, 255)
    samples = [Sample(f"{i:06}", i % bench.sizes.classes, "made up", "1") for i in range(n)]
    pixels, flips = made_up.crops(n), np.arange(n) % 2 == 0
    networks = [bench.network("fp32", device) for device in (bench.name, bench.name, "cpu")]
    for change in (fast_gradient_sign(eps=eps), projected_gradient(eps=eps, steps=3)):
        found = []
        for network in networks:
            with computing("fp32", network.device), torch.no_grad():
                x, batch = network.differentiable(pixels, flips, samples)
                moved = perturbed(change, x, batch)
                before, after = (
                    torch.nn.functional.cross_entropy(batch.logits(y), batch.labels).item() for y in (x, moved)
                )
                found.append(moved.cpu())
                kept &= after > before and float((moved - x).abs().max()) <= float(eps) + 1e-6
        other = float((found[0] - found[2]).abs().gt(1e-5).float().mean())
        again = "the same bits again" if torch.equal(found[0], found[1]) else "other bits again"
        kept &= other <= 0.1
        words.append(f"{change.name}: {100 * other:.2g} % of the pixels move otherwise than on the CPU, {again}")
    return promised(kept, f"{'; '.join(words)}; the loss grows within eps")


def auto(bench: Bench) -> Outcome:
    """``--precision auto`` decides, and says why."""
    request = bench.request(("1crop",), precision="auto", limit=2 * bench.sizes.few)
    worth = auto_precision.WORTH
    auto_precision.WORTH = 0  # also for few images
    try:
        (question,) = runs.with_auto_precision(request, plan(request, bench.catalog), Progress())
    finally:
        auto_precision.WORTH = worth
    (decision,) = question.precision_checks
    kept = question.precision in bench.precisions and bool(decision["checks"]) == bool(bench.precisions[1:])
    return promised(kept, auto_precision.describe_decision(decision))


def switches(bench: Bench) -> Outcome:
    """float32 is float32 whatever TF32 switches a program has set, old or new, and they are as before afterwards."""
    cuda, words, kept = torch.backends.cuda.matmul, list[str](), True
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 256, generator=generator).to(bench.name) for _ in range(2))
    x, w = torch.randn(4, 64, 28, 28, generator=generator), torch.randn(64, 64, 3, 3, generator=generator)
    exact = a.double() @ b.double(), torch.nn.functional.conv2d(x.to(bench.name).double(), w.to(bench.name).double())

    def off(precision: str) -> float:
        with computing(precision, torch.device(bench.name)), torch.inference_mode():
            found = a @ b, torch.nn.functional.conv2d(x.to(bench.name), w.to(bench.name))
        pairs = zip(found, exact, strict=True)
        return max(float((one.double() - two).abs().max() / two.abs().max()) for one, two in pairs)

    ways: list[tuple[str, Any, str, Any]] = [("allow_tf32", cuda, "allow_tf32", True)]
    if hasattr(cuda, "fp32_precision"):
        ways.append(("fp32_precision of products", cuda, "fp32_precision", "tf32"))
        ways.append(("fp32_precision of all", torch.backends, "fp32_precision", "tf32"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, owner, attribute, value in ways:
            setattr(owner, attribute, value)
            full = off("fp32")
            lower = off("tf32") if bench.cuda else full
            kept &= full < TF32 and getattr(owner, attribute) == value
            kept &= lower > TF32 or not bench.real
            words.append(f"{name}: fp32 off by {full:.1e}, tf32 by {lower:.1e}")
    return promised(kept, "; ".join(words))


def compiled(bench: Bench) -> Outcome:
    """A compiled network has the logits of the one that is not, within what ``--compile`` allows."""
    if bench.real and not any(map(shutil.which, ("cc", "gcc", "clang"))):
        return skipped("no C compiler is installed here")
    if not bench.cuda:  # inductor would take minutes
        torch.compile = functools.partial(torch.compile, backend="eager")
    network, other = bench.new_network(bench.lower, bench.name, compiled=True), bench.network(bench.lower)
    n = bench.sizes.few
    pixels, flips = made_up.crops(n), np.arange(n) % 3 == 0
    one, two = network(pixels, flips, bench.crop)[0], other(pixels, flips, bench.crop)[0]
    off, changed = apart(two, one), int((one.argmax(1) != two.argmax(1)).sum())
    return promised(network.compiled and off <= COMPILED, f"logits off by {off:.1e}; {changed} other top-1")


PREPARE = Stage("prepare", 60, (Check("pictures, a network and its labels", prepare, 5, "within a minute"),))
EXACT = Stage(
    "exact",
    90,
    (
        Check("uint8 pixels are normalised bit for bit", pixel_values, 1, "none differs"),
        Check("the same batch has the same bits", same_bits, 8, "the same in every precision"),
        Check("Pillow's resize on the device, bit for bit", resize_bits, 4, "no other bits"),
        Check("logits against float32 on the CPU", against_cpu, 10, f"fp32 within {OFF:g}"),
        Check("counts are the CPU's but for near ties", counts, 20, "none beyond near ties"),
        Check("images resized on the device", resized_views, 12, "the same predictions"),
        Check("images that stay on the device", resident_views, 8, "the same predictions"),
        Check("pinned memory and streams", pinned, 4, "none differs"),
        Check("batches of other sizes", batch_sizes, 6, "within a near tie"),
        Check("auto precision", auto, 8, "a decision with its reason"),
        Check("counts in lower precisions", lower_counts, 10, "few beyond near ties"),
        Check("noise and filters on the device", changed_pixels, 6, "pixels within 1e-05"),
        Check("attacks on the device", attacks, 8, "at most 10 % of the pixels"),
    ),
)
SWITCHES = Stage("switches", 20, (Check("TF32 switches, old and new", switches, 2, f"fp32 within {TF32:g}"),))
COMPILE = Stage("compile", 90, (Check("compiled network", compiled, 40, f"logits within {COMPILED:g}"),))
