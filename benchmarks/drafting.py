"""How well a language model drafts: islands of invented creatures, from notes or pictures, scored by the bundled CLIP.

    python benchmarks/drafting.py                                         # the committed recordings
    python benchmarks/drafting.py --model openai/gpt-4o-mini --domains 6
    python benchmarks/drafting.py --model openai/gpt-4o-mini --domains 6 --prompts my-prompts

A version of the templates is a folder of them; what it lacks is built in. Without a model, replies come from the
recordings in the same folder (KIND-SEED.jsonl). `--record` writes both: the replies, and the templates that asked for
them, so that a recording can still be replayed when the built-in templates have changed. The committed recordings, in
benchmarks/drafting, are of readers who saw nothing but the requests.

With `--prompts`, each domain is drafted with two versions, and the paired test is of the same test images. The images
of a domain share a draft, and a draft is partly luck: with few domains, look at the domains won and lost, too.

`--manual FOLDER` lets anybody be the model: each run writes the first request that has no reply to
FOLDER/DOMAIN/request-K.md, with its pictures beside it, and reads reply-K.md at the next run. Requests of other
templates are in FOLDER/DIR/DOMAIN.
"""

import argparse
import base64
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from islands import COUNT, Island
from PIL import Image

from treegen.clip.metrics.accuracy import share_of
from treegen.clip.metrics.statistics import mcnemar_exact
from treegen.config.class_notes import with_notes
from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ProblemsError, TreegenError
from treegen.history.score_document import Share, TestedScore
from treegen.llm.chat import Chat, ManualChat, Message, Reply, ResponseSchema, open_chat
from treegen.llm.chat.interface import OnText
from treegen.llm.chat.recording import RecordingChat
from treegen.llm.tasks.attempts import Attempt
from treegen.resources import data_dir
from treegen.text import counted
from treegen.tree.model import Tree
from treegen.tree.validation.problems import errors_of
from treegen.workflow.draft import draft_tree
from treegen.workflow.score import score_tree
from treegen.workflow.workspace import Workspace

