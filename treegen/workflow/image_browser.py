"""The images of the dev split to look at: those wrongly classified, those rightly, or all; by class or by confusion."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from treegen.images import LabelledImage
from treegen.text import quote
from treegen.workflow.class_filter import named, term_filter, terms_of
from treegen.workflow.review_model import Measurement, ReviewModel

if TYPE_CHECKING:
    from treegen.clip.diagnosis.mistakes import GroupVote, Mistake
    from treegen.clip.diagnosis.observations import Observations

Which = Literal["wrong", "right", "all"]
#: in the order in which a key goes through them
WHICH: Final[tuple[Which, ...]] = get_args(Which)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowsedImage:
    """An image with its label and prediction.

    Attributes:
        index: of the image in the dev split.
        image: the picture.
        true: its class.
        predicted: the class that the tree predicts.
        mistake: how it is wrongly classified; `None` if it is not.
        observations: what every group answers for each image; not needed for a mistake.
    """

    index: int
    image: LabelledImage
    true: str
    predicted: str
    mistake: "Mistake | None" = None
    observations: "Observations | None" = None

    @property
    def votes(self) -> "tuple[GroupVote, ...]":
        """What each group answers."""
        if self.mistake:
            return self.mistake.votes
        return self.observations.votes_of(self.index) if self.observations else ()

    @property
    def names(self) -> str:
        """What plain text of a filter is sought in, beside the class."""
        fault = [self.mistake.at_fault.group] if self.mistake else []
        return "\n".join([self.predicted, *fault, self.image.name]).casefold()


def browsed_images(which: Which, text: str, review: ReviewModel) -> tuple[BrowsedImage, ...]:
    """Return the images of the last score that pass a filter, in the order of the dev split.

    Args:
        which: the wrong ones, the right ones, or all.
        text: terms joined by `&`: those of `class_filter.TERMS`, which the label must pass, `wrong`, `right`,
            `taken=TEXT` (part of the predicted class's name) or `taken="TEXT"` (that class). Text alone may be in any
            name of the row.
        review: has the score. A stored one has no images.

    Raises:
        InputError: a term is unknown.
    """
    accepts = [_accepts(term, review) for term in terms_of(text)]
    images = _images(review.measured, which) if review.measured else []
    return tuple(each for each in images if all(accept(each) for accept in accepts))


def _images(measured: Measurement, which: Which) -> list[BrowsedImage]:
    wrong = {mistake.index: _wrong(mistake) for mistake in measured.mistakes}
    observations = measured.observations
    if which == "wrong":
        return [*wrong.values()]
    indices = range(len(observations.images)) if observations else range(0)
    return [
        wrong.get(i) or _right(observations, i) for i in indices if observations and (which == "all" or i not in wrong)
    ]


def _wrong(mistake: "Mistake") -> BrowsedImage:
    return BrowsedImage(
        index=mistake.index, image=mistake.image, true=mistake.true, predicted=mistake.predicted, mistake=mistake
    )


def _right(observations: "Observations", index: int) -> BrowsedImage:
    name = observations.class_of(index)
    return BrowsedImage(
        index=index, image=observations.images[index], true=name, predicted=name, observations=observations
    )


def _accepts(term: str, review: ReviewModel) -> Callable[[BrowsedImage], bool]:
    key, is_pair, value = term.partition("=")
    match key.strip():
        case "wrong" if not is_pair:
            return lambda each: each.mistake is not None
        case "right" if not is_pair:
            return lambda each: each.mistake is None
        case "taken" if is_pair:
            taken = named(value.strip())
            return lambda each: taken(each.predicted)
    accept, plain = term_filter(term, review), "" if is_pair else term.casefold()
    return lambda each: accept(each.true) or bool(plain and plain in each.names)


def pair_filter(true: str, predicted: str | None) -> str:
    """Return the filter of the images of a class that are taken for another; of all images of the class for `None`."""
    return f"class={quote(true)}" + (f" &taken={quote(predicted)}" if predicted else "")
