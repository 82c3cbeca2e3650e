"""What an encoder says about a tree's texts before it sees an image: too long, or indistinguishable."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip.embedding.texts import embed_texts
from treegen.errors import ProblemsError
from treegen.text import counted, show
from treegen.tree.model import Tree
from treegen.tree.validation.problems import Problem, pointer_to

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder

#: Cosine from which two filled prompts of a group are reported as nearly the same. Two texts of cosine c can differ
#: in a logit by at most s*sqrt(2-2c), and by about that over sqrt(D) for an image that neither text is about: at
#: 0.99, D = 512 and CLIP's scale of 100 by 0.6, which means odds of 2 to 1. Prompts of one group share most of their
#: words, so their cosines are well above those of bare phrases, for which 0.9 is a common limit.
SAME_COSINE: Final = 0.99


def encoder_problems(tree: Tree, encoder: "Encoder") -> Iterator[Problem]:
    """Yield TG120 and TG601 by the encoder's own tokens and embeddings."""
    yield from length_problems(tree, encoder)
    yield from similar_options(tree, encoder)


def length_problems(tree: Tree, encoder: "Encoder") -> list[Problem]:
    """Return TG120 for every filled prompt that the encoder would silently truncate."""
    return [
        Problem(
            code="TG120", pointer=pointer_to("classification_groups", group.name, "options", index), message=message
        )
        for group in tree.groups
        for index, text in enumerate(group.fill())
        if (message := _too_long(text, encoder))
    ]


def name_length_problems(prompts: Sequence[str], encoder: "Encoder") -> list[Problem]:
    """Return TG120 for every class whose name prompt, the baseline's text, would be silently truncated.

    Args:
        prompts: one per class of the domain, in order.
        encoder: embeds them.
    """
    return [
        Problem(code="TG120", pointer=pointer_to("classes", index), message=f"the name prompt {message}")
        for index, text in enumerate(prompts)
        if (message := _too_long(text, encoder))
    ]


def check_lengths(tree: Tree, names: Sequence[str], encoder: "Encoder") -> None:
    """Raise if a prompt of the tree or of the class names exceeds the encoder's context length.

    Raises:
        ProblemsError: there are such texts.
    """
    refuse_long([*length_problems(tree, encoder), *name_length_problems(names, encoder)])


def refuse_long(problems: Sequence[Problem]) -> None:
    """Raise if there are problems.

    Args:
        problems: length problems from the functions above.

    Raises:
        ProblemsError: there are any; the message lists them with their places.
    """
    if problems:
        listed = "\n".join(f"  {p.code} {p.pointer}: {p.message}" for p in problems)
        verb = "exceeds" if len(problems) == 1 else "exceed"
        message = f"{counted(len(problems), 'prompt')} {verb} the encoder's context length\n{listed}"
        raise ProblemsError(message, "shorten prompt, option, class name or name_template")


def _too_long(text: str, encoder: "Encoder") -> str:
    """Describe a text that exceeds the encoder's context length; empty if it does not, or the length is unknown."""
    most = encoder.context_length
    if most is None or (tokens := encoder.count_tokens(text)) <= most:
        return ""
    return f"{show(text)} has {tokens} tokens, {encoder.name} reads {most}"


def similar_options(tree: Tree, encoder: "Encoder", threshold: float = SAME_COSINE) -> Iterator[Problem]:
    """Yield TG601 at the later of two options whose filled prompts have a cosine of at least `threshold`.

    Each option is reported once, with the closest earlier one.
    """
    vectors = embed_texts(tree.prompts(), encoder)
    for group in tree.groups:
        features = np.stack([vectors[text] for text in group.fill()])  # (O, D)
        cosines = np.tril(features @ features.T, -1)  # (O, O), earlier options in the columns
        for later, row in enumerate(cosines):
            earlier = int(row.argmax())
            cosine = float(row[earlier])
            if later > 0 and cosine >= threshold:
                one, other = show(group.options[later]), show(group.options[earlier])
                message = (
                    f"{one} is nearly the same as {other} for {encoder.name}: "
                    f"the cosine of their filled prompts is {cosine:.3f} (limit: {threshold:.2f})"
                )
                pointer = pointer_to("classification_groups", group.name, "options", later)
                yield Problem(code="TG601", pointer=pointer, message=message)
