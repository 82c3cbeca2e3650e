"""The root of all errors shown to users, each with an exit code and a tip on what to do next."""

from typing import ClassVar


class TreegenError(Exception):
    """What failed and where, in one sentence, and what to do about it.

    Attributes:
        message: what failed, with the file and the place in it.
        tip: what to do next; empty where the message says it all.
        code: what kind of failure it is, in stable kebab-case, for code that decides on it; empty where none does.
            Messages are for people: nothing decides on their wording.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, tip: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.tip = tip
        self.code = code


class InputError(TreegenError):
    """Wrong usage or unreadable input: exit code 2."""


class ProblemsError(TreegenError):
    """Problems found in the input, or a gate not met: exit code 1."""

    exit_code = 1


class ModelError(TreegenError):
    """A language model or an encoder failed: exit code 3."""

    exit_code = 3


class WaitingError(ModelError):
    """Nothing failed: a person has to do the next step. Exit code 0.

    Attributes:
        options: what the command needs besides its present arguments when it is run again, as typed in a shell.
    """

    exit_code = 0

    def __init__(self, message: str, tip: str = "", *, options: str = "") -> None:
        super().__init__(message, tip)
        self.options = options
