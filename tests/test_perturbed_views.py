"""Tests of perturbed views in a whole evaluation: the same bytes for any batch size, company, cache and label order."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import crash_plugin
import numpy as np
import pytest
import torch
from toys import one_by_one

from benchsuite import Loader, Preprocess, Sample, Split, View, distinct, load_plugins
from benchsuite.evaluation import input_pipeline
from benchsuite.evaluation.question import ImageSource
from benchsuite.evaluator import OpenNetwork, Settings, fill
from benchsuite.models.device import Compute
from benchsuite.models.network import Network
from benchsuite.specs.parameters import bind, finder, views
from benchsuite.storage.logit_cache import ChunkStore

FIND = finder(load_plugins(entry_points=False).protocols)
PREPROCESS = crash_plugin.PREPROCESS
IMAGES = 37
LOADER = Loader("plain", one_by_one, exact=True, note="For tests.")
FIXED = ["lowpass:r=3", "highpass:r=3,of=10crop", "lowpass:r=3,on=image,of=10crop", "noise", "noise:of=tta"]
ATTACKS = ["fgsm", "pgd:of=tta,steps=2", "pgd:steps=2,seed=1"]


class OneByOne(torch.nn.Module):
    """The network of the specks on one image at a time: its logits do not depend on the batch, down to the last bit."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = crash_plugin.build(len(crash_plugin.CLASSES))

    def forward(self, x: Any) -> Any:
        return torch.cat([self.net(one) for one in x.split(1)])


class InBatches(OneByOne):
    """The network of the specks: the last bit of its logits depends on the batch."""

    def forward(self, x: Any) -> Any:
        return self.net(x)


def made(*texts: str, preprocess: Preprocess = PREPROCESS) -> tuple[View, ...]:
    return distinct(v for text in texts for v in views(bind(text, FIND), preprocess, mirror=True))


def split(samples: Sequence[Sample] = ()) -> Split:
    found = crash_plugin.open_specks(str(IMAGES), "test")
    return dataclasses.replace(found, samples=tuple(samples)) if samples else found


def opened(store: Path, wanted: tuple[View, ...], module: Any, told: list[list[str]] | None = None) -> OpenNetwork:
    """``told`` records the ids of each batch of an attacked view."""
    network = Network(module, PREPROCESS, Compute(), {})

    def predict(pixels: Any, flips: Any, view: View, samples: Sequence[Sample] = ()) -> Any:
        if told is not None and view.attacked:
            told.append([s.id for s in samples])
        return network(pixels, flips, view, samples)

    return OpenNetwork(predict, wanted, ChunkStore(store), "digest")


def computed(
    store: Path,
    wanted: tuple[View, ...],
    *,
    module: type[OneByOne] = OneByOne,
    batch_size: int = 8,
    chunk: int = 16,
    of: Split | None = None,
    told: list[list[str]] | None = None,
    held: int = input_pipeline.HELD_BYTES,
) -> dict[View, bytes]:
    """The bytes of the logits and places of every view, through chunks and their cache."""
    images = of or split()
    chunks = [images.samples[i : i + chunk] for i in range(0, len(images.samples), chunk)]
    network = opened(store, wanted, module(), told)
    found: dict[View, list[bytes]] = {v: [] for v in wanted}
    settings = Settings(batch_size, 0, held=held)
    for logits in fill(network, ImageSource(images, LOADER), chunks, settings, lambda _: None):
        for view, (scores, places) in logits.items():
            assert np.isfinite(scores).all()
            found[view].append(scores.tobytes() + places.tobytes())
    return {v: b"".join(parts) for v, parts in found.items()}


@pytest.mark.parametrize("text", FIXED)
def test_a_changed_picture_has_the_same_logits_in_batches_of_any_size(tmp_path: Path, text: str) -> None:
    wanted = made(text)
    alone, seven, many = (computed(tmp_path / f"{n}", wanted, batch_size=n) for n in (1, 7, 64))
    assert alone == seven == many
    assert len({*alone.values()}) == len(wanted), "no view is that of another"


@pytest.mark.parametrize("text", ATTACKS)
@pytest.mark.parametrize("module", [OneByOne, InBatches])
def test_an_attack_has_the_same_logits_for_any_batch_size_even_if_the_network_depends_on_batches(
    tmp_path: Path, text: str, module: type[OneByOne]
) -> None:
    wanted = made(text)
    alone, seven, many = (computed(tmp_path / f"{n}", wanted, batch_size=n, module=module) for n in (1, 7, 64))
    assert alone == seven == many