RECORDED: Final = Path(__file__).with_suffix("")
_AGAIN: Final = ("repair", "continue")  # purposes of requests that follow another reply
_TRIES: Final = 4
_CHARACTERS: Final = 4  # of a token, about, where nobody has counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of the templates: a folder of them, and of recordings; `None` for the built-in ones."""

    name: str
    folder: Path | None = None

    def recording(self, island: Island) -> Path:
        return (self.folder or RECORDED) / f"{island.name}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What came of one draft.

    Attributes:
        requests: steps of the draft, each with one reply at least.
        valid_at_first: steps whose first reply had no errors.
        replies: all of them.
        tokens: read and written; `estimated` if nobody has counted them.
        groups: of the tree.
        alike: classes that it does not tell apart.
        tree: accuracy on the test split, without a tree `None`.
        baseline: the same by the class name.
        failure: why there is no tree.
        right: for each test image, whether the tree is right.
    """

    domain: str
    version: str
    classes: int
    requests: int
    valid_at_first: int
    replies: int
    tokens: int
    estimated: bool
    groups: int = 0
    alike: int = 0
    tree: Share | None = None
    baseline: Share | None = None
    failure: str = ""
    right: tuple[bool, ...] = ()


class ByFiles:
    """A chat with whoever reads request-K.md and its pictures and writes reply-K.md."""

    name = "manual"

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        folder.mkdir(parents=True, exist_ok=True)

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """Return the reply.

        Raises:
            WaitingError: it is not there yet.
        """
        self._number += 1
        request, reply = (self._folder / f"{kind}-{self._number}.md" for kind in ("request", "reply"))
        for number, url in enumerate((url for m in messages for url in m.images), 1):
            with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
                picture.save(request.with_name(f"{request.stem}-picture-{number:02d}.png"))
        return ManualChat(answers=(reply,), messages=request).complete(messages, on_text, wire=wire)


class WithoutPictures:
    """A chat that gets no pictures: what is replayed must not depend on the library that encodes them."""

    def __init__(self, chat: Chat) -> None:
        self.name, self._chat = chat.name, chat

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        texts = [Message(role=m.role, content=m.content) for m in messages]
        return self._chat.complete(texts, on_text, wire=wire)


def open_source(island: Island, version: Version, args: argparse.Namespace, record: Path | None) -> Chat:
    """Open what answers the requests: a model, somebody by files, or a recording."""
    if args.manual:
        chat: Chat = ByFiles(args.manual / (version.name if version.folder else "") / island.name)
        return RecordingChat(chat, record) if record else chat
    if args.model:
        return open_chat(LlmSettings(model=args.model), Path.cwd(), record=record)
    recording = version.recording(island).absolute()
    return WithoutPictures(open_chat(LlmSettings(model=f"replay/{recording}"), Path.cwd()))


def draft(island: Island, folder: Path, notes: Sequence[Path], version: Version, args: argparse.Namespace) -> Draft:
    """Draft the tree of a domain that is laid out in `folder`, and score it."""
    use_templates(version, folder)
    record = folder / f"{version.name}.jsonl" if args.record else None
    attempts: list[Attempt] = []
    result, failure = None, ""
    with Workspace(folder / f"{version.name}.json", domain_path=folder) as workspace:
        try:
            result = draft_tree(
                workspace,
                open_source(island, version, args, record),
                tries=_TRIES,
                noted=with_notes(workspace.domain, notes)[0],
                images=island.shown,
                fresh=True,
                settings=LlmSettings(model=args.model or "replay/"),
                on_attempt=attempts.append,
            )
        except ProblemsError as error:
            failure = error.message.splitlines()[0]
        first = [attempt for attempt in attempts if attempt.purpose not in _AGAIN]
        read = [figures for attempt in attempts for figures in tokens_of(attempt)]
        drafted = Draft(
            domain=island.name,
            version=version.name,
            classes=len(workspace.domain.classes),
            requests=len(first),
            valid_at_first=sum(not errors_of(attempt.problems) for attempt in first),
            replies=len(attempts),
            tokens=sum(tokens for tokens, _ in read),
            estimated=any(estimated for _, estimated in read),
            failure=failure,
        )
        if record:
            keep_recording(record, version, args.record / f"{island.name}.jsonl")
        if result is None:
            return drafted
        alike = sum(problem.code == "TG506" for problem in result.conversation.problems)
        return replace(drafted, alike=alike, **scores_of(workspace, result.tree))


def use_templates(version: Version, folder: Path) -> None:
    """Put a version's templates where treegen looks for a domain's own."""
    shutil.rmtree(folder / "prompts", ignore_errors=True)
    if version.folder:
        copy_templates(version.folder, folder / "prompts")


def copy_templates(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*.jinja"):
        shutil.copy(path, target)


def keep_recording(source: Path, version: Version, target: Path) -> None:
    """Write a recording without its pictures, which its seed tells, and the templates that asked for it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8") as file:
        for text in source.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            line["messages"] = [{"role": m["role"], "content": m["content"]} for m in line["messages"]]
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    for templates in (data_dir("prompts"), version.folder):
        if templates and templates != target.parent:
            copy_templates(templates, target.parent)


