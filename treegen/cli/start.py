"""`treegen start`."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treegen.cli.options import PATH, EncoderChoice, encoder_options
from treegen.cli.steps import run_step
from treegen.text import counted, show

if TYPE_CHECKING:
    from treegen.doctor.choices import Choice

_SHOWN: Final = 6  # class names that are listed
_USUAL: Final = (
    "images",
    "pictures",
    "photos",
    "data",
)  # folders that are offered; their names say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """The command's own arguments and options; `None` is asked on a terminal."""

    folder: Path | None
    images: Path | None
    noun: str | None
    hints: tuple[str, ...]
    notes: tuple[Path, ...]
    model: str | None
    api_base: str | None
    messages: Path | None
    answers: tuple[Path, ...]
    max_cost: float | None
    yes: bool
    review: bool | None

    @property
    def asks(self) -> bool:
        """Whether there is somebody to ask."""
        return not self.yes and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def llm_arguments(self) -> list[str]:
        """The options that `draft` takes too."""
        single = (("--api-base", self.api_base), ("--messages", self.messages), ("--max-cost", self.max_cost))
        given = [word for option, value in single if value is not None for word in (option, str(value))]
        repeated = [("--answer", file) for file in self.answers] + [("--notes", file) for file in self.notes]
        return [*given, *(word for option, file in repeated for word in (option, str(file)))]


@click.command("start")
@click.argument("folder", type=PATH, required=False, metavar="[DIR]")
@click.option("--images", type=PATH, metavar="PATH", help="One folder of images for each class, or a table.")
@click.option("--noun", metavar="NOUN", help="What one thing of it is called; object by default.")
@click.option("--hint", "hints", multiple=True, metavar="TEXT", help="A visual feature to ask about; repeatable.")
@click.option("--notes", type=PATH, multiple=True, metavar="FILE", help="What is known of the classes; repeatable.")
@click.option("--model", metavar="NAME", envvar="TREEGEN_MODEL", help="A litellm name, replay/FILE, or manual.")
@click.option("--api-base", metavar="URL", help="Address of an OpenAI-compatible server.")
@click.option("--messages", type=PATH, metavar="FILE", help="With --model manual: write the messages here.")
@click.option("--answer", "answers", type=PATH, multiple=True, metavar="FILE", help="With --model manual: the answer.")
@click.option("--max-cost", type=click.FloatRange(0), metavar="USD", help="Stop before the cost exceeds this.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: take the default of what is not given.")
@click.option("--review/--no-review", default=None, help="Open the review at the end, or do not; asked by default.")
@encoder_options
def command(encoder: EncoderChoice, **values: Any) -> None:
    """Make a scored tree from your pictures: ask a few questions, write DIR/domain.toml, draft, score, open the review.

    Each question has a default and an option, so that it runs without a terminal too. Run it again to continue where it
    stopped: what exists already is not made again.
    """
    from treegen.cli.output import say
    from treegen.config.domain import FILE_NAME
    from treegen.extras import require
    from treegen.vcs.tree_names import TREE_NAME

    options = StartOptions(**values)
    for extra in ("clip", "llm") if (options.model or "") not in ("manual",) else ("clip",):
        require(extra)
    images = None if options.folder and (options.folder / FILE_NAME).exists() else _images(options)
    folder = options.folder or _folder(options, images)
    if (folder / FILE_NAME).exists():
        say(f"continuing with {folder / FILE_NAME}")
        if encoder.name:
            _keep_encoder(folder / FILE_NAME, encoder.name)
    else:
        assert images is not None
        run_step("The domain: what is to be classified.", _init(options, encoder, folder, images))
    tree = folder / TREE_NAME
    if tree.exists():
        run_step("CLIP scores the tree.", ["score", str(tree), *encoder.arguments])
    else:
        arguments = ["draft", str(folder), *options.llm_arguments, *encoder.arguments]
        run_step("A language model drafts the tree; CLIP scores it.", arguments)
    say(f"\nnext: `treegen review {tree}` corrects it, `treegen report {tree} -o report.html` shows it to others")
    if _opens_review(options):
        run_step("The review: `?` lists the keys, q leaves.", ["review", str(tree)])


