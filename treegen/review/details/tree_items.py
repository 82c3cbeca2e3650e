"""Details of what a tree consists of: groups, options and classes."""

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from treegen.review.details.detail import (
    BAD,
    DIM,
    GOOD,
    HEAD,
    WARN,
    Detail,
    Part,
    Picture,
    aligned,
    answer_word,
    bar,
    cut,
    share,
    tone_style,
)
from treegen.text import counted
from treegen.tree.changes import MutableTree
from treegen.tree.changes.edits import users
from treegen.tree.feedback_target import Target
from treegen.tree.model import Group
from treegen.tree.review_notes import class_target, group_target, option_target
from treegen.workflow.answer_shares import AnswerShare, AnswerShares

if TYPE_CHECKING:
    from treegen.clip.diagnosis.observations import Observations
    from treegen.workflow.review_model import ReviewModel

MOST_PICTURES: Final = 12
_MOST_LINES: Final = 12


def _observations(review: "ReviewModel") -> "Observations | None":
    return review.measured.observations if review.measured else None


def _percent(value: float) -> str:
    return f"{100 * value:3.0f} %"


def _unscored(review: "ReviewModel", detail: Detail) -> bool:
    """Say why there are no numbers, or that they are old; return whether there are none."""
    if review.measured is None:
        detail.add("")
        detail.add((review.missing or "not scored yet", DIM))
        return True
    detail.about = "numbers of the tree before the last change" if review.stale else ""
    return False


def _noted(review: "ReviewModel", detail: Detail, target: Target) -> None:
    """Add the comment on something, and whether it is reviewed."""
    if comment := review.session.notes.get(("comment", target)):
        detail.add(("¶ ", WARN), comment)
    if target in review.reviewed:
        detail.add(("✓ ", GOOD), ("reviewed", DIM))
    elif ("reviewed", target) in review.session.notes:
        detail.add(("changed since it was reviewed", WARN))


def group_detail(review: "ReviewModel", group: Group, option: str | None = None) -> Detail:
    """Return what a group asks, with the option under the cursor, what it is worth, and what it confuses."""
    detail = Detail(title=group.name)
    detail.add(*_slot(group.prompt, option or "{}"))
    _noted(review, detail, group_target(group.name))
    diagnosis = review.measured.group(group.name) if review.measured else None
    right = {each["option"]: each for each in diagnosis["options"]} if diagnosis else {}
    detail.head("its options")
    width = aligned(group.options)
    for option in group.options[:_MOST_LINES]:
        known = right.get(option)
        accuracy = known["accuracy"] if known else None
        numbers: list[Part] = (
            [bar(accuracy), " ", (_percent(accuracy), tone_style(accuracy))] if known and accuracy is not None else []
        )
        detail.add(cut(option, width), "  ", *numbers, "" if known else (_use(review, group, option), DIM))
    if len(group.options) > _MOST_LINES:
        detail.add((f"and {len(group.options) - _MOST_LINES} more", DIM))
    if _unscored(review, detail) or diagnosis is None:
        return detail
    detail.head("on the dev split")
    low, high = diagnosis["interval"]
    accuracy = diagnosis["accuracy"]
    detail.add(
        (_percent(accuracy).strip(), tone_style(accuracy)),
        f" right  [{100 * low:.0f}, {100 * high:.0f}]  n={diagnosis['n']}",
    )
    _worth(detail, diagnosis)
    confused = diagnosis.get("confused", [])
    if confused:
        detail.head("taken for another")
        for each in confused[:8]:
            of = next((o["n"] for o in diagnosis["options"] if o["option"] == each["option"]), 0)
            detail.add(
                f"{each['option']} ", ("taken for ", DIM), each["taken_for"], (f"  {share(each['count'], of)}", BAD)
            )
    _advise(detail, review, group.name)
    if observations := _observations(review):
        indices = islice(observations.confused(group.name), MOST_PICTURES)
        detail.pictures = [_as_answered(observations, group.name, index) for index in indices]
    return detail


def _slot(prompt: str, option: str) -> tuple[Part, ...]:
    before, _, after = prompt.partition("{}")
    return (before, (option, "bold $text-accent"), after) if "{}" in prompt else (prompt,)


def _use(review: "ReviewModel", group: Group, option: str) -> str:
    return ", ".join(users(review.tree, group.name, option)) or "no class has it"


def _worth(detail: Detail, diagnosis: dict[str, Any]) -> None:
    if without := diagnosis.get("without"):
        points = 100 * without["difference"]
        detail.add(
            "without it ",
            (f"{points:+.1f} points", GOOD if points < 0 else BAD),
            f"  {counted(without['wins'], 'image')} won, {without['losses']} lost",
        )


def _advise(detail: Detail, review: "ReviewModel", name: str) -> None:
    advice = review.measured.dev.get("advice", ()) if review.measured else ()
    mine = [each for each in advice if name in each["target"][:1]]
    if mine:
        detail.head("suggestions")
    for each in mine[:4]:
        detail.add((("- ", WARN) if each["shown"] else ("? ", DIM)), each["sentence"])


def _as_answered(observations: "Observations", group: str, index: int) -> Picture:
    """Return a picture with what the group answers for it, and what it should."""
    predictions = observations.group(group)
    assert predictions is not None
    answer, wanted = int(predictions.answers[index]), int(predictions.expected[index])
    sure = f"{100 * predictions.confidence[index]:.0f} %"
    caption = f"{observations.class_of(index)}\n{sure} {predictions.options[answer]}"
    return Picture(image=observations.images[index], caption=caption, good=answer == wanted)


