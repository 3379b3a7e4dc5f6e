"""The check of a protocol."""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Mapping
from typing import Any

from benchsuite.specs import parameters
from benchsuite.specs.combine import Combine
from benchsuite.specs.preprocess import Preprocess, center
from benchsuite.specs.protocol import Protocol
from benchsuite.specs.view import View, view_data, view_from_data
from benchsuite.testing.checker import Checker
from benchsuite.testing.perturbations import check_perturbation

_GREY: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
PROBES = (
    Preprocess(256, 224, "bilinear", **_GREY),
    Preprocess(235, 224, "bicubic", long_side="round", **_GREY),
    Preprocess(32, 32, "bilinear", antialias=False, **_GREY),
    Preprocess((40, 36), 32, "bilinear", **_GREY),
    Preprocess((28, 28), 28, "lanczos", **_GREY),
)
"""Preprocessings that protocols are tried with: a wide, an odd or no margin; the aspect ratio kept or ignored."""


def check_protocol(p: Protocol) -> None:
    """Checks name, note, source and parameters, and that the views are distinct, reproducible and survive JSON.

    The ``Perturbation`` of a protocol that changes pixels is checked by ``check_perturbation``.
    """
    it = Checker(f"protocol {p.name}")
    it.declares(p.name, note=p.note, source=p.source)
    it.needs(isinstance(p.combine, Combine), "combine", "a Combine", p.combine)
    with it.runs(f"the parameters of {'perturb' if p.perturb is not None else 'views'}"):
        known = parameters.parameters(p)
        for name, (_, default) in known.items():
            it.needs(default is not inspect.Parameter.empty, f"the parameter {name}", "one with a default", "none")
        one = Protocol("1crop", lambda preprocess: (center(preprocess),), Combine(), note="", source="")
        bound = parameters.bind(p.name, lambda name: p if name == p.name else one)
        again = parameters.bind(bound.label, lambda name: p if name == p.name else one)
    it.needs(again == bound, "the protocol of its own label", bound.label, again.label)
    if p.perturb is None:  # else the label names the strength of the change
        it.needs(bound.label == p.name, "the label without parameters", p.name, bound.label)
    if p.perturb is not None:
        made = parameters.perturbation(bound)
        it.needs(made == parameters.perturbation(bound), "what perturb returns", "the same each time", "another")
        assert made is not None, "checked above"
        check_perturbation(made)
        return
    if p.members:
        it.needs("protocol" in known, "the parameters", "with one named protocol", ", ".join(known))
        return
    for preprocess, mirror in itertools.product(PROBES, (False, True)):
        _check_views(p, known, preprocess, mirror)


def _check_views(p: Protocol, known: Mapping[str, Any], preprocess: Preprocess, mirror: bool) -> None:
    it = Checker(f"protocol {p.name}, resize {preprocess.resize}, crop {preprocess.crop}")
    flip = {"flip": mirror} if "flip" in known else {}
    with it.runs("views"):
        views, again = p.views(preprocess, **flip), p.views(preprocess, **flip)
    it.needs(isinstance(views, tuple) and len(views) > 0, "views", "a tuple of one or more", views)
    resampling = (preprocess.interpolation, preprocess.antialias, preprocess.long_side)
    for v in views:
        it.needs(isinstance(v, View), "each view", "a View", v)
        it.needs(view_from_data(json.loads(json.dumps(view_data(v)))) == v, "a view", "the same after JSON", v)
        it.needs(not v.dense or v.nominal == preprocess.crop, "nominal", f"the crop, {preprocess.crop}", v.nominal)
        own = (v.interpolation, v.antialias, v.long_side)
        it.needs(own == resampling, "the resampling of a view", f"that of the weights, {resampling}", own)
        it.needs(mirror or not flip or not v.flip, "a view with flip=false", "not mirrored", v)
    it.needs(len(set(views)) == len(views), "views", "distinct", "one twice")
    it.needs(views == again, "views", "the same each time", "others")