def _keep_encoder(file: Path, name: str) -> None:
    """Write the encoder that is named now, so that the commands after this one use it too."""
    import tomllib

    from treegen.cli.output import say
    from treegen.config.toml_editing import write_table
    from treegen.files import read_text

    table = tomllib.loads(read_text(file)).get("encoder", {})
    place = name.partition(":")[2]
    if table.get("name") != name and not (place and Path(place).is_dir()):  # a folder is relative to the current one
        write_table(file, "encoder", {**table, "name": name})
        say(f"{file}: the encoder is {show(name)} now")


def _images(options: StartOptions) -> Path:
    """Return where the pictures are, and print how many classes they have.

    Raises:
        InputError: nobody says where they are, or there are fewer than two classes.
    """
    from treegen.cli.output import say
    from treegen.errors import InputError
    from treegen.workflow.init_domain import class_names_in

    images = options.images
    if images is None:
        usual = next((name for name in _USUAL if Path(name).is_dir()), None)
        if not options.asks:
            raise InputError("no pictures", "give --images PATH: one folder of images for each class, or a table")
        images = Path(click.prompt("Your pictures (one folder for each class, or a table)", default=usual, err=True))
    images = images.expanduser()
    names = class_names_in(images)
    more = ", ..." if len(names) > _SHOWN else ""
    say(f"{images}: {counted(len(names), 'class', 'classes')}: {', '.join(map(show, names[:_SHOWN]))}{more}")
    return images


def _folder(options: StartOptions, images: Path | None) -> Path:
    """Return the folder of the domain, which is asked for."""
    assert images is not None
    place = images.resolve()
    name = place.parent.name if place.name.lower() in _USUAL else place.stem
    plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "domain"
    return Path(_ask(options, "Folder for the tree", f"{plain}-tree"))


def _init(options: StartOptions, encoder: EncoderChoice, folder: Path, images: Path) -> list[str]:
    """Ask what is not given, and return the command that writes the domain."""
    from treegen.doctor.choices import encoder_choices, model_choices

    noun = options.noun or _ask(options, "One thing of it is called (bird, car, mushroom)", "object")
    hints: Sequence[str] = options.hints
    if not hints:
        line = _ask(options, "Features that tell the classes apart, with commas (or none)", "")
        hints = [hint for part in line.split(",") if (hint := part.strip())]
    name = encoder.name or _choose(options, "The CLIP that scores", encoder_choices)
    model = options.model or _choose(options, "The language model that drafts", model_choices)
    given = [("--images", str(images)), ("--noun", noun), *(("--hint", hint) for hint in hints)]
    words = [word for pair in (*given, ("--encoder", name), ("--model", model)) for word in pair]
    return ["init", str(folder), *words]


def _ask(options: StartOptions, question: str, default: str) -> str:
    """Ask on a terminal; elsewhere take the default."""
    if not options.asks:
        return default
    answer: str = click.prompt(question, default=default, show_default=bool(default), err=True)
    return answer.strip()


def _choose(options: StartOptions, question: str, choices: "Callable[[], list[Choice]]") -> str:
    """Ask for one of the choices, by number or name, or for any other name; the first is the default."""
    from treegen.cli.output import tell

    listed = choices()
    if not options.asks:
        return listed[0].name
    tell(f"\n{question}:")
    for number, choice in enumerate(listed, start=1):
        tell(f"  {number}  {choice.name}: {choice.words}")
    answer = _ask(options, "number or name", "1")
    if answer.isdecimal() and 0 < int(answer) <= len(listed):
        return listed[int(answer) - 1].name
    return answer


def _opens_review(options: StartOptions) -> bool:
    from treegen.extras import missing_modules

    if options.review is not None:
        return options.review
    return options.asks and not missing_modules("review") and click.confirm("Open the review?", default=True, err=True)
