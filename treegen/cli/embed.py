"""`treegen embed`."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treegen.cli.options import PATH, TREE, EncoderChoice, RenamedOption, encoder_options

if TYPE_CHECKING:
    from treegen.batch.plan import Plan
    from treegen.batch.writer import Summary
    from treegen.vcs.tree_names import TreeName

_SHOWN: Final = 10


@click.command("embed")
@click.argument("images", type=PATH)
@click.option(
    "-o",
    "--out",
    cls=RenamedOption,
    old=("--output",),
    type=PATH,
    metavar="FOLDER",
    help="Write Parquet files here; with a tree, its answers.",
)
@click.option("--cache", type=PATH, metavar="FILE", help="Fill this embedding cache; the domain's own by default.")
@click.option("--domain", "domain_path", type=PATH, metavar="DOMAIN", help="Gives crop, encoder and cache.")
@click.option("--tree", type=TREE, metavar="TREE", help="Scores each image; the domain's tree.json by default.")
@click.option("--top", type=click.IntRange(1), metavar="K", help="Add the K best classes of each image to the table.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This process; or Ray, on this machine or the cluster at RAY_ADDRESS.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    metavar="N",
    help="With ray: models at work; one for each GPU, else each core. Else threads that decode; 0: that of the model.",
)
@click.option(
    "--batch", type=click.IntRange(1), metavar="N", help="Images that the model sees at once; 256 on a GPU, else 64."
)
@encoder_options
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one document.")
def command(
    images: Path,
    out: Path | None,
    cache: Path | None,
    domain_path: Path | None,
    tree: "TreeName | None",
    top: int | None,
    engine: str,
    workers: int | None,
    batch: int | None,
    encoder: EncoderChoice,
    as_json: bool,
) -> None:
    """Embed IMAGES: a folder, a manifest (CSV, JSON Lines), or the image set of a domain.

    What is in the cache or in finished Parquet files is not embedded again: simply rerun it after a kill.
    """
    from treegen.cli.output import ProgressLine, print_json
    from treegen.extras import require

    require("ray" if engine == "ray" else "embed" if out else "clip")
    from treegen.batch.pipeline import embed_images, open_engine
    from treegen.batch.plan import make_plan

    with make_plan(images, output=out, cache=cache, domain=domain_path, tree=tree, top=top or 0) as plan:
        chosen = open_engine(engine, plan, workers)
        summary = embed_images(plan, chosen, encoder.settings(plan.domain), batch=batch, progress=ProgressLine())
    if as_json:
        print_json({"engine": engine, "output": str(out) if out else None, **_document(plan, summary)})
    else:
        _show(plan, summary)


def _document(plan: "Plan", summary: "Summary") -> dict[str, object]:
    from treegen.images import shown

    counts = summary.counts
    return {
        "cache": shown(plan.cache) if plan.cache else None,
        "images": counts.images,
        "embedded": counts.embedded,
        "cached": counts.cached,
        "finished": counts.finished,
        "skipped": counts.skipped,
        "files": {"below": shown(plan.listing.root), **summary.files.as_json()},
        "first_skipped": [{"path": shown(s.path), "reason": s.reason} for s in summary.skipped],
        "encoder": summary.encoder,
        "accuracy": summary.accuracy,
        "notes": list(summary.notes),
    }


def _show(plan: "Plan", summary: "Summary") -> None:
    from treegen.cli.output import interval, percent, say, tell
    from treegen.images import shown
    from treegen.text import counted

    for note in summary.notes:
        tell(f"note: {note}")
    counts = summary.counts
    known = [
        f"{number} {words}"
        for number, words in ((counts.cached, "in the cache already"), (counts.finished, "written already"))
        if number
    ]
    done = ", ".join([f"{counts.embedded} embedded", *known, f"{counts.skipped} skipped"])
    say(f"{counted(counts.images, 'image')}: {done}")
    say(summary.files.sentence(shown(plan.listing.root)))
    for skipped in summary.skipped[:_SHOWN]:
        say(f"  {skipped.path}: {skipped.reason}")
    if counts.skipped > _SHOWN:
        say(f"  and {counts.skipped - _SHOWN} more")
    for what, where in (("embeddings", plan.cache), ("table", plan.output)):
        if where:
            say(f"{what}: {where}")
    found = summary.accuracy
    if found:
        part = "test split" if found["part"] == "test" else "images with labels"
        whose = "the dev split" if found["part"] == "test" else "the domain's own or a dev split"
        left_out = f"; {found['left_out']} of {whose} left out" if found["left_out"] else ""
        say(
            f"accuracy on the {part}: {percent(found['accuracy'])} {interval(found['interval'])} "
            f"(n = {found['n']}, 95 % interval{left_out})"
        )
