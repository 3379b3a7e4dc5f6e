"""The section of a page about the spatial frequencies that a network uses, to be read without the article."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchsuite.explanation.frequency import summary
from benchsuite.explanation.frequency.analysis import FrequencyAnalysis, Reply
from benchsuite.report.frequency import pictures
from benchsuite.report.frequency.content import FrequencyContent
from benchsuite.report.frequency.pictures import Drawn, DrawnTriple
from benchsuite.report.html import elements
from benchsuite.report.markup import escaped, tag
from benchsuite.report.plots import frequency as plots
from benchsuite.report.plots.axes import minus
from benchsuite.report.plots.palette import Palette
from benchsuite.report.tables import frequency as tables
from benchsuite.report.tables.sheet import number
from benchsuite.stats.digits import percent

ClassName = Callable[[int], str]
"""The name of a class by its index."""

ARTICLE = (
    "The article (Wang et al. 2020, High-frequency Component Helps Explain the Generalization of Convolutional Neural "
    "Networks, arXiv:1905.13545) says that a network also uses high frequencies, which people do not see. It shows "
    "pictures that a network gets wrong when their high frequencies are missing, and right when it gets nothing else."
)
CHANCE = (
    "By chance is what two answers with these accuracies would give if they were independent. Where nearly every "
    "high-pass picture gets the most frequent answer, the network does not tell these pictures apart."
)
ENERGY = (
    "The energy of a wave is the square of its size; each image counts with shares that add up to 100 %. The pictures "
    "are taken without their mean. The input gradient says how much a change of the pixels would change the loss of "
    "the true class, so its energy lies where the network is sensitive. PGD is an attack: what it adds to the pixels. "
    "In noise every wave has the same energy, so that line only shows how many waves a ring has. The article links "
    "attacks to high frequencies: compare the lines of gradient and attack with that of noise."
)
KERNELS = (
    "The kernels of the first convolution that is executed, each scaled by its largest weight; mid-grey is 0. On the "
    "right is the size of their waves in the same order, with the slowest wave in the centre and the fastest at the "
    "edges (the Nyquist frequency, half a wave per pixel). Smooth kernels have bright centres. The article finds that "
    "the first kernels of networks that were trained on attacks are smoother."
)


def title(content: FrequencyContent, every: Sequence[FrequencyContent]) -> str:
    """The question that the section answers; with the weights and more if another section has the same question."""
    row = content.row
    question = summary.question(row["architecture"])
    if sum(other.row["architecture"] == row["architecture"] for other in every) < 2:
        return question
    return f"{question} ({row['weights']}, {row['protocol']}, {row['dataset']})"


def section(content: FrequencyContent, class_name: ClassName, palette: Palette) -> str:
    """The markup of the section, without its title."""
    return "\n".join(_parts(content, class_name, palette))


def _parts(content: FrequencyContent, class_name: ClassName, palette: Palette) -> Iterator[str]:
    drawn = partial(elements.plots, wide=elements.HALF, cls="plots", palette=palette)
    analysis = content.analysis
    if analysis is not None:
        yield _text(summary.answer(analysis))
    yield _text(_radius(content, analysis))
    yield _text(ARTICLE)
    yield drawn([plots.accuracy(content)])
    yield _remark(_curve(content))
    yield elements.sheet(tables.accuracy(content), palette)
    if analysis is None:
        yield _remark("benchsuite explain RUN --frequency adds pictures, gradients, an attack and the first kernels.")
        return
    yield _remark(CHANCE)
    yield from _triples(content, analysis, class_name)
    yield elements.heading(3, "Where the energy of pictures, gradients and attacks lies", f"{content.name}-energy")
    yield _remark(f"{ENERGY} Here half of the energy {summary.energies(analysis)}.")
    yield drawn(plots.energies(content))
    yield elements.sheet(tables.energy(content), palette)
    yield _remark(summary.attacked(analysis))
    yield from _kernels(content, analysis, palette)


def _radius(content: FrequencyContent, analysis: FrequencyAnalysis | None) -> str:
    """What a radius is, in words."""
    words = (
        "Every picture is a sum of waves. A low-pass picture keeps the waves up to the radius r, the high-pass picture "
        f"keeps the others; together they are the picture. The radius counts {content.unit}: "
    )
    if content.unit != "waves per side":
        return words + "0.5 is the finest wave along a row, two pixels long."
    words += "r=0 is the mean colour, r=1 one wave across the picture"
    if analysis is not None:
        words += f", r={analysis.side // 2} the finest wave along a row of {analysis.side} pixels"
    return words + ". Only waves along diagonals go beyond half the side."


def _curve(content: FrequencyContent) -> str:
    """What the curve shows."""
    line = "" if content.clean is None else " The dashed line is the accuracy on the pictures as they are."
    return (
        f"Each mark is a run on all {content.row['n']:,} images, with its 95 % interval.{line} Where the low-pass "
        "curve has reached it, the network does not need the waves beyond. Where the high-pass curve is above chance, "
        "the waves beyond carry something that the network uses."
    )


def _triples(content: FrequencyContent, analysis: FrequencyAnalysis, class_name: ClassName) -> Iterator[str]:
    every = analysis.at_radius.swapped_right
    if not every:
        return
    if not content.pictures:
        yield _remark("The pictures are drawn with the data set: benchsuite report --gallery, or --html of explain.")
        return
    words = f"Right only by their high frequencies: {len(content.pictures)} of {every} images"
    yield elements.heading(3, words, f"{content.name}-pictures")
    crop = "" if analysis.protocol == "1crop" else f" One view is drawn; the answers are those of {analysis.protocol}."
    high = analysis.at_radius.high
    frequent = f"{percent(analysis.accuracy(high.frequent_n))} % of all high-pass pictures get the answer"
    yield _remark(
        "Images that are right as they are, wrong on the low-pass and right on the high-pass picture at "
        f"r={analysis.radius}: those with the highest probability of the true class on the high-pass picture. These "
        "pictures have a mean of 0 and are drawn with 0.5 added, so that mid-grey is 0; the network sees them without "
        f"it. Below each picture are the network's answer and its probability. {frequent} {class_name(high.frequent)}."
        f"{crop}"
    )
    cards = "".join(_card(drawn, class_name) for drawn in content.pictures)
    large = "" if content.pictures[0].original.tiny else " large"
    yield tag("ul", cards, cls=f"triples{large}")


def _card(drawn: DrawnTriple, class_name: ClassName) -> str:
    triple = drawn.triple
    head = tag("p", tag("b", escaped(class_name(triple.label))) + " " + tag("span", escaped(triple.id), cls="quiet"))
    named = (
        ("original", drawn.original, triple.original),
        ("low-pass", drawn.low, triple.low),
        ("high-pass + 0.5", drawn.high, triple.high),
    )
    shown = "".join(_shown(name, picture, reply, triple.label, class_name) for name, picture, reply in named)
    return tag("li", head + tag("div", shown))


def _shown(name: str, drawn: Drawn, reply: Reply, label: int, class_name: ClassName) -> str:
    answer = class_name(reply.label)
    share = number(100 * reply.probability, 1).text
    words = tag("span", escaped(name)) + tag(
        "span", escaped(f"{answer} {share} %"), cls="right" if reply.label == label else ""
    )
    return tag("figure", _image(drawn, f"{name}: {answer}") + tag("figcaption", words))


def _image(drawn: Drawn, words: str) -> str:
    size = f'width="{drawn.width}" height="{drawn.height}"' + (' class="tiny"' if drawn.tiny else "")
    return f'<img src="{drawn.uri}" {size} alt="{escaped(words)}" decoding="async">'


def _kernels(content: FrequencyContent, analysis: FrequencyAnalysis, palette: Palette) -> Iterator[str]:
    found = analysis.measurement.kernels
    if found is None:
        yield _remark("The network has no convolution that sees the image, so there are no kernels to show.")
        return
    yield elements.heading(3, f"First layer: {found.layer}", f"{content.name}-layer")
    part = "" if len(found.weights) == found.count else f" The first {len(found.weights)} of {found.count} are drawn."
    yield _remark(KERNELS + part)
    drawn = zip(pictures.kernels(found), ("kernels", "size of their waves"), strict=True)
    shown = "".join(tag("figure", tag("figcaption", words) + _image(one, words), cls="kernels") for one, words in drawn)
    plot = "".join(elements.plot(figure, elements.HALF, palette) for figure in plots.kernels(content))
    yield tag("div", tag("div", shown, cls="pair") + plot, cls="plots")


def _text(words: str) -> str:
    return tag("p", elements.unbroken(minus(words)))


def _remark(words: str) -> str:
    return tag("p", elements.unbroken(minus(words)), cls="remark")
