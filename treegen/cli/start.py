"""`treegen start`."""

import os
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treegen.cli.options import PATH, EncoderChoice, encoder_options
from treegen.cli.steps import run_step
from treegen.text import counted, quoted, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treegen.doctor.choices import Choice

_SHOWN: Final = 6  # class names that are listed
_HINTS: Final = "Hints: visual features that tell the classes apart, with commas"
_NOTES: Final = "Notes: a file that describes the classes, if you have one"
_PICTURES: Final = "Your pictures (one folder for each class, or a table)"
_GO_ON: Final = "Enter goes on, a letter changes one"
_FOLDER: Final = "Folder for the tree"
_NOUN: Final = "One thing of it is called (bird, car, mushroom)"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """The command's own arguments and options; `None` is asked on a terminal."""

    named: Path | None
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

    def llm_arguments(self, folder: Path) -> list[str]:
        """Return the options that `draft` takes too; a request to a chat window goes into the folder by default."""
        from treegen.config.domain import load_domain

        manual = (self.model or load_domain(folder).llm.model) == "manual"
        messages = self.messages or (folder / "request.txt" if manual else None)
        single = (("--api-base", self.api_base), ("--messages", messages), ("--max-cost", self.max_cost))
        given = [word for option, value in single if value is not None for word in (option, str(value))]
        repeated = [("--answer", file) for file in self.answers] + [("--notes", file) for file in self.notes]
        return [*given, *(word for option, file in repeated for word in (option, str(file)))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a new domain is made of, as it stands before the person confirms it."""

    images: Path
    folder: Path
    noun: str
    hints: tuple[str, ...]
    encoder: "Choice"
    model: "Choice"
    notes: tuple[Path, ...]
    encoders: "Sequence[Choice]" = field(repr=False)
    models: "Sequence[Choice]" = field(repr=False)

    @property
    def lines(self) -> list[str]:
        """Each part with the letter that changes it."""
        return [
            f"     pictures {self.images}",
            f"  f  folder   {self.folder}",
            f"  n  noun     {self.noun}",
            f"  c  CLIP     {self.encoder.name}: {self.encoder.words}",
            f"  m  model    {self.model.name}: {self.model.words}",
        ]

    @property
    def command(self) -> list[str]:
        """The command that writes the domain."""
        given = [("--images", str(self.images)), ("--noun", self.noun), *(("--hint", hint) for hint in self.hints)]
        given += [("--encoder", self.encoder.name), ("--model", self.model.name)]
        return ["init", str(self.folder), *(word for pair in given for word in pair)]


@click.command("start")
@click.argument("named", type=PATH, required=False, metavar="[DIR]")
@click.option("--images", type=PATH, metavar="PATH", help="One folder of images for each class, or a table.")
@click.option(
    "--noun", metavar="NOUN", help="What one thing of it is called: bird for a folder birds, else object by default."
)
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
    """Make a scored tree from your pictures: ask a few questions, write domain.toml, draft, score, open the review.

    DIR is your pictures, one folder for each class or a table: the tree's folder is then made beside them. Or it is the
    tree's folder, new or begun.

    Each question has a default and an option, so that it runs without a terminal too. Run it again to continue where it
    stopped: what exists already is not made again.
    """
    from treegen.cli.output import say
    from treegen.config.domain import FILE_NAME
    from treegen.extras import require
    from treegen.vcs.tree_names import TREE_NAME

    options = StartOptions(**values)
    require("clip")
    images, folder = _places(options)
    if (folder / FILE_NAME).exists():
        say(f"continuing with {folder / FILE_NAME}")
        if encoder.name:
            _keep_encoder(folder / FILE_NAME, encoder.name)
    else:
        assert images is not None
        plan = _plan(options, encoder, images, folder)
        folder, options = plan.folder, replace(options, notes=plan.notes)
        run_step("The domain: what is to be classified.", plan.command)
    tree = folder / TREE_NAME
    if tree.exists():
        run_step("CLIP scores the tree.", ["score", str(tree), *encoder.arguments])
    else:
        _draft(options, folder, encoder)
    if opened := _opens_review(options):
        run_step("The review: `?` lists the keys, q leaves.", ["review", str(tree)])
    corrects = "" if opened else f"`treegen review {quoted(tree)}` corrects it, "
    say(f"\nnext: {corrects}`treegen report {quoted(tree)} -o report.html` shows it to others")


def _draft(options: StartOptions, folder: Path, encoder: EncoderChoice) -> None:
    """Draft and score the tree.

    Raises:
        WaitingError: a person has to fetch a reply; its last line is the command that goes on.
    """
    from treegen.errors import WaitingError

    arguments = ["draft", str(folder), *options.llm_arguments(folder), *encoder.arguments]
    try:
        run_step("A language model drafts the tree; CLIP scores it.", arguments)
    except WaitingError as waiting:
        again = ["treegen", "start", str(folder), *(["--messages", str(options.messages)] if options.messages else [])]
        again += [word for file in options.notes for word in ("--notes", str(file))]
        command = f"{quoted(*again)} {waiting.options}".strip()
        raise WaitingError(
            f"{waiting.message}\n  {waiting.tip}", f"nothing is scored yet; with the reply, `{command}` goes on"
        ) from None


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


def _plan(options: StartOptions, encoder: EncoderChoice, images: Path, folder: Path) -> Plan:
    """Find out, or ask, all that a new domain needs."""
    from treegen.cli.output import tell
    from treegen.doctor.choices import encoder_choices, model_choices
    from treegen.extras import require
    from treegen.remote.hub import HubProbe
    from treegen.workflow.init_domain import noun_of

    probe = HubProbe() if options.asks or not encoder.name else None  # it asks while the person answers
    hints, notes = _hints(options), _notes(options)
    encoders = encoder_choices(probe, tell) if probe else []
    models = model_choices() if options.asks or not options.model else []
    plan = Plan(
        images=images,
        folder=folder,
        noun=options.noun or noun_of(images),
        hints=hints,
        encoder=_choice(encoders, encoder.name or encoders[0].name),
        model=_choice(models, options.model or models[0].name),
        notes=notes,
        encoders=encoders,
        models=models,
    )
    if options.asks:
        plan = _confirmed(plan)
        if notes:
            tell(f"(`--notes {quoted(notes[0])}` gives them again, should you continue later)")
    else:
        tell(f"pictures: {plan.images}")
        tell(f"folder for the tree: {plan.folder}")
    if plan.model.name != "manual":
        require("llm")
    return plan


def _places(options: StartOptions) -> tuple[Path | None, Path]:
    """Return the pictures, `None` if the domain exists already, and the folder of the domain.

    Raises:
        InputError: nobody says where the pictures are, or they have fewer than two classes.
    """
    from treegen.config.domain import FILE_NAME
    from treegen.workflow.init_domain import pictures_of

    named, images, has_pictures = options.named, options.images, False
    if named and named.name == FILE_NAME:
        named = named.parent
    if named and (named / FILE_NAME).exists():
        return None, named
    if named and images is None:
        images, has_pictures = pictures_of(named)
    is_pictures = has_pictures and images in (None, named)
    unclear = f"{named}: which pictures in it are meant is not clear" if has_pictures else ""
    images = _confirmed_images(options, images, unclear)
    return images, named if named and not is_pictures else _folder(images, beside=is_pictures)


def _default_images() -> tuple[str | None, bool]:
    """Return the folder of pictures in the current one that is the default, and whether no other may be meant."""
    from treegen.workflow.init_domain import has_class_folders, image_folders

    found = image_folders(Path())
    if not found:
        return "." if has_class_folders(Path()) else None, False
    return str(found[0]), len(found) == 1


def _confirmed_images(options: StartOptions, images: Path | None, unclear: str) -> Path:
    """Print how many classes the pictures have; ask for them where they are not known, until there are classes.

    Args:
        options: of the command.
        images: the pictures, if they are known.
        unclear: why a folder that was named is not the pictures although it has some: then no other is the default.

    Raises:
        InputError: there is nobody to ask, or there are fewer than two classes.
    """
    from treegen.cli.output import tell
    from treegen.errors import InputError

    if images is not None:
        return _with_classes(images)
    if not options.asks:
        tip = "give --images PATH: one folder of images for each class, or a table"
        raise InputError(unclear or "no pictures", tip)
    if unclear:
        tell(unclear)
    offered, is_only = (None, False) if unclear else _default_images()
    if offered and is_only:
        return _with_classes(Path(offered))
    while True:
        line = click.prompt(_PICTURES, default=offered or "", show_default=bool(offered), err=True).strip()
        if not line:
            tell("type the path of a folder that holds one folder of pictures for each class, or of a table")
            continue
        try:
            return _with_classes(Path(line).expanduser())
        except InputError as error:
            tell(f"{error.message}: {error.tip}")


def _with_classes(images: Path) -> Path:
    """Print how many classes there are in the pictures; return their path.

    Raises:
        InputError: there are fewer than two.
    """
    from treegen.cli.output import say
    from treegen.workflow.init_domain import class_names_in

    images = images.expanduser()
    names = class_names_in(images)
    more = ", ..." if len(names) > _SHOWN else ""
    say(f"{images}: {counted(len(names), 'class', 'classes')}: {', '.join(map(show, names[:_SHOWN]))}{more}")
    return images


def _folder(images: Path, *, beside: bool) -> Path:
    """Return the folder of the domain that is made for these pictures: in the current folder, or beside them."""
    from treegen.workflow.init_domain import USUAL_FOLDERS

    place = images.resolve()
    name = place.parent.name if place.name.lower() in USUAL_FOLDERS else place.stem
    plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "domain"
    folder = f"{plain}-tree"
    if not beside:
        return Path(folder)
    is_named = images.name not in ("", "..")  # else its name does not say what it is in
    return images.parent / folder if is_named else Path(os.path.relpath(place.parent / folder))


def _hints(options: StartOptions) -> tuple[str, ...]:
    line = "" if options.hints else _ask(options, _HINTS)
    return options.hints or tuple(hint for part in line.split(",") if (hint := part.strip()))


def _notes(options: StartOptions) -> tuple[Path, ...]:
    """Return the files of notes; a file that is not there is asked for again."""
    from treegen.cli.output import tell

    if options.notes:
        return options.notes
    while line := _ask(options, _NOTES):
        if (file := Path(line).expanduser()).is_file():
            return (file,)
        tell(f"{file}: no such file")
    return ()


def _ask(options: StartOptions, question: str) -> str:
    """Ask on a terminal what need not be answered; elsewhere return nothing."""
    if not options.asks:
        return ""
    answer: str = click.prompt(f"{question} [none]", default="", show_default=False, err=True)
    return answer.strip()


def _confirmed(plan: Plan) -> Plan:
    """Show what was found out until the person goes on; a letter changes one part of it."""
    from treegen.cli.output import tell

    while True:
        tell("")
        for line in plan.lines:
            tell(line)
        letter = click.prompt(_GO_ON, default="", show_default=False, err=True).strip()
        if not letter:
            return plan
        plan = _changed(plan, letter.lower())


def _changed(plan: Plan, letter: str) -> Plan:
    """Ask for one part of the plan."""
    from treegen.cli.output import tell
    from treegen.config.domain import FILE_NAME

    if letter == "f":
        folder = Path(click.prompt(_FOLDER, default=str(plan.folder), err=True)).expanduser()
        if (folder / FILE_NAME).exists():
            tell(f"{folder} has a tree already: `treegen start {quoted(folder)}` continues with it")
            return plan
        return replace(plan, folder=folder)
    if letter == "n":
        return replace(plan, noun=click.prompt(_NOUN, default=plan.noun, err=True).strip())
    if letter == "c":
        return replace(plan, encoder=_chosen("The CLIP that scores", plan.encoders))
    if letter == "m":
        return replace(plan, model=_chosen("The language model that drafts", plan.models))
    tell(f"{show(letter)}: type f, n, c or m, or Enter alone")
    return plan


def _chosen(question: str, choices: "Sequence[Choice]") -> "Choice":
    """Ask for one of the choices, by number or name, or for any other name; the first is the default."""
    from treegen.cli.output import tell

    tell(f"\n{question}:")
    for number, choice in enumerate(choices, start=1):
        tell(f"  {number}  {choice.name}: {choice.words}")
    answer = click.prompt("number or name", default="1", err=True).strip()
    if answer.isascii() and answer.isdecimal() and 0 < int(answer) <= len(choices):
        return choices[int(answer) - 1]
    return _choice(choices, answer)


def _choice(choices: "Sequence[Choice]", name: str) -> "Choice":
    """Return the choice of that name, which may be none of those that are offered."""
    from treegen.doctor.choices import Choice

    return next((choice for choice in choices if choice.name == name), Choice(name=name, words="as you named it"))


def _opens_review(options: StartOptions) -> bool:
    from treegen.extras import missing_modules

    if options.review is not None:
        return options.review
    return options.asks and not missing_modules("review") and click.confirm("Open the review?", default=True, err=True)
