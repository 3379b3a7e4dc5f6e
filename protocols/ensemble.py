"""``ensemble``: several networks, each evaluated with one inner protocol; their scores are merged."""

from __future__ import annotations

from benchsuite import Combine, Preprocess, Protocol, View, hookimpl


def no_views_of_its_own(preprocess: Preprocess, *, protocol: str = "1crop") -> tuple[View, ...]:
    """Returns no views: the members use the views of the inner ``protocol``, which benchsuite binds.

    An inner protocol with parameters is written in parentheses: ``protocol=multiscale(flip=false,scales=224+256)``.
    """
    return ()


ENSEMBLE = Protocol(
    "ensemble",
    views=no_views_of_its_own,
    combine=Combine("mean", "prob"),
    note=(
        "The mean of the members' probabilities, each member tested with the inner protocol. He et al. do not state "
        "how the members of their ensemble were tested: protocol=multiscale is their best single-model test, "
        "protocol=1crop the default here. merge=logit averages logits; rule=geometric or max are other merges."
    ),
    source="He et al. 2015 (arXiv:1512.03385), Table 5 and sec. 4.1",
    members=True,
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``ensemble``."""
    return (ENSEMBLE,)
