"""Options shared by several commands, and opening the workspace they describe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from treegen.config.domain import Domain
    from treegen.config.settings import EncoderSettings
    from treegen.vcs.tree_names import TreeName
    from treegen.workflow.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


class TreeType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A tree as users name it: a file, the folder of its domain, `FILE@REVISION` or `GIT_REVISION:FILE`."""

    name = "tree"

    def __init__(self, *, read: bool = True) -> None:
        """Refuse what is not the text of any tree, unless `read` is not set: then it may even be missing."""
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Find the tree.

        Raises:
            InputError: it is missing, or cannot be a tree.
            ProblemsError: it is empty or damaged.
        """
        from treegen.vcs.tree_names import locate_tree
        from treegen.vcs.versions import refuse_unreadable

        if not isinstance(value, str):
            return value
        tree = locate_tree(value)
        if self._read:
            refuse_unreadable(tree)  # before the domain is looked for: the first error is the one to tell
        return tree

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete file names."""
        return [CompletionItem(incomplete, type="file")]


class TreeFileType(TreeType):
    """The path of a tree file, or of the one in a domain's folder: for commands that write the file or its history."""

    def __init__(self, *, broken: bool = False) -> None:
        """Also accept the damaged text of a tree if `broken`."""
        super().__init__()
        self._broken = broken

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            InputError: a revision, or a file of another kind.
            ProblemsError: it is empty or damaged, and `broken` is not set.
        """
        from treegen.errors import InputError
        from treegen.text import quoted
        from treegen.vcs.tree_names import locate_tree, refuse_other_kinds
        from treegen.vcs.versions import refuse_unreadable

        if not isinstance(value, str):
            return value
        tree = locate_tree(value)
        if not tree.is_file:
            tip = f"name the file; `treegen restore {quoted(tree.text)}` writes a revision to it first"
            raise InputError(f"{tree.text}: this command works on the file, not on a revision", tip)
        refuse_other_kinds(tree.path)
        if not self._broken:
            refuse_unreadable(tree)
        return tree.path


TREE = TreeType()
TREE_FILE = TreeFileType()
BROKEN_TREE_FILE = TreeFileType(broken=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderChoice:
    """The command line's encoder options; `None` where not given."""

    name: str | None = None
    device: str | None = None
    precision: str | None = None
    trust_remote_code: bool | None = None

    @property
    def arguments(self) -> list[str]:
        """The same options for another command."""
        options = (("--encoder", self.name), ("--device", self.device), ("--precision", self.precision))
        arguments = [part for option, value in options if value for part in (option, value)]
        return [*arguments, *(["--trust-remote-code"] if self.trust_remote_code else [])]

    def settings(self, domain: "Domain | None") -> "EncoderSettings":
        """Override the domain's encoder settings, or the defaults, with the command line's."""
        from treegen.config.overrides import settings_with

        return settings_with(
            domain,
            encoder=self._with_absolute_path(),
            device=self.device,
            precision=self.precision,
            trust_remote_code=self.trust_remote_code,
        )

    def _with_absolute_path(self) -> str | None:
        """Make a folder's path absolute: on the command line it is relative to the current folder."""
        kind, _, place = (self.name or "").partition(":")
        if kind == "local-dir" or (kind == "hf" and Path(place).is_dir()):
            return f"{kind}:{Path(place).absolute()}"
        return self.name


def encoder_options(function: F) -> F:
    """Add --encoder, --device, --precision and --trust-remote-code, passed on as one `EncoderChoice`."""

    @wraps(function)
    def with_choice(
        *args: Any,
        encoder: str | None,
        device: str | None,
        precision: str | None,
        trust_remote_code: bool | None,
        **rest: Any,
    ) -> Any:
        choice = EncoderChoice(
            name=encoder, device=device, precision=precision, trust_remote_code=trust_remote_code or None
        )
        return function(*args, encoder=choice, **rest)

    decorated: Any = with_choice
    for option in (
        click.option(
            "--trust-remote-code",
            is_flag=True,
            default=None,
            help="Run the Python code shipped with an hf: model; only if you trust its authors.",
        ),
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "fp16", "bf16"]),
            help="Number format of the model.",
        ),
        click.option("--device", type=click.Choice(["auto", "cuda", "mps", "cpu"]), help="Device that runs the model."),
        click.option(
            "--encoder",
            metavar="NAME",
            help="MODEL:PRETRAINED of open_clip, hf-hub:ORG/NAME or local-dir:FOLDER; hf:ORG/NAME or hf:FOLDER of "
            "transformers; a service by its litellm name; or bundled.",
        ),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


