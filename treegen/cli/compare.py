"""`treegen compare`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from treegen.cli.options import PATH, EncoderChoice, domain_option, open_workspace

if TYPE_CHECKING:
    from treegen.report.comparison import ComparisonDocument


@click.command("compare")
@click.argument("trees", nargs=-1, required=True, metavar="TREE...")
@click.option("--encoder", "encoders", multiple=True, metavar="NAME", help="An encoder; repeat it to compare several.")
@click.option("--dev", "dev_only", is_flag=True, help="Use the dev split only: the test split is not evaluated.")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write a page here, or Markdown to a file named .md.")
@click.option("--format", "form", type=click.Choice(["table", "html", "markdown"]), help="By default a table.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as one object.")
@click.option("--force", is_flag=True, help="Replace any existing file, not only an earlier page.")
@domain_option
def command(
    trees: tuple[str, ...],
    encoders: tuple[str, ...],
    dev_only: bool,
    out: Path | None,
    form: str | None,
    as_json: bool,
    force: bool,
    domain_path: Path | None,
) -> None:
    """Compare each TREE with the others on the same images: accuracies, paired tests, classes, groups, images.

    A TREE is a file, a revision such as tree.json@3, or HEAD~1:tree.json. The domain is that beside the first file.
    """
    from treegen.cli.output import print_json, tell
    from treegen.errors import InputError
    from treegen.report.comparison import compare
    from treegen.report.rendering import comparison_html, comparison_markdown
    from treegen.report.writing import format_of, refuse_output, write_page
    from treegen.vcs.versions import open_version

    if out is not None:
        refuse_output(out, force=force)
    form = form or (format_of(out) if out else "table")
    if as_json and form != "table" and out is None:
        raise InputError(f"--json prints an object, and {form} is another form", "give one of the two")
    if form == "html" and out is None:
        raise InputError("a page needs a file", "name it with -o, such as -o comparison.html")
    named = [open_version(name, Path()) for name in trees]
    choices = [EncoderChoice(name=name) for name in encoders] or [EncoderChoice()]
    workspaces = [open_workspace(_home(trees), domain_path, choice) for choice in choices]
    comparison = compare(workspaces, named, sealed=True if dev_only else None)
    if as_json:
        print_json(comparison)
    elif form == "table":
        _show(comparison)
    texts = {"html": comparison_html, "markdown": comparison_markdown}
    if form in texts:
        text = texts[form](comparison)
        if out is None:
            click.echo(text, nl=False)
        else:
            write_page(out, text)
            tell(f"wrote {out}: {len(text.encode()) / 1000:,.0f} kB")


def _home(trees: tuple[str, ...]) -> Path:
    """Return the first tree that is a file, beside which the domain and the history are; else the first."""
    from treegen.vcs.tree_names import locate_tree

    located = [locate_tree(name) for name in trees]
    return next((tree.path for tree in located if tree.is_file), located[0].path)


def _show(comparison: "ComparisonDocument") -> None:
    from treegen.cli.output import interval, percent, say, table
    from treegen.report.comparison import entry_label, shared_images, summary
    from treegen.text import p_value
    from treegen.workflow.verdict import paired_points

    split, entries = comparison["split"], comparison["entries"]
    shares = [(entry["test"], entry["test_baseline"]) for entry in entries]
    if split == "dev":
        shares = [(entry["dev"], entry["dev_baseline"]) for entry in entries]
    rows = [
        (entry_label(comparison, i), percent(s["accuracy"]), interval(s["interval"]), s["n"], percent(b["accuracy"]))
        for i, (s, b) in enumerate(shares)
        if s and b
    ]
    table((f"tree ({split} split)", "accuracy", "95 % interval", "n", "names alone"), rows, right=(1, 2, 3, 4))
    say(f"chance: {percent(1 / comparison['classes'])}")
    say()
    tests = [
        (
            f"{entry_label(comparison, pair['first'])} against {entry_label(comparison, pair['second'])}",
            paired_points(pair, "", "none"),
            pair["wins"],
            pair["losses"],
            p_value(pair["p_holm"]),
            "" if pair["p_holm"] < 0.05 else "no significant difference",
        )
        for pair in comparison["pairs"]
    ]
    first = comparison["pairs"][0]
    name = f"{'Sign-flip test of clusters' if 'clusters' in first else 'McNemar'} ({split} split, n = {first['n']})"
    table((name, "points", "won", "lost", "p (Holm)", ""), tests, right=(1, 2, 3))
    for kind, parts in (("class", comparison["per_class"]), ("group", comparison["per_group"])):
        say()
        head = [f"{kind} (dev split)"]
        for number in range(len(entries)):
            head += [entry_label(comparison, number), "95 % interval", "n"] + (["points (p, Holm)"] if number else [])
        lines = []
        for part in parts:
            cells: list[object] = [part["name"]]
            for number, (share, test) in enumerate(zip(part["shares"], part["against"], strict=True)):
                cells += [percent(share["accuracy"]), interval(share["interval"]), share["n"]] if share else ["-"] * 3
                cells += [f"{paired_points(test, '', 'none')} ({p_value(test['p_holm'])})" if test else "-"] * bool(
                    number
                )
            lines.append(cells)
        table(head, lines, right=range(1, len(head)))
    say()
    n, changed = entries[0]["dev"]["n"], len(comparison["changed"])
    say(f"{changed} of {n} dev images {'is' if changed == 1 else 'are'} not classified alike; --json lists all")
    if sentence := shared_images(comparison):
        say(sentence)
    say(summary(comparison))
