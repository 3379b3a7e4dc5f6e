"""Counts the predictions of a run under every accounting, and computes how likely each prints a claimed accuracy.

The functions return plain data. Counts are integers; accuracies and probabilities are percentages, not rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.errors import BadParameter, expected
from benchsuite.evaluation import preprocessing
from benchsuite.stats import batch_averaging, resampling
from benchsuite.stats.accounting import BEST, BEST_LATE, CATALOGUE, LAST, Accounting, accounting, printed_accuracy
from benchsuite.storage import run_folder, training_folder
from benchsuite.storage.correctness import Correctness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = Mapping[str, NDArray[np.float64]]
    "What each tally prints of each epoch in each random draw, by the name of the tally: (draws, e) in 0..1."


BATCH_SIZES = (5, 10, 16, 20, 64, 128)
"""Batch sizes of the published recipes; used if neither the request nor the run has one."""

IMAGES = 10_000
"""Number of images assumed without a run: the test images of CIFAR-10."""

NOTE = (
    "Independent errors overstate what the best epoch gains: real epochs err on the same images. Other orders of a "
    "run's own predictions, each kept for all epochs, keep what the epochs share."
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """The options of ``benchsuite audit``. Percentages are decimals: their decimal places are those of the claim.

    ``accuracy`` and ``images`` replace a run. ``epochs`` is the number of epochs that the claim was chosen from; an
    evaluation counts as one of them, a training has its own number. ``worlds`` are numbers of processes of a padded
    split. ``draws`` is the number of random sets of errors, ``orders`` the number of random orders of the images.
    """

    batch_sizes: tuple[int, ...] = ()
    worlds: tuple[int, ...] = ()
    claim: Decimal | None = None
    accuracy: Decimal | None = None
    epochs: int | None = None
    images: int | None = None
    draws: int = 1000
    orders: int = 200
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """What is audited: a run, or a claim with its exact accuracy.

    ``rates`` (e,) are the exact accuracies in 0..1 of the epochs that a claim may be chosen from. ``correct`` (p, n)
    bool are the run's own passes, None without a run. p equals e, except for an evaluation that counts as one of e
    epochs: there p is 1. ``heldout`` (p,) are the run's errors on held-out images, None without them. ``of_run`` are
    the accountings that apply to p epochs, ``of_claim`` those that apply to e epochs.
    """

    rates: tuple[Fraction, ...]
    n: int
    correct: NDArray[np.bool_] | None
    heldout: NDArray[Any] | None
    of_run: tuple[Accounting, ...]
    of_claim: tuple[Accounting, ...]

    @property
    def measured(self) -> bool:
        """Whether the run has a pass for every epoch, so that its own predictions can be tested against the claim."""
        return self.correct is not None and len(self.correct) == len(self.rates)


def audit(request: AuditRequest, passes: Correctness | None = None) -> Row:
    """The object of ``audit --json``: ``rows`` with what a run would have printed, ``claims`` with probabilities.

    Raises ``BadParameter`` before any computation for options that cannot be combined.
    """
    sizes = _checked(request, passes)
    subject = _subject(request, passes)
    record: Row = {
        "run_id": passes.run_id if passes else None,
        "path": passes.path if passes else None,
        "n": subject.n,
        "of": passes.of if passes else None,
        "hits": int(passes.correct[-1].sum()) if passes else None,
        "passes": len(passes.correct) if passes else None,
        "finished": passes.finished if passes else None,
        "epochs": len(subject.rates),
        "batch_sizes": list(sizes),
        "accuracy": float(100 * subject.rates[-1]),
        "preprocessing": _preprocessing(passes) if passes else None,
        "recipe_accounting": passes.accounting if passes else None,
        "claim": None if request.claim is None else float(request.claim),
        "draws": request.draws,
        "orders": request.orders if passes else None,
        "seed": request.seed,
        "rows": [],
        "claims": [],
        "note": None if request.claim is None else NOTE,
    }
    for size in sizes:
        orders = _orders(request, subject, size)
        record["rows"] += rows(subject, size, orders)
        record["claims"] += claims(request, subject, size, orders) if request.claim is not None else []
    return record


def _preprocessing(passes: Correctness) -> list[str]:
    """How the images of the run were prepared; empty for a training that is not finished."""
    folder = Path(passes.path)
    manifest = run_folder.read_manifest(folder) or training_folder.read(folder, weights=False)
    return preprocessing.of_manifest(manifest) if manifest is not None else []


def accountings(epochs: int, *, heldout: bool = False, worlds: Sequence[int] = ()) -> list[Accounting]:
    """Every accounting that applies to this number of epochs.

    ``worlds`` are numbers of processes; they replace those of the catalogue's ``padded-N`` accountings.
    """
    usual = [a for a in CATALOGUE.values() if not (worlds and a.name.startswith("padded-"))]
    candidates = usual + [accounting(batch_averaging.padded(world)) for world in dict.fromkeys(worlds)]
    return [a for a in candidates if a.applies(epochs, heldout=heldout)]


def rows(subject: Subject, batch_size: int, orders: Numbers) -> list[Row]:
    """What each accounting prints for a run, and the difference from the exact accuracy; no rows without a run.

    ``off`` is the difference from the exact accuracy of the last epoch, in points. It is the sum of ``off_count``, due
    to the way of counting, and ``off_choice``, due to the choice of another epoch. ``orders_mean`` and
    ``orders_spread`` (one standard deviation) are over orders of the images: in closed form where one exists, else over
    the random ``orders``.
    """
    if subject.correct is None:
        return []
    n, exact = subject.n, subject.rates
    lines = []
    for a in subject.of_run:
        epoch, value = printed_accuracy(a, subject.correct, batch_size, subject.heldout)
        if a.tally.name in orders:
            values = resampling.chosen(a.choice, orders[a.tally.name], subject.heldout)
            mean, spread = float(values.mean()), float(values.std())
        if a.choice is LAST and not a.tally.truncates:
            mean, spread = resampling.of_all_orders(a.tally, subject.correct, batch_size)
        lines.append(
            {
                "accounting": a.name,
                "batch_size": batch_size,
                "epoch": epoch + 1,
                "printed": float(100 * value),
                "off": float(100 * (value - exact[-1])),
                "off_images": float(n * (value - exact[-1])),
                "off_count": float(100 * (value - exact[epoch])),
                "off_choice": float(100 * (exact[epoch] - exact[-1])),
                "images_counted": batch_averaging.effective_images(a.tally, n, batch_size),
                "orders_mean": 100 * mean,
                "orders_spread": 100 * spread,
                "reason": a.note,
                "source": a.source,
            }
        )
    return lines


def claims(request: AuditRequest, subject: Subject, batch_size: int, orders: Numbers) -> list[Row]:
    """How likely each accounting prints the claim, given the exact accuracy of each epoch: probabilities in percent.

    ``at_least``, ``rounds_to`` and ``at_most`` assume independent errors. The same names with ``orders_`` are for the
    run's own predictions in random orders; they are None unless the run has a pass for every epoch. The best of
    ``epochs_for_even_odds`` independent epochs prints at least the claim with a probability of one half. 95 % of the
    printed numbers lie between ``low`` and ``high``; ``one_epoch_spread`` is the standard error of a single epoch.
    """
    import numpy as np

    claim, rates, n = request.claim, subject.rates, subject.n
    assert claim is not None
    share, sampling = np.array([float(rate) for rate in rates]), {"draws": request.draws, "seed": request.seed}
    drawn = {
        tally.name: resampling.independent(tally, share, n, batch_size, **sampling)
        for tally in {a.tally.name: a.tally for a in subject.of_claim}.values()
    }
    lines = []
    for a in subject.of_claim:
        values = resampling.chosen(a.choice, drawn[a.tally.name], subject.heldout)
        low, middle, high = (100 * np.quantile(values, [0.025, 0.5, 0.975])).tolist()
        single = 100 * batch_averaging.standard_error(a.tally, float(rates[-1]), n, batch_size)
        row = {"accounting": a.name, "batch_size": batch_size, "epochs": len(rates), "one_epoch_spread": single}
        row |= {"median": middle, "low": low, "high": high, **reach(claim, values)}
        own = resampling.chosen(a.choice, orders[a.tally.name], subject.heldout) if subject.measured else None
        row |= {f"orders_{name}": chance for name, chance in reach(claim, own).items()}
        one = reach(claim, drawn[a.tally.name])["at_least"]
        best = a.choice in (BEST, BEST_LATE) and len(set(rates)) == 1
        row["epochs_for_even_odds"] = resampling.epochs_for_even_odds(one / 100) if best and one is not None else None
        lines.append(row | {"reason": a.note, "source": a.source})
    return lines


def reach(claim: Decimal, values: NDArray[np.float64] | None) -> dict[str, float | None]:
    """Percentage of ``values`` (in 0..1) that are printed as at least the claim, as the claim, as at most the claim.

    The values are rounded to the decimal places of the claim, halves upwards, with a tolerance of 1e-9 points for
    rounding errors of floats. Every percentage is None if ``values`` is None.
    """
    if values is None:
        return {"at_least": None, "rounds_to": None, "at_most": None}
    half = Decimal(1).scaleb(int(claim.as_tuple().exponent)) / 2
    least = 100 * values >= float(claim - half) - 1e-9
    most = 100 * values < float(claim + half) - 1e-9
    masks = {"at_least": least, "rounds_to": least & most, "at_most": most}
    return {name: 100 * float(mask.mean()) for name, mask in masks.items()}


def _orders(request: AuditRequest, subject: Subject, batch_size: int) -> Numbers:
    """What tallies print in random orders of the images, for those accountings that need a simulation.

    A claim needs it for every accounting that applies to the run, if the run has a pass for every epoch. Else only a
    choice of epoch and a tally that truncates need it: they have no closed form. Empty without a run.
    """
    if subject.correct is None:
        return {}
    claimed = request.claim is not None and subject.measured
    needed = [a.tally for a in subject.of_run if claimed or a.choice is not LAST or a.tally.truncates]
    return {
        tally.name: resampling.reordered(tally, subject.correct, batch_size, draws=request.orders, seed=request.seed)
        for tally in {tally.name: tally for tally in needed}.values()
    }


def _subject(request: AuditRequest, passes: Correctness | None) -> Subject:
    """The run, or the claim without a run. A single exact accuracy is used for every epoch of the request."""
    rates = passes.rates if passes else (Fraction(request.accuracy or 0) / 100,)
    epochs = rates * (request.epochs or 1) if len(rates) == 1 else rates
    heldout = passes.heldout if passes else None
    of_run, of_claim = (
        tuple(accountings(len(some), heldout=heldout is not None, worlds=request.worlds)) for some in (rates, epochs)
    )
    n = passes.n if passes else request.images or IMAGES
    return Subject(epochs, n, passes.correct if passes else None, heldout, of_run, of_claim)


def _checked(request: AuditRequest, passes: Correctness | None) -> tuple[int, ...]:
    """The batch sizes to count in. Raises ``BadParameter`` for options out of range or that cannot be combined."""
    for option, percent in (("--claim", request.claim), ("--accuracy", request.accuracy)):
        if percent is not None and not 0 <= percent <= 100:
            raise BadParameter(expected(option, "a percentage between 0 and 100", str(percent)))
    wholes = [("--epochs", request.epochs), ("--images", request.images), ("--draws", request.draws)]
    wholes += [("--orders", request.orders), *(("--batch-size", size) for size in request.batch_sizes)]
    for option, whole in wholes:
        if whole is not None and whole < 1:
            raise BadParameter(expected(option, "at least 1", whole))
    if request.seed < 0:
        raise BadParameter(expected("--seed", "at least 0", request.seed))
    if request.epochs is not None and request.claim is None:
        raise BadParameter("Expected --epochs to come with --claim, got no claim")
    if passes is None:
        if request.claim is None or request.accuracy is None:
            raise BadParameter("Expected a run, or --claim with --accuracy and --batch-size in its place, got neither")
    elif request.accuracy is not None or request.images is not None:
        raise BadParameter(f"Expected --accuracy and --images to stand in for a run, got one as well: {passes.run_id}")
    elif request.epochs not in (None, len(passes.correct)) and len(passes.correct) > 1:
        where = f"{passes.run_id} has {len(passes.correct)} epochs"
        raise BadParameter(expected("--epochs", "left out for a training", str(request.epochs), where))
    own = (passes.batch_size,) if passes and passes.batch_size else ()
    if request.claim is not None and not (request.batch_sizes or own):
        raise BadParameter("Expected --claim to come with --batch-size, got no batch size")
    return tuple(dict.fromkeys(request.batch_sizes)) or own or BATCH_SIZES
