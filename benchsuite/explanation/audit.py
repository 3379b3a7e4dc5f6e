"""Audit: the same predictions under every accounting, and how likely each of them makes a claimed accuracy.

Plain functions that return plain data: counts are integers, accuracies and chances percentages, unrounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from benchsuite.errors import BadParameter, expected
from benchsuite.stats import batch_averaging, resampling
from benchsuite.stats.accounting import BEST, BEST_LATE, CATALOGUE, LAST, Accounting, accounting, printed
from benchsuite.storage.correctness import Correctness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = Mapping[str, NDArray[np.float64]]
    "Random numbers of each tally by its name, (draws, e) in 0..1."


BATCH_SIZES = (5, 10, 16, 20, 64, 128)
"""The batch sizes of the published recipes."""

IMAGES = 10_000
"""Images of a split where there is no run to say it: the test images of CIFAR-10."""

NOTE = (
    "Independent errors overstate what the best epoch gains: real epochs err on the same images. Other orders of a "
    "run's own predictions, each kept for all epochs, keep what the epochs share."
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What is asked of an audit. Percentages are decimals as they were printed: their places say how they are rounded.

    ``accuracy``, ``epochs`` and ``images`` stand in for a run; an evaluation may be said to be one of ``epochs``.
    ``draws`` are random sets of errors, ``orders`` random orders of the images.
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
    """What an audit is about: a run, or a claim whose exact accuracy is given.

    ``rates`` (e,) are the exact accuracies in 0..1 of the epochs that a claim was chosen from; ``correct`` (p, n) bool
    are the run's own passes, None without a run. They are as many as the epochs, but for an evaluation that is said to
    be one of several epochs: there p is 1. ``heldout`` (p,) are the run's errors on held-out images, None without them.
    ``of_run`` are the accountings that print a number for the run's passes, ``of_claim`` those for the epochs.
    """

    rates: tuple[Fraction, ...]
    n: int
    correct: NDArray[np.bool_] | None
    heldout: NDArray[Any] | None
    of_run: tuple[Accounting, ...]
    of_claim: tuple[Accounting, ...]

    @property
    def measured(self) -> bool:
        """Whether a run has measured every epoch."""
        return self.correct is not None and len(self.correct) == len(self.rates)


def audit(request: AuditRequest, passes: Correctness | None = None) -> Row:
    """The object of ``audit --json``: ``rows`` for what a run would have printed, ``claims`` for a claimed accuracy.

    Raises ``BadParameter`` before any work for what does not go together.
    """
    sizes = _checked(request, passes)
    subject = _subject(request, passes)
    found: Row = {
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
        found["rows"] += rows(subject, size, orders)
        found["claims"] += claims(request, subject, size, orders) if request.claim is not None else []
    return found


def accountings(epochs: int, *, heldout: bool = False, worlds: Sequence[int] = ()) -> list[Accounting]:
    """Every accounting that prints a number for so many epochs; ``worlds`` replace the usual numbers of processes."""
    usual = [a for a in CATALOGUE.values() if not (worlds and a.name.startswith("padded-"))]
    made = usual + [accounting(batch_averaging.padded(world)) for world in dict.fromkeys(worlds)]
    return [a for a in made if a.applies(epochs, heldout=heldout)]


def rows(subject: Subject, batch_size: int, orders: Numbers) -> list[Row]:
    """What each accounting prints for a run, and by how much it is off; nothing without a run.

    ``off`` is from the exact accuracy of the last epoch: ``off_count`` by counting, ``off_choice`` because another
    epoch was chosen. ``orders_mean`` and ``orders_spread`` (one standard deviation) are over orders of the images,
    in closed form where there is one, else over ``orders``.
    """
    if subject.correct is None:
        return []
    n, exact = subject.n, subject.rates
    found = []
    for a in subject.of_run:
        epoch, value = printed(a, subject.correct, batch_size, subject.heldout)
        if a.tally.name in orders:
            values = resampling.chosen(a.choice, orders[a.tally.name], subject.heldout)
            mean, spread = float(values.mean()), float(values.std())
        if a.choice is LAST and not a.tally.truncates:
            mean, spread = resampling.of_all_orders(a.tally, subject.correct, batch_size)
        found.append(
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
    return found


def claims(request: AuditRequest, subject: Subject, batch_size: int, orders: Numbers) -> list[Row]:
    """How likely each accounting prints the claim, given the exact accuracy of each epoch: chances in percent.

    ``at_least``, ``rounds_to`` and ``at_most`` are for independent errors, the same with ``orders_`` for the run's own
    predictions in other orders, where they are as many epochs. ``epochs_for_even_odds``: of how many independent
    epochs the best prints at least the claim half of the time. ``low`` and ``high`` hold 95 % of the numbers.
    """
    import numpy as np

    claim, rates, n = request.claim, subject.rates, subject.n
    assert claim is not None
    share, sampling = np.array([float(rate) for rate in rates]), {"draws": request.draws, "seed": request.seed}
    drawn = {
        tally.name: resampling.independent(tally, share, n, batch_size, **sampling)
        for tally in {a.tally.name: a.tally for a in subject.of_claim}.values()
    }
    found = []
    for a in subject.of_claim:
        values = resampling.chosen(a.choice, drawn[a.tally.name], subject.heldout)
        low, middle, high = (100 * np.quantile(values, [0.025, 0.5, 0.975])).tolist()
        single = 100 * batch_averaging.standard_error(a.tally, float(rates[-1]), n, batch_size)
        row = {"accounting": a.name, "batch_size": batch_size, "epochs": len(rates), "one_epoch_spread": single}
        row |= {"median": middle, "low": low, "high": high, **reach(claim, values)}
        measured = subject.measured
        other = reach(claim, resampling.chosen(a.choice, orders[a.tally.name], subject.heldout) if measured else None)
        row |= {f"orders_{name}": chance for name, chance in other.items()}
        one = reach(claim, drawn[a.tally.name])["at_least"]
        best = a.choice in (BEST, BEST_LATE) and len(set(rates)) == 1
        row["epochs_for_even_odds"] = resampling.epochs_for_even_odds(one / 100) if best and one is not None else None
        found.append(row | {"reason": a.note, "source": a.source})
    return found


def reach(claim: Decimal, values: NDArray[np.float64] | None) -> dict[str, float | None]:
    """How many percent of the numbers in 0..1 are printed as the claim or more, as the claim, as the claim or less.

    They are rounded to the places of the claim, halves upwards; the last bits of a float do not count.
    """
    if values is None:
        return {"at_least": None, "rounds_to": None, "at_most": None}
    half = Decimal(1).scaleb(int(claim.as_tuple().exponent)) / 2
    least = 100 * values >= float(claim - half) - 1e-9
    most = 100 * values < float(claim + half) - 1e-9
    held = {"at_least": least, "rounds_to": least & most, "at_most": most}
    return {name: 100 * float(which.mean()) for name, which in held.items()}


def _orders(request: AuditRequest, subject: Subject, batch_size: int) -> Numbers:
    """Numbers in other orders of the tallies that need them: for a claim, a choice, or for want of a closed form."""
    if subject.correct is None:
        return {}
    claimed = request.claim is not None and subject.measured
    needed = [a.tally for a in subject.of_run if claimed or a.choice is not LAST or a.tally.truncates]
    return {
        tally.name: resampling.reordered(tally, subject.correct, batch_size, draws=request.orders, seed=request.seed)
        for tally in {tally.name: tally for tally in needed}.values()
    }


def _subject(request: AuditRequest, passes: Correctness | None) -> Subject:
    """The run, or the claim where there is none. A single exact accuracy stands for every epoch of the request."""
    rates = passes.rates if passes else (Fraction(request.accuracy or 0) / 100,)
    epochs = rates * (request.epochs or 1) if len(rates) == 1 else rates
    heldout = passes.heldout if passes else None
    of_run, of_claim = (
        tuple(accountings(len(some), heldout=heldout is not None, worlds=request.worlds)) for some in (rates, epochs)
    )
    n = passes.n if passes else request.images or IMAGES
    return Subject(epochs, n, passes.correct if passes else None, heldout, of_run, of_claim)


def _checked(request: AuditRequest, passes: Correctness | None) -> tuple[int, ...]:
    """The batch sizes to count in. Raises ``BadParameter`` for what does not go together."""
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
