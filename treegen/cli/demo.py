"""`treegen demo`."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from treegen.cli.options import PATH, EncoderChoice, encoder_options
from treegen.cli.steps import run_step


@click.command("demo")
@click.argument("folder", type=PATH, default=Path("treegen-demo"), metavar="[DIR]")
@click.option("--model", metavar="NAME", help="A real language model instead of the recorded conversation.")
@encoder_options
def command(folder: Path, model: str | None, encoder: EncoderChoice) -> None:
    """Run the whole loop on the bundled domain, offline: draft, check, repair, score, revise, score.

    The language model is a recorded conversation and the CLIP is a tiny one, trained for this demonstration;
    --model and --encoder replace them with real ones. DIR (treegen-demo by default) contains everything afterwards.
    """
    from treegen.cli.output import say
    from treegen.extras import require
    from treegen.workflow.demo import lay_out, refuse_other_domains

    require("clip")
    started = time.monotonic()
    say(f"Thirteen invented creatures with invented names, in {folder}.")
    if not model:
        say("The language model's replies are recorded, mistakes included; --model NAME uses a real one.")
    if not encoder.name:
        say("The CLIP is a tiny one that knows such drawings and nothing else; --encoder NAME uses a real one.")
    refuse_other_domains(folder, may_ask=bool(model))
    drawn = lay_out(folder)
    say(f"{drawn} images drawn in {time.monotonic() - started:.1f} s" if drawn else "the images exist already")
    tree = str(folder / "tree.json")
    vision = encoder.arguments
    llm = ["--model", model] if model else []
    run_step(
        "A language model drafts a tree from the domain; its mistakes go back to it.",
        ["draft", str(folder), "--force", "--no-score", *llm],
    )
    run_step("The schema and the cross-class checks.", ["check", tree])
    run_step("CLIP scores the draft.", ["score", tree, *vision])
    say(f"\nThe reviewer's feedback:\n{(folder / 'feedback.txt').read_text(encoding='utf-8').strip()}")
    run_step(
        "A reviewer has looked at the images and sends feedback.",
        ["revise", tree, "-F", str(folder / "feedback.txt"), "--apply", *llm, *vision],
    )
    run_step("Every revision, with its score and cost.", ["log", tree])
    _summary(Path(tree))
    say(
        f"\n{time.monotonic() - started:.0f} s in all. Next: edit {folder}/tree.json and score it again, "
        "or `treegen start` with pictures of your own."
    )


def _summary(tree: Path) -> None:
    """Print first draft and revised tree next to chance, baseline and shuffled rules."""
    from treegen.cli.display import paired_sentence
    from treegen.cli.output import interval, percent, print_line, say, table
    from treegen.history.score_document import as_tested
    from treegen.history.store import Store
    from treegen.workflow.verdict import spread_words

    with Store(tree) as store:
        scores, revisions = store.scores(), store.revisions()
    tested = [(r, score) for r in reversed(revisions) if (score := as_tested(scores.get(r.id)))]
    if len(tested) < 2:  # domain.toml was edited since, and seals the test split
        say("fewer than two revisions were evaluated on the test split, so there is nothing to compare")
        return
    (revised, last), (draft, first) = tested[:2]
    rows: list[tuple[str, Mapping[str, Any]]] = [
        ("chance", last["controls"]["chance"]),
        ("name baseline", last["baseline"]),
        (f"first draft (revision {draft.id})", first["test"]),
        (f"revised tree (revision {revised.id})", last["test"]),
        ("shuffled rules", last["controls"]["shuffled_rules"]),
    ]
    print_line("\n" + click.style("== What the loop achieved", bold=True))
    cells = [(name, percent(p["accuracy"]), interval(p["interval"]), p["n"], spread_words(p)) for name, p in rows]
    table(("test split", "accuracy", "95 % interval", "n", ""), cells, right=(1, 2, 3))
    if parent := last["mcnemar"]["parent"]:
        say(f"revised tree {paired_sentence(parent, 'the first draft')}")
    say(f"revised tree {paired_sentence(last['mcnemar']['baseline'], 'the name baseline')}")
