"""`treegen compare`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from treegen.cli.options import PATH, EncoderChoice, domain_option, open_workspace
from treegen.cli.output import Table, fits, interval, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from treegen.report.comparison import ComparisonDocument, Part


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
    from treegen.cli.output import say
    from treegen.report.comparison import entry_label, shared_images, summary

    entries = comparison["entries"]
    labels = [entry_label(comparison, number) for number in range(len(entries))]
    if not all(fits(layouts[-1]) for layouts in _tables(comparison, labels)):
        short = [f"({number})" for number in range(1, len(entries) + 1)]
        for number, label in zip(short, labels, strict=True):
            say(f"{number} {label}")
        say()
        labels = short
    accuracies, *others = [next(filter(fits, layouts), layouts[-1]) for layouts in _tables(comparison, labels)]
    accuracies.print()
    say(f"chance: {percent(1 / comparison['classes'])}")
    for each in others:
        say()
        each.print()
    say()
    n, changed = entries[0]["dev"]["n"], len(comparison["changed"])
    say(f"{changed} of {n} dev images {'is' if changed == 1 else 'are'} not classified alike; --json lists all")
    if sentence := shared_images(comparison):
        say(sentence)
    say(summary(comparison))


def _tables(comparison: "ComparisonDocument", labels: "Sequence[str]") -> "list[list[Table]]":
    """Return each table in its layouts, the widest first: a narrow terminal gets fewer columns, not broken words."""
    parts = (("class", comparison["per_class"]), ("group", comparison["per_group"]))
    return [_accuracies(comparison, labels), _tests(comparison, labels), *(_parts(*part, labels) for part in parts)]


def _accuracies(comparison: "ComparisonDocument", labels: "Sequence[str]") -> "list[Table]":
    split, entries = comparison["split"], comparison["entries"]
    shares = [(entry["test"], entry["test_baseline"]) for entry in entries]
    if split == "dev":
        shares = [(entry["dev"], entry["dev_baseline"]) for entry in entries]
    rows = [
        (label, percent(s["accuracy"]), interval(s["interval"]), s["n"], percent(b["accuracy"]))
        for label, (s, b) in zip(labels, shares, strict=True)
        if s and b
    ]
    head = (f"tree ({split} split)", "accuracy", "95 % interval", "n", "names alone")
    return [
        Table(head=head, rows=rows, right=(1, 2, 3, 4)),
        Table(head=head[:4], rows=[row[:4] for row in rows], right=(1, 2, 3)),
    ]


def _tests(comparison: "ComparisonDocument", labels: "Sequence[str]") -> "list[Table]":
    from treegen.text import p_value, points

    first, split = comparison["pairs"][0], comparison["split"]
    rows = [
        (
            f"{labels[pair['first']]} against {labels[pair['second']]}",
            points(pair["difference"]),
            pair["wins"],
            pair["losses"],
            p_value(pair["p_holm"]),
            "" if pair["p_holm"] < 0.05 else "no significant difference",
        )
        for pair in comparison["pairs"]
    ]
    name = f"{'Sign-flip test of clusters' if 'clusters' in first else 'McNemar'} ({split} split, n = {first['n']})"
    head = (name, "points", "won", "lost", "p (Holm)", "")
    return [Table(head=head[:n], rows=[row[:n] for row in rows], right=(1, 2, 3)) for n in (6, 5)]


def _parts(kind: str, parts: "Sequence[Part]", labels: "Sequence[str]") -> "list[Table]":
    """Return the table of classes or groups: with intervals, counts and p-values, without intervals, with no counts."""
    layouts = []
    for columns in (("share", "interval", "n", "p"), ("share", "n", "p"), ("share", "p"), ("share",)):
        head = [f"{kind} (dev split)"]
        for number, label in enumerate(labels):
            titles = {"share": label, "interval": "95 % interval", "n": "n"}
            head += [title for column, title in titles.items() if column in columns]
            head += [("points (p, Holm)" if "p" in columns else "points")] * bool(number)
        rows = [[part["name"], *(cell for cells in _cells(part) for cell in _chosen(cells, columns))] for part in parts]
        layouts.append(Table(head=head, rows=rows, right=range(1, len(head))))
    return layouts


def _cells(part: "Part") -> "Iterator[dict[str, object]]":
    """Yield the cells of a part for each entry by column: those of its share, and the test against the first entry."""
    from treegen.text import p_value, points

    for number, (share, test) in enumerate(zip(part["shares"], part["against"], strict=True)):
        cells: dict[str, object] = {"share": "-", "interval": "-", "n": "-"}
        if share:
            cells = {"share": percent(share["accuracy"]), "interval": interval(share["interval"]), "n": share["n"]}
        if number:
            cells["points"] = points(test["difference"]) if test else "-"
            cells["p"] = f" ({p_value(test['p_holm'])})" if test else ""
        yield cells


def _chosen(cells: "dict[str, object]", columns: "Sequence[str]") -> "Iterator[object]":
    """Yield the cells of the columns; the points are always one, with p in the same cell."""
    yield from (cells[name] for name in ("share", "interval", "n") if name in columns)
    if "points" in cells:
        yield f"{cells['points']}{cells['p'] if 'p' in columns else ''}"
