"""What an encoder says of a tree's texts before it sees an image: too long for it, or one and the same to it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip.embedding.texts import embed_texts
from treegen.errors import ProblemsError
from treegen.text import show
from treegen.tree.model import Tree
from treegen.tree.validation.problems import Problem, pointer_to

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder

#: Cosine from which two filled prompts of a group are told as nearly the same. Two texts with the cosine c can differ
#: in a logit by s*sqrt(2-2c) at most, and do by about that over sqrt(D) for an image that neither text is about: at
#: 0.99, D = 512 and CLIP's scale of 100 by 0.6, which makes odds of 2 to 1. Prompts of one group share most of their
#: words, so that their cosines lie well above those of bare phrases, for which 0.9 is a usual limit.
SAME_COSINE: Final = 0.99


def encoder_problems(tree: Tree, encoder: "Encoder") -> Iterator[Problem]:
    """Yield TG120 and TG601 by the encoder's own tokens and embeddings."""
    yield from length_problems(tree, encoder)
    yield from similar_options(tree, encoder)


def length_problems(tree: Tree, encoder: "Encoder") -> list[Problem]:
    """TG120 for every filled prompt that the encoder would cut silently."""
    return [
        Problem(code="TG120", pointer=pointer_to("classification_groups", group.name, "options", index), message=told)
        for group in tree.groups
        for index, text in enumerate(group.fill())
        if (told := _too_long(text, encoder))
    ]


def name_length_problems(prompts: Sequence[str], encoder: "Encoder") -> list[Problem]:
    """TG120 for every class whose name prompt, the baseline's text, the encoder would cut silently.

    Args:
        prompts: one for each class of the domain, in the order of the classes.
        encoder: reads them.
    """
    return [
        Problem(code="TG120", pointer=pointer_to("classes", index), message=f"the name prompt {told}")
        for index, text in enumerate(prompts)
        if (told := _too_long(text, encoder))
    ]


def check_lengths(tree: Tree, names: Sequence[str], encoder: "Encoder") -> None:
    """Lets nothing be embedded that the encoder would cut: neither a tree's prompts nor those of the class names.

    Raises:
        ProblemsError: there are such texts.
    """
    refuse_long([*length_problems(tree, encoder), *name_length_problems(names, encoder)])


def refuse_long(problems: Sequence[Problem]) -> None:
    """Makes an error of problems.

    Args:
        problems: of length, as the functions above find them.

    Raises:
        ProblemsError: there are any; the message lists them with their places.
    """
    if problems:
        listed = "\n".join(f"  {p.code} {p.pointer}: {p.message}" for p in problems)
        told = f"the encoder would cut {len(problems)} prompt{'s' if len(problems) > 1 else ''}\n{listed}"
        raise ProblemsError(told, "shorten prompt, option, class name or name_template")


def _too_long(text: str, encoder: "Encoder") -> str:
    """What is wrong with a text that is longer than the encoder reads; empty if it is not, or that is not known."""
    most = encoder.context_length
    if most is None or (tokens := encoder.count_tokens(text)) <= most:
        return ""
    return f"{show(text)} has {tokens} tokens, {encoder.name} reads {most}"


def similar_options(tree: Tree, encoder: "Encoder", threshold: float = SAME_COSINE) -> Iterator[Problem]:
    """TG601 at the later of two options of a group whose filled prompts have a cosine of at least `threshold`.

    Each option is told once, with the earlier one that it is closest to.
    """
    known = embed_texts(tree.prompts(), encoder)
    for group in tree.groups:
        own = np.stack([known[text] for text in group.fill()])  # (O, D)
        cosines = np.tril(own @ own.T, -1)  # (O, O), earlier options in the columns
        for later, row in enumerate(cosines):
            earlier = int(row.argmax())
            cosine = float(row[earlier])
            if later > 0 and cosine >= threshold:
                told = (
                    f"{show(group.options[later])} is nearly {show(group.options[earlier])} to {encoder.name}: "
                    f"their filled prompts have a cosine of {cosine:.3f}, and {threshold:.2f} is the limit"
                )
                pointer = pointer_to("classification_groups", group.name, "options", later)
                yield Problem(code="TG601", pointer=pointer, message=told)
