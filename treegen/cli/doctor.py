"""`treegen doctor`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treegen.cli.options import PATH

if TYPE_CHECKING:
    from treegen.doctor import Examination


@click.command("doctor")
@click.argument("domain", type=PATH, required=False)
@click.option("--model", metavar="NAME", envvar="TREEGEN_MODEL", help="The language model to check.")
@click.option("--api-base", metavar="URL", help="Address of an OpenAI-compatible server.")
@click.option("--env-file", type=PATH, metavar="FILE", help="Also read API keys from this file.")
@click.option("--encoder", metavar="NAME", help="The encoder to check.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one object.")
def command(
    domain: Path | None,
    model: str | None,
    api_base: str | None,
    env_file: Path | None,
    encoder: str | None,
    as_json: bool,
) -> None:
    """Report what can be used: images, keys, servers, encoders, GPU, terminal and git; and how to fix the rest.

    Nothing is sent to a model, and no key is shown. DOMAIN is domain.toml or its folder; by default the one in the
    current folder, if there is one. Exit code 1 if the images, the language model or the encoder that is named cannot
    be used.
    """
    from dataclasses import replace

    from treegen.cli.output import print_json
    from treegen.config.domain import FILE_NAME, load_domain
    from treegen.config.settings import EncoderSettings, LlmSettings
    from treegen.doctor import examine

    if domain is None and Path(FILE_NAME).is_file():
        domain = Path(FILE_NAME)
    loaded = load_domain(domain) if domain else None
    settings = loaded.llm if loaded else LlmSettings()
    given = {"model": model, "api_base": api_base, "env_file": env_file}
    named = {name: value for name, value in given.items() if value}
    llm = replace(settings, **named, from_file=settings.from_file - named.keys())  # type: ignore[arg-type]
    chosen = loaded.encoder if loaded else EncoderSettings() if encoder else None
    examination = examine(
        llm if loaded or any(given.values()) else None,
        replace(chosen, name=encoder) if chosen and encoder else chosen,
        loaded.folder if loaded else Path.cwd(),
        loaded,
    )
    if as_json:
        print_json({"usable": examination.usable, "findings": [asdict(f) for f in examination.findings]})
    else:
        _show(examination)
    if not examination.usable:
        sys.exit(1)


def _show(examination: "Examination") -> None:
    from treegen.cli.output import plain, print_line, say

    signs = {"ok": ("+", "green"), "off": ("-", "yellow"), "missing": ("!", "red")}
    topic = ""
    for finding in examination.findings:
        if finding.topic != topic:
            say(f"{chr(10) if topic else ''}{finding.topic}")
            topic = finding.topic
        sign, colour = signs[finding.state]
        print_line(f"  {click.style(sign, fg=colour, bold=True)} {plain(finding.name)}: {plain(finding.message)}")
        if finding.tip:
            say(f"      {finding.tip}")
