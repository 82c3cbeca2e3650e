"""`treegen init`."""

from pathlib import Path

import click

from treegen.cli.options import PATH
from treegen.cli.steps import is_step


@click.command("init")
@click.argument("folder", type=PATH, metavar="DIR")
@click.option("--classes", type=PATH, metavar="FILE", help="One class name a line; # starts a comment line.")
@click.option("--images", type=PATH, metavar="PATH", help="One folder of images for each class, or a table.")
@click.option("--image-folder", type=PATH, metavar="DIR", help="What the paths of a table are relative to.")
@click.option("--name", metavar="NAME", help="Name of the domain; the folder's name by default.")
@click.option("--noun", default="object", show_default=True, metavar="NOUN", help="What one thing of it is called.")
@click.option("--hint", "hints", multiple=True, metavar="TEXT", help="A visual feature to ask about; repeatable.")
@click.option("--model", metavar="NAME", help="The language model that drafts, such as openai/gpt-4o-mini, or manual.")
@click.option("--encoder", metavar="NAME", help="The CLIP that scores, such as ViT-B-32:laion2b_s34b_b79k.")
def command(
    folder: Path,
    classes: Path | None,
    images: Path | None,
    image_folder: Path | None,
    name: str | None,
    noun: str,
    hints: tuple[str, ...],
    encoder: str | None,
    model: str | None,
) -> None:
    """Write a commented domain.toml to DIR from a class list, an image folder, or both."""
    from treegen.cli.output import say, tell
    from treegen.text import counted, quoted
    from treegen.workflow.init_domain import write_domain

    written = write_domain(
        folder,
        classes=classes,
        images=images,
        image_folder=image_folder,
        name=name,
        noun=noun,
        hints=hints,
        encoder=encoder,
        model=model,
    )
    for note in written.notes:
        tell(note)
    say(f"wrote {written.path}: {counted(written.classes, 'class', 'classes')}")
    if written.files:
        say(written.files)
    if written.few:
        tell(f"note: {written.few}")
    if is_step():
        return
    chosen = "" if model else " --model NAME"
    tell(f"next: edit it, then `treegen draft {quoted(folder)}{chosen}`")