def tokens_of(attempt: Attempt) -> Iterable[tuple[int, bool]]:
    """Yield the tokens of request and reply, and whether they are estimated: pictures are not."""
    if attempt.reply is None:
        return
    texts = "".join(message.content for message in attempt.messages), attempt.reply.text
    counts = attempt.reply.prompt_tokens, attempt.reply.completion_tokens
    for text, count in zip(texts, counts, strict=True):
        yield (len(text) // _CHARACTERS, True) if count is None else (count, False)


def scores_of(workspace: Workspace, tree: Tree) -> dict[str, Any]:
    """Return the fields of `Draft` that a tree gives."""
    score = cast(TestedScore, score_tree(workspace, tree).score)
    labels, predictions = workspace.evaluator.splits["test"].labels, workspace.evaluator.predict_test(tree)
    return {
        "groups": len(tree.groups),
        "tree": share_of(score["test"]["correct"], score["test"]["n"]),
        "baseline": share_of(score["baseline"]["correct"], score["baseline"]["n"]),
        "right": tuple(label == found for label, found in zip(labels, predictions, strict=True)),
    }


def compare(old: Sequence[Draft], new: Sequence[Draft]) -> dict[str, Any]:
    """Compare two versions on the same domains: paired over their test images, and over domains.

    A domain without a tree of both versions takes part in neither; `left_out` names it.
    """
    pairs = [(a, b) for a, b in zip(old, new, strict=True) if a.tree and b.tree]
    images = [(x, y) for a, b in pairs for x, y in zip(a.right, b.right, strict=True)]
    wins, losses = images.count((False, True)), images.count((True, False))
    better = sum(sum(b.right) > sum(a.right) for a, b in pairs)
    worse = sum(sum(b.right) < sum(a.right) for a, b in pairs)
    return {
        "n": len(images),
        "wins": wins,
        "losses": losses,
        "difference": (wins - losses) / len(images) if images else None,
        "p": mcnemar_exact(wins, losses),
        "domains_better": better,
        "domains_worse": worse,
        "p_of_domains": mcnemar_exact(better, worse),
        "left_out": [a.domain for a, b in zip(old, new, strict=True) if not (a.tree and b.tree)],
    }


def total(drafts: Sequence[Draft]) -> Draft:
    """Sum up the drafts of a version; its accuracies are of the domains that have a tree."""

    def joined(name: str) -> Share | None:
        shares = [share for each in drafts if (share := getattr(each, name))]
        return share_of(sum(s["correct"] for s in shares), sum(s["n"] for s in shares)) if shares else None

    sums = {
        name: sum(getattr(each, name) for each in drafts)
        for name in ("classes", "requests", "valid_at_first", "replies", "tokens", "groups", "alike")
    }
    failed = sum(each.tree is None for each in drafts)
    return Draft(
        domain="in total",
        version=drafts[0].version,
        **sums,
        estimated=any(each.estimated for each in drafts),
        tree=joined("tree"),
        baseline=joined("baseline"),
        failure=f"{counted(failed, 'domain')} without a tree" if failed else "",
    )


_COLUMNS: Final = ("domain", "templates", "classes", "valid at first", "replies", "tokens", "groups", "tree", "names")


def row_of(draft: Draft) -> tuple[str, ...]:
    def share(value: Share | None) -> str:
        if value is None:
            return "-"
        low, high = value["interval"]
        return f"{value['accuracy']:.1%} [{low:.1%}, {high:.1%}]"

    return (
        draft.domain,
        draft.version,
        str(draft.classes),
        f"{draft.valid_at_first} of {draft.requests}",
        str(draft.replies),
        f"{'~' * draft.estimated}{draft.tokens:,}",
        str(draft.groups) if draft.tree else "-",
        share(draft.tree),
        share(draft.baseline),
    )


def print_table(drafts: Sequence[Draft], comparison: dict[str, Any] | None) -> None:
    rows = [_COLUMNS, *map(row_of, drafts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()
    print("tree, names: accuracy on the test split with its 95 % interval, of the tree and of the class names alone")
    for draft in drafts:
        if draft.alike:
            print(f"{draft.domain}, {draft.version}: {counted(draft.alike, 'class', 'classes')} not told apart")
        if draft.failure:
            print(f"{draft.domain}, {draft.version}: {draft.failure}")
    if any(draft.estimated for draft in drafts):
        print(f"~: a token is taken for {_CHARACTERS} characters, and pictures are not counted")
    if comparison and comparison["n"]:
        print(
            f"{drafts[-1].version} against {drafts[0].version}: {comparison['difference']:+.1%} of "
            f"{comparison['n']} images, {comparison['wins']} won, {comparison['losses']} lost (McNemar p = "
            f"{comparison['p']:.3g}); {comparison['domains_better']} domains better, {comparison['domains_worse']} "
            f"worse (sign test p = {comparison['p_of_domains']:.3g})"
        )


def versions_of(args: argparse.Namespace) -> list[Version]:
    """Return the version or the two versions to draft with.

    Raises:
        InputError: both have the same name, or one is not a folder.
    """
    first = Version(name="built-in") if args.model or args.manual else Version(name="recorded", folder=RECORDED)
    if args.against:
        first = Version(name=args.against.name, folder=args.against)
    versions = [first, *([Version(name=args.prompts.name, folder=args.prompts)] if args.prompts else [])]
    for version in versions:
        if version.folder not in (None, RECORDED) and not version.folder.is_dir():
            raise InputError(f"{version.folder}: not a folder", "name a folder of templates")
    if len({version.name for version in versions}) < len(versions):
        raise InputError(f"both versions are called {first.name}", "name folders whose last parts differ")
    return versions


def islands_of(args: argparse.Namespace, versions: Sequence[Version]) -> list[Island]:
    """Return the domains: those named, those recorded, or as many as were asked for, every third with pictures.

    Raises:
        InputError: there are none.
    """
    if args.only:
        return [Island.named(name) for name in args.only]
    if args.model or args.manual:
        seeds = range(args.seed, args.seed + (args.domains or 3))
        return [Island(kind="notes" if seed % 3 else "pictures", seed=seed) for seed in seeds]
    names = [{path.stem for path in (v.folder or RECORDED).glob("*-*.jsonl")} for v in versions]
    common = sorted(set.intersection(*names))[: args.domains]
    if not common:
        folders = " and ".join(str(v.folder) for v in versions)
        raise InputError(f"{folders}: no recordings of the same domains", "name a model with --model, and --record")
    return [Island.named(name) for name in common]


def run(args: argparse.Namespace) -> tuple[list[Draft], dict[str, Any] | None]:
    """Draft all domains with all versions; return the drafts with a total for each version, and the comparison."""
    versions = versions_of(args)
    drafts: dict[str, list[Draft]] = {version.name: [] for version in versions}
    for island in islands_of(args, versions):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "domain")
            notes = island.lay_out(folder, count=args.count)
            for version in versions:
                drafts[version.name].append(draft(island, folder, notes, version, args))
    results = list(drafts.values())
    comparison = compare(*results) if len(results) == 2 else None
    return [draft for group in results for draft in (*group, total(group))], comparison


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--model", help="a language model, as `treegen draft --model` takes it")
    source.add_argument("--manual", type=Path, metavar="FOLDER", help="requests and replies as files")
    parser.add_argument("--prompts", type=Path, metavar="DIR", help="templates to compare with the built-in ones")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="other templates or recordings than the built-in ones"
    )
    parser.add_argument("--domains", type=int, metavar="N", help="number of domains (3, or all that are recorded)")
    parser.add_argument("--seed", type=int, default=1, help="of the first domain; the next has the next (1)")
    parser.add_argument("--only", action="append", metavar="DOMAIN", help="such as notes-1; repeat for several")
    parser.add_argument("--count", type=int, default=COUNT, help=f"drawings of each class ({COUNT})")
    parser.add_argument("--record", type=Path, metavar="DIR", help="write recordings and templates there")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    return parser.parse_args()


def main() -> None:
    args = parsed()
    try:
        drafts, comparison = run(args)
    except TreegenError as error:
        print("\n".join(filter(None, (error.message, error.tip))), file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    if args.json:
        listed = [{key: value for key, value in asdict(draft).items() if key != "right"} for draft in drafts]
        print(json.dumps({"drafts": listed, "comparison": comparison}, indent=2))
    else:
        print_table(drafts, comparison)


if __name__ == "__main__":
    main()