@pytest.mark.parametrize("text", [*FIXED, *ATTACKS])
def test_other_protocols_of_a_run_change_nothing(tmp_path: Path, text: str) -> None:
    wanted = made(text)
    others = made("1crop", "10crop", "1crop:resize=12", "lowpass:r=2", "fgsm:eps=1/255", "noise:std=0.3")
    company = distinct((*others, *wanted))
    alone, together = computed(tmp_path / "alone", wanted), computed(tmp_path / "together", company)
    assert {v: together[v] for v in wanted} == alone


@pytest.mark.parametrize("module", [OneByOne, InBatches])
def test_batches_of_an_attack_know_neither_other_views_nor_the_memory_for_waiting_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: type[OneByOne]
) -> None:
    wanted = made("pgd:steps=1,of=10crop(flip=false)")
    told: list[list[str]] = []
    alone = computed(tmp_path / "alone", wanted, module=module, told=told)
    assert [len(batch) for batch in told] == [16] * 5 + [16] * 5 + [5] * 5, "a batch for each view of a chunk"
    monkeypatch.setattr(input_pipeline, "ATTACKED", 6)
    few: list[list[str]] = []
    computed(tmp_path / "few", wanted, module=module, told=few)
    assert sorted({len(batch) for batch in few}) == [4, 5, 6]
    monkeypatch.undo()
    again: list[list[str]] = []
    company = (*made("1crop", "10crop", "fgsm"), *wanted)
    together = computed(tmp_path / "together", company, module=module, batch_size=3, told=again, held=1)  # one by one
    assert {v: together[v] for v in wanted} == alone
    assert sorted(batch for batch in again) == sorted([*told, *told[:1], *told[5:6], *told[10:11]])


def test_large_pictures_are_attacked_in_smaller_batches() -> None:
    (view,) = made("fgsm", preprocess=dataclasses.replace(PREPROCESS, resize=512, crop=512))
    pieces = (input_pipeline.Piece(i, 0, np.zeros((512, 512, 3), dtype=np.uint8)) for i in range(9))
    assert [len(b) for b in input_pipeline.batches(pieces, (view,), 1)] == [4, 4, 1]


def test_what_is_left_after_an_interruption_is_computed_to_the_same_bytes(tmp_path: Path) -> None:
    wanted = made("1crop", *FIXED, *ATTACKS)
    whole = computed(tmp_path / "whole", wanted, module=InBatches)
    part = tmp_path / "part"
    images = split()
    chunks = [images.samples[:16], images.samples[16:32], images.samples[32:]]
    network = opened(part, wanted, InBatches())
    steps = fill(network, ImageSource(images, LOADER), chunks, Settings(8, 0), lambda _: None)
    next(steps)
    steps.close()
    assert len(list(part.rglob("*.logits"))) == len(wanted)
    assert computed(part, wanted, module=InBatches) == whole
    assert computed(part, wanted, module=InBatches) == whole, "from the cache"


def test_views_that_were_there_before_do_not_change_the_batches_of_an_attack(tmp_path: Path) -> None:
    """An attack that is added to a finished run comes to the bits that it has alone."""
    first, second = made("10crop", "fgsm"), made("10crop", "fgsm", "pgd:steps=2", "lowpass:r=3")
    computed(tmp_path / "grown", first, module=InBatches)
    grown = computed(tmp_path / "grown", second, module=InBatches)
    (attack,) = made("pgd:steps=2")
    assert grown[attack] == computed(tmp_path / "alone", (attack,), module=InBatches)[attack]


def test_another_label_is_another_attack_and_the_same_picture_otherwise(tmp_path: Path) -> None:
    """Two data sets with the same images and other labels share a cache."""
    wanted = made("1crop", "lowpass:r=3", "noise", "fgsm")
    images = split()
    turned = split([dataclasses.replace(s, label=(s.label + 1) % len(images.classes)) for s in images.samples])
    before, after = computed(tmp_path, wanted), computed(tmp_path, wanted, of=turned)
    assert [before[v] == after[v] for v in wanted] == [True, True, True, False]
    assert after == computed(tmp_path / "fresh", wanted, of=turned)
    assert computed(tmp_path, wanted) == before


def test_noise_and_random_starts_follow_the_id_of_an_image_not_its_place(tmp_path: Path) -> None:
    wanted = made("noise", "pgd:steps=1,step=1/1000")
    images = split()
    later = split(images.samples[5:])
    whole, part = computed(tmp_path / "a", wanted, chunk=1), computed(tmp_path / "b", wanted, chunk=1, of=later)
    for view in wanted:
        size = len(whole[view]) // IMAGES
        assert whole[view][5 * size :] == part[view]