def option_detail(review: "ReviewModel", group: Group, option: str) -> Detail:
    """Return what CLIP takes for an option, rightly and wrongly."""
    detail = Detail(title=f"{option}, of {group.name}")
    detail.add(*_slot(group.prompt, option))
    _noted(review, detail, option_target(group.name, option))
    names = users(review.tree, group.name, option)
    detail.head(f"{counted(len(names), 'class', 'classes')} with it")
    detail.add(", ".join(names[:40]) or ("none", DIM))
    diagnosis = review.measured.group(group.name) if review.measured else None
    if _unscored(review, detail) or diagnosis is None:
        return detail
    known = next((each for each in diagnosis["options"] if each["option"] == option), None)
    detail.head("on the dev split")
    if known and known["accuracy"] is not None:
        accuracy, n = known["accuracy"], known["n"]
        detail.add(
            bar(accuracy),
            " recognised in ",
            (share(round(accuracy * n), n), tone_style(accuracy)),
            " images that show it",
        )
    for each in diagnosis.get("confused", ()):
        if each["option"] == option:
            detail.add(("taken for ", DIM), each["taken_for"], (f"  {each['count']}", BAD))
    if observations := _observations(review):
        _taken(detail, observations, group.name, option)
    return detail


def _taken(detail: Detail, observations: "Observations", group: str, option: str) -> None:
    right, wrong = observations.taken_for(group, option)
    detail.add(
        "CLIP takes ",
        counted(len(right) + len(wrong), "image"),
        " for it: ",
        (f"{len(right)} right", GOOD),
        ", ",
        (f"{len(wrong)} wrong", BAD if wrong else DIM),
    )
    if wrong:
        counts: dict[str, int] = {}
        for index in wrong:
            counts[observations.class_of(index)] = counts.get(observations.class_of(index), 0) + 1
        ordered = sorted(counts.items(), key=lambda pair: -pair[1])[:8]
        detail.add(("wrongly: ", DIM), ", ".join(f"{name} ({count})" for name, count in ordered))
    detail.pictures = [_as_answered(observations, group, i) for i in _both(wrong, right, MOST_PICTURES)]


def _both(first: list[int], second: list[int], most: int) -> Iterable[int]:
    """Return some of both, alternating, as long as there are any."""
    pairs = (index for n in range(max(len(first), len(second))) for index in (*first[n : n + 1], *second[n : n + 1]))
    return islice(pairs, most)


def class_detail(review: "ReviewModel", name: str, group: str | None = None) -> Detail:
    """Return the rule of a class in words, how often CLIP sees it so, and what the class is taken for.

    Args:
        review: the tree and its score.
        name: of the class.
        group: the group under the cursor, which is marked.
    """
    tree, observations = review.tree, _observations(review)
    rule = next((rule for rule in tree.rules if rule.name == name), None)
    class_name = rule.class_name if rule else name
    detail = Detail(title=rule.title if rule else name)
    _noted(review, detail, class_target(name))
    shares = AnswerShares(tree, review.measured)
    detail.add(("rule", HEAD), (", and images that CLIP sees so" if shares else "", DIM))
    width = aligned(each.name for each in tree.groups)
    draft = MutableTree(tree)
    words = [answer_word(draft.answer(name, each.name)) if rule else "-" for each in tree.groups]
    answered = [shares.of(class_name, each.name, word) for each, word in zip(tree.groups, words, strict=True)]
    room = aligned(map(_fraction, answered))
    for each, word, known_share in zip(tree.groups, words, answered, strict=True):
        style = "bold $text-accent" if each.name == group else DIM if word in ("-", "?") else ""
        # the word is last: where the panel is narrow it is wrapped, and the columns stay
        detail.add((cut(each.name, width), DIM), "  ", *_answered(known_share, room), (word, style))
    known = review.measured.class_(class_name) if review.measured else None
    if _unscored(review, detail) or known is None:
        return detail
    detail.head("on the dev split")
    if known["recall"] is None:
        detail.add(("no images of it", DIM))
    else:
        low, high = known["interval"]
        detail.add(
            bar(known["recall"]),
            (f" {_percent(known['recall']).strip()}", tone_style(known["recall"])),
            f" recognised  [{100 * low:.0f}, {100 * high:.0f}]  n={known['n']}",
        )
    for each in known["taken_for"]:
        detail.add(("taken for ", DIM), each["name"], (f"  {each['count']}", BAD))
    if observations:
        detail.pictures = [
            _as_classified(observations, index) for index in observations.of_class(class_name)[:MOST_PICTURES]
        ]
    return detail


def _fraction(share: AnswerShare | None) -> str:
    return f"{'~' if share.stale else ''}{share.given}/{share.n}" if share else ""


def _answered(share: AnswerShare | None, room: int) -> list[Part]:
    """Return a share as a bar and a fraction; one of a group that was asked differently is dim."""
    if not room:
        return []
    if share is None:
        return [" " * (room + 7)]
    style = DIM if share.stale else tone_style(share.share)
    return [bar(share.share, 4), (f" {_fraction(share):>{room}}", style), "  "]


def _as_classified(observations: "Observations", index: int) -> Picture:
    """Return a picture with the class that the tree predicts."""
    true, predicted = observations.class_of(index), observations.predicted(index)
    caption = "recognised" if true == predicted else f"taken for\n{predicted}"
    return Picture(image=observations.images[index], caption=caption, good=true == predicted)


def picture_of(observations: "Observations", index: int, *, good: bool) -> Picture:
    """Return a picture of the dev split with its class."""
    return Picture(image=observations.images[index], caption=observations.class_of(index), good=good)
