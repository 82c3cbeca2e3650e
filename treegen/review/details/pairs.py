"""Details of a cell of the confusion matrix: images of one class that are taken for another."""

from typing import TYPE_CHECKING, Final

from treegen.review.details.detail import BAD, DIM, Detail, Picture, aligned, bar, cut, share, tone_style
from treegen.review.details.tree_items import class_detail
from treegen.text import counted

if TYPE_CHECKING:
    from treegen.clip.diagnosis.observations import Observations
    from treegen.tree.model import ClassRule, Tree
    from treegen.workflow.review_model import ReviewModel

_MOST: Final = 12  # groups that are listed


def pair_detail(review: "ReviewModel", true: str, predicted: str | None) -> Detail:
    """Return how often a class is taken for another, what tells the two apart, and the images.

    Args:
        review: the tree and its score.
        true: the class of the images.
        predicted: the class that the tree says; `None` for the class as such.
    """
    observations = review.measured.observations if review.measured else None
    if predicted is None or predicted == true or observations is None:
        return class_detail(review, true)
    detail = Detail(title=f"{true} taken for {predicted}")
    detail.about = "numbers of the tree before the last change" if review.stale else ""
    images, of = observations.of_pair(true, predicted), observations.of_class(true)
    detail.add((share(len(images), len(of)), BAD if images else DIM), f" images of {true}")
    _apart(detail, review, observations, true, predicted)
    wrong = [Picture(image=observations.images[i], caption=f"{true}\n→ {predicted}", good=False) for i in images]
    alike = [i for i in observations.of_class(predicted) if observations.predicted(i) == predicted][
        : max(4, 8 - len(images))
    ]
    right = [Picture(image=observations.images[i], caption=f"{predicted}\nrecognised", good=True) for i in alike]
    detail.pictures = [*wrong[:8], *right]
    return detail


def _apart(detail: Detail, review: "ReviewModel", observations: "Observations", true: str, predicted: str) -> None:
    """Add the groups that tell two classes apart, and how often each is right on their images."""
    from treegen.clip.diagnosis.diagnose import separating

    assert review.measured
    groups = separating(observations.groups, true, predicted)
    if not groups:
        detail.add("")
        detail.add(("no group tells them apart: their rules are the same", BAD))
        return
    total = counted(len(observations.groups), "group")
    detail.head(f"{len(groups)} of {total} {'tells' if len(groups) == 1 else 'tell'} them apart")
    tree = review.measured.tree
    rules = {name: [rule for rule in tree.rules if rule.class_name == name] for name in (true, predicted)}
    width = aligned(each["group"] for each in groups)
    for each in sorted(groups, key=lambda each: each["right"] / max(each["n"], 1))[:_MOST]:
        words = [
            "/".join(dict.fromkeys(tree.word(rule, each["group"]) or "-" for rule in own)) for own in rules.values()
        ]
        part = each["right"] / each["n"] if each["n"] else None
        detail.add(
            (cut(each["group"], width), DIM),
            "  ",
            bar(part, 6),
            (f" {each['right']}/{each['n']}", tone_style(part)),
            f"  {words[0]}",
            (" or ", DIM),
            words[1],
        )
    if len(groups) > _MOST:
        detail.add((f"and {len(groups) - _MOST} more", DIM))


def _words(tree: "Tree", rules: "list[ClassRule]", group: str) -> str:
    """Return the answers of a class, one for each of its looks."""
    return "/".join(dict.fromkeys(tree.word(rule, group) or "-" for rule in rules))
