"""domain.toml: what to classify. All problems of a file are reported at once, like a tree's."""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from treegen.config.class_names import refuse_table
from treegen.config.nesting import refuse_depth
from treegen.config.settings import (
    CheckSettings,
    ComputeSettings,
    DecisionSettings,
    EncoderSettings,
    ImageSettings,
    LlmSettings,
    SecondSettings,
    SplitSettings,
)
from treegen.config.trust import IMAGE_PATHS, Trust, require_own
from treegen.errors import InputError, ProblemsError
from treegen.files import is_folder, is_there, read_text, refuse_binary, without_dots
from treegen.remote.budget import Limits
from treegen.text import article, did_you_mean, printable, show
from treegen.tree.validation.problems import ADJUSTABLE, CODES, Problem, pointer_to
from treegen.tree.validation.schema import schema_problems

FILE_NAME: Final = "domain.toml"
BUNDLED_DOMAIN: Final = "sketchbook"
_OTHERS: Final = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".md", ".py")  # a domain file may have any other name
_MOST_BYTES: Final = 4 * 2**20
_MOST_CLASSES: Final = 50_000
_PLACE: Final = re.compile(r"\{[\w ]*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A validated domain. `folder` is where domain.toml lies; paths in the file are relative to it.

    `material` is what the `notes_files` say of classes; `treegen.config.class_notes.with_notes` reads it.
    """

    folder: Path
    name: str
    noun: str = "object"
    description: str = ""
    hints: tuple[str, ...] = ()
    language: str = "en"
    name_template: str = "a photo of {a noun}: {name}"
    classes: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    notes_files: tuple[Path, ...] = ()
    material: tuple[tuple[str, tuple[str, ...]], ...] = ()
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    images: ImageSettings | None = None
    split: SplitSettings = field(default_factory=SplitSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    second: SecondSettings | None = None
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    check: CheckSettings = field(default_factory=CheckSettings)

    def name_prompts(self) -> tuple[str, ...]:
        """Return the baseline's text for every class (K)."""
        return tuple(map(self.name_prompt, self.classes))

    def name_prompt(self, name: str) -> str:
        """Return the baseline's text for one class."""
        return _fill_name(self.name_template, noun=self.noun, name=name)


def _fill_name(template: str, *, noun: str, name: str) -> str:
    """Insert noun and name; nothing else in the template is special."""
    texts = {"{noun}": noun, "{a noun}": _with_article(noun), "{name}": name, "{a name}": _with_article(name)}
    return _PLACE.sub(lambda place: texts.get(place[0], place[0]), template)


def _with_article(words: str) -> str:
    return f"{article(words)} {words}".strip()


def domain_path(path: Path) -> Path:
    """Return `path`, or the domain.toml in it if it is a folder."""
    return path / FILE_NAME if is_folder(path) else path


def has_domain(folder: Path) -> bool:
    """Return whether a folder has a domain.toml, even one that cannot be read: a pipe, a folder, a broken link."""
    try:
        return folder.is_dir() and os.path.lexists(folder / FILE_NAME)
    except OSError:  # name too long, or no permission
        return False


def load_domain(path: Path) -> Domain:
    """Read and validate a domain file, or the domain.toml in a folder.

    Raises:
        InputError: the file is missing, not UTF-8 or not TOML (with line and column).
        ProblemsError: the file has problems; the message lists all of them with their locations.
    """
    domain, problems = read_domain(path)
    if domain is None:
        listed = "\n".join(f"  {p.code} {printable(p.pointer) or '/'}: {p.message}" for p in problems)
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise ProblemsError(f"{domain_path(path)}: {count}\n{listed}", "`treegen schema domain` shows every key")
    return domain


def read_domain(path: Path) -> tuple[Domain | None, tuple[Problem, ...]]:
    """Return the domain, or `None` and all problems of the file.

    Raises:
        InputError: the file is missing, not UTF-8 or not TOML.
        TrustError: it or its classes_file is outside of the folder, which the user has not allowed.
    """
    path = domain_path(path)
    require_own(path)
    data = read_data(path)
    problems = schema_problems(data, "domain")
    broken = {p.pointer.split("/")[1] for p in problems if p.pointer}
    sound = {key: value for key, value in data.items() if key not in broken}
    classes: tuple[str, ...] = ()
    if not broken & {"classes", "classes_file"}:
        classes, more = _classes(sound, path.parent)
        problems += more
    problems += _cross_problems(sound, classes)
    if problems:
        return None, tuple(problems)
    return _build(data, classes, path.parent.resolve()), ()


def read_data(path: Path) -> dict[str, Any]:
    """Return the content of a domain file as it is, valid or not.

    Raises:
        InputError: the file is missing, not UTF-8 or not TOML.
    """
    path = domain_path(path)
    if not is_there(path):
        if os.path.islink(path):  # noqa: PTH114 - Path.is_symlink raises for some names
            raise InputError(f"{path}: a broken link, to {path.readlink()}", "restore what it points to, or remove it")
        raise InputError(f"{path}: no such domain file", "`treegen init DIR --classes FILE` writes one")
    if path.suffix.lower() in _OTHERS:
        message = f"{path}: a {path.suffix.lower()} file, not a domain file"
        raise InputError(message, "name a domain's folder, or its domain.toml")
    refuse_binary(path, "a domain file")
    text = read_text(path, most=_MOST_BYTES)
    refuse_depth(path, text)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # tomllib raises these for huge numbers and deep nesting
        raise InputError(
            f"{path}: not TOML: {error}", "fix the line; `treegen schema domain` shows every key"
        ) from None


def _classes(data: dict[str, Any], folder: Path) -> tuple[tuple[str, ...], list[Problem]]:
    """Read the class names from the list or the file, with problems TG106, TG401, TG402 and TG404."""
    inline, file = data.get("classes"), data.get("classes_file")
    if (inline is None) == (file is None):
        message = "give either classes or classes_file" + (", not both" if inline else "")
        return (), [Problem(code="TG404", pointer="/classes", message=message)]
    pointer = "/classes" if file is None else "/classes_file"
    lines: dict[str, list[str]] = {}
    if file is None:
        names = tuple(inline or ())
    else:
        if not _is_file(folder / file):
            message = f"there is no file {show(str(folder / file))}"
            return (), [Problem(code="TG402", pointer=pointer, message=message)]
        Trust(folder).require_path(folder / file, "classes_file")
        pairs = numbered_class_names(folder / file)
        names = tuple(name for _, name in pairs)
        lines = {name: [str(number) for number, other in pairs if other == name] for name in _repeated(names)}
    problems = [
        Problem(
            code="TG401",
            pointer=pointer,
            message=f"the class {show(name)} is a duplicate" + (f" (lines {', '.join(lines[name])})" if lines else ""),
        )
        for name in _repeated(names)
    ]
    problems += [
        Problem(code="TG106", pointer=pointer, message=f"the class name {show(name)} contains a control character")
        for name in dict.fromkeys(names)
        if not name.isprintable()
    ]
    if len(names) > _MOST_CLASSES:
        message = f"at most {_MOST_CLASSES} classes are supported, found {len(names)}"
        return names[:2], [Problem(code="TG404", pointer=pointer, message=message)]
    if len(names) < 2:
        problems.append(
            Problem(code="TG404", pointer=pointer, message=f"at least 2 classes are needed, found {len(names)}")
        )
    return names, problems


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # name too long, or no permission for the folder
        return False


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read class names from a text file, one per line; blank lines and lines that start with # are skipped.

    Raises:
        InputError: the file cannot be read, is a table, or has all names on one line.
    """
    return tuple(name for _, name in numbered_class_names(path))


def numbered_class_names(path: Path) -> list[tuple[int, str]]:
    """Read class names with the lines that they are on, from 1; see `read_class_names`."""
    lines = enumerate((line.strip() for line in read_text(path).splitlines()), 1)
    names = [(number, line) for number, line in lines if line and not line.startswith("#")]
    refuse_table(path, [name for _, name in names])
    return names


def _cross_problems(data: dict[str, Any], classes: tuple[str, ...]) -> list[Problem]:
    """Return what the schema cannot check: crop box, class names, problem codes, template placeholders."""
    problems = [*_class_keys(data, classes), *_severities(data.get("check", {}).get("severity", {}))]
    for place in dict.fromkeys(_PLACE.findall(data.get("name_template", ""))):
        if place not in ("{noun}", "{a noun}", "{name}", "{a name}"):
            message = f"the name template supports {{noun}}, {{a noun}}, {{name}} and {{a name}}, not {show(place)}"
            problems.append(Problem(code="TG405", pointer="/name_template", message=message))
    if "images" in data:
        problems += _image_problems(data["images"])
    left, top, right, bottom = data.get("images", {}).get("crop", (0, 0, 1, 1))
    if left >= right or top >= bottom:
        message = f"left must be less than right and top less than bottom: {[left, top, right, bottom]}"
        problems.append(Problem(code="TG403", pointer="/images/crop", message=message))
    return problems


def _image_problems(images: dict[str, Any]) -> Iterator[Problem]:
    """Yield TG409: images named not at all or more than once, and keys of another kind of set."""
    kinds = [kind for kind in ("manifest", "shards", "hf") if kind in images]
    if len(kinds) > 1 or (kinds and "folder" in images and kinds != ["manifest"]):
        named = ", ".join(kinds + ["folder"] * ("folder" in images))
        message = f"the images are configured more than once: {named}; only a manifest can be combined with a folder"
        yield Problem(code="TG409", pointer="/images", message=message)
    elif not kinds and "folder" not in images:
        message = "set one of folder, manifest, shards and hf"
        yield Problem(code="TG409", pointer="/images", message=message)
    if "columns" in images and not {"manifest", "hf"} & set(images):
        message = "columns apply only to a manifest or hf"
        yield Problem(code="TG409", pointer="/images/columns", message=message)


def _class_keys(data: dict[str, Any], classes: tuple[str, ...]) -> Iterator[Problem]:
    """Yield notes and aliases of classes that the domain does not have."""
    class_names = set(classes)
    for table, code, what in (("notes", "TG406", "a note on"), ("aliases", "TG407", "an alias for")):
        for name in data.get(table, {}):
            if class_names and name not in class_names:
                message = f"{what} {show(name)}, which is not a class of the domain{did_you_mean(name, classes)}"
                yield Problem(code=code, pointer=pointer_to(table, name), message=message)


def _severities(levels: dict[str, str]) -> Iterator[Problem]:
    """Yield TG408: unknown codes, and attempts to downgrade errors."""
    for code, level in levels.items():
        pointer = pointer_to("check", "severity", code)
        if code not in CODES:
            message = f"unknown problem code {show(code)}{did_you_mean(code.upper(), tuple(CODES))}"
            yield Problem(code="TG408", pointer=pointer, message=message)
        elif code not in ADJUSTABLE and level != "error":
            message = f"{code} ({CODES[code][1]}) is always an error: such a tree cannot be used"
            yield Problem(code="TG408", pointer=pointer, message=message)


def _build(data: dict[str, Any], classes: tuple[str, ...], folder: Path) -> Domain:
    """Build the domain from validated data."""
    images = data.get("images")
    plain = ("name", "noun", "description", "language", "name_template")
    return Domain(
        folder=folder,
        classes=classes,
        hints=tuple(data.get("hints", ())),
        notes=tuple(data.get("notes", {}).items()),
        notes_files=tuple(folder / file for file in _listed(data.get("notes_file", []))),
        aliases=tuple((name, tuple(names)) for name, names in data.get("aliases", {}).items()),
        images=None
        if images is None
        else ImageSettings(
            **{key: without_dots(folder / images[key]) for key in IMAGE_PATHS if key in images},
            columns=tuple(images.get("columns", {}).items()),
            crop=tuple(float(x) for x in images.get("crop", (0, 0, 1, 1))),  # type: ignore[arg-type]
            workers=images.get("workers"),
            domain_folder=folder,
        ),
        split=SplitSettings(**data.get("split", {})),
        llm=_llm_settings(data.get("llm", {}), folder),
        second=_second_settings(data, folder),
        encoder=EncoderSettings(**(encoder := data.get("encoder", {})), from_file=frozenset(encoder)),
        decision=_decision(data.get("decision", {}), classes),
        compute=_compute(data.get("compute", {})),
        check=CheckSettings(severity=tuple(data.get("check", {}).get("severity", {}).items())),
        **{key: data[key] for key in plain if key in data},
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _llm_settings(data: dict[str, Any], folder: Path) -> LlmSettings:
    caps = {f"max_{name}": value for name, value in data.get("caps", {}).items()}
    file = {"env_file": folder / data["env_file"]} if "env_file" in data else {}
    return LlmSettings(**{**data, **file, "caps": Limits(**caps)}, from_file=frozenset(data))


def _second_settings(data: dict[str, Any], folder: Path) -> SecondSettings | None:
    """Read the table [second]; keys come from the file that [llm] names."""
    if (table := data.get("second")) is None:
        return None
    own = {key: table[key] for key in ("below", "images") if key in table}
    keys = {key: value for key, value in data.get("llm", {}).items() if key == "env_file"}
    llm = {key: value for key, value in table.items() if key not in own}
    return SecondSettings(llm=_llm_settings({**keys, **llm}, folder), **own)


def _decision(data: dict[str, Any], classes: tuple[str, ...]) -> DecisionSettings:
    """Read the table [decision].

    Raises:
        InputError: a prior names no class.
    """
    numbers = {
        key: tuple((name, float(value)) for name, value in data.get(key, {}).items())
        for key in ("parameters", "priors")
    }
    for name, _ in numbers["priors"]:
        if name not in classes:
            message = f"[decision] priors: the domain has no class {show(name)}{did_you_mean(name, classes)}"
            raise InputError(message, "name classes as the domain does")
    return DecisionSettings(**{**data, **numbers})


def _compute(data: dict[str, Any]) -> ComputeSettings:
    """Read the table [compute].

    Raises:
        InputError: something is to be done with views, and there is only the image itself.
    """
    exclude = tuple((group, tuple(kinds)) for group, kinds in data.get("exclude", {}).items())
    settings = ComputeSettings(**{**data, "exclude": exclude})
    if settings.adapt != "none" and settings.plain:
        message = f"[compute] adapt: {settings.adapt} trains on the views of an image, and views is 1"
        raise InputError(message, "views = 4 or views = 16, or remove `adapt`")
    return settings