class RenamedOption(click.Option):
    """An option that still answers to old spellings, which no help shows."""

    def __init__(self, param_decls: Sequence[str], *, old: Sequence[str], **attributes: Any) -> None:
        """Add the `old` spellings to the declared ones."""
        super().__init__([*param_decls, *old], **attributes)
        self._old = old

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the help under the present names alone."""
        opts = self.opts
        self.opts = [name for name in opts if name not in self._old]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = opts


def colour_option(function: F) -> F:
    """Add --color and --no-color; by default the terminal and NO_COLOR decide."""
    return click.option(
        "--color/--no-color", "colour", default=None, help="Always or never use colour; by default only on a terminal."
    )(function)


def domain_option(function: F) -> F:
    """Add --domain."""
    return click.option(
        "--domain",
        "domain_path",
        type=PATH,
        metavar="DOMAIN",
        help="The domain: domain.toml or its folder; the one beside the tree by default.",
    )(function)


def llm_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the language model options, passed to the command as one `LlmChoice` named `llm`."""
    from dataclasses import fields
    from functools import wraps

    from treegen.cli.conversation import LlmChoice

    names = [f.name for f in fields(LlmChoice)]

    @wraps(function)
    def with_choice(*args: Any, **values: Any) -> Any:
        return function(*args, llm=LlmChoice(**{name: values.pop(name) for name in names}), **values)

    command: Callable[..., Any] = with_choice
    for option in (
        click.option("--messages", type=PATH, metavar="FILE", help="With --model manual: write the messages here."),
        click.option(
            "--answer",
            "answers",
            type=PATH,
            multiple=True,
            metavar="FILE",
            help="With --model manual: read the answer here; repeat once per request.",
        ),
        click.option("--record", type=PATH, metavar="FILE", help="Record the conversation, for --model replay/FILE."),
        click.option("--fresh", is_flag=True, help="Do not reuse answers of earlier runs."),
        click.option("--max-cost", type=click.FloatRange(0), metavar="USD", help="Stop before the cost exceeds this."),
        click.option(
            "--max-tokens", type=click.IntRange(1), metavar="N", help="Stop before more tokens, input and output."
        ),
        click.option("--max-calls", type=click.IntRange(1), metavar="N", help="Stop before more requests."),
        click.option(
            "--tries",
            type=click.IntRange(1, 20),
            default=4,
            show_default=True,
            metavar="N",
            help="Maximum replies for the tree, or for each batch; --max-calls caps the whole run.",
        ),
        click.option("--env-file", type=PATH, metavar="FILE", help="Also read API keys from this file."),
        click.option("--api-base", metavar="URL", help="Address of an OpenAI-compatible server."),
        click.option(
            "--model",
            metavar="NAME",
            envvar="TREEGEN_MODEL",
            help="A litellm name such as openai/gpt-4o-mini, replay/FILE, or manual.",
        ),
    ):
        command = option(command)
    return command


def open_workspace(tree: "Path | TreeName", domain_path: Path | None, encoder: EncoderChoice) -> "Workspace":
    """Open the workspace of a tree or of a revision with the command line's options, showing progress on stderr.

    It is closed when the command ends, in any way.
    """
    from treegen.cli.output import ProgressLine
    from treegen.workflow.workspace import Workspace

    path, version = (tree, None) if isinstance(tree, Path) else (tree.path, tree)
    workspace = Workspace(path, domain_path=domain_path, progress=ProgressLine(), version=version)
    click.get_current_context().call_on_close(workspace.close)
    workspace.encoder_settings = encoder.settings(workspace.domain)
    return workspace
