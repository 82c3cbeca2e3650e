"""Run all examinations in turn."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from treegen.config.domain import Domain
from treegen.config.settings import EncoderSettings, LlmSettings
from treegen.config.trust import TrustError
from treegen.doctor.findings import Finding
from treegen.doctor.images import images
from treegen.doctor.language import keys, model, ollama, server
from treegen.doctor.packages import extras
from treegen.doctor.surroundings import git_setup, terminal
from treegen.doctor.vision import device, encoder
from treegen.errors import TreegenError
from treegen.llm.chat import check_trust
from treegen.remote.environment import read_env_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The results of all examinations."""

    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether the images, the chosen model and the encoder can be used."""
        return all(finding.state != "missing" for finding in self.findings)


def examine(
    llm: LlmSettings | None, encoder_settings: EncoderSettings | None, folder: Path, domain: Domain | None = None
) -> Examination:
    """Examine everything that can be examined without loading a model.

    A litellm model takes the import of litellm (3 s), and a machine with a GPU that of torch (2 s). Servers get 2 s to
    answer.

    Args:
        llm: the model to use, if any.
        encoder_settings: the encoder to use; the bundled one if `None`.
        folder: the domain's folder, or the current one.
        domain: the domain whose images are examined, if any.
    """
    looked = images(domain) if domain and domain.images else ()
    return Examination(findings=(*looked, *_findings(llm, encoder_settings, folder)))


def _not_trusted(llm: LlmSettings, folder: Path) -> Finding | None:
    """Return what the domain says of the language model and its user has not allowed: nothing of it is tried then."""
    try:
        check_trust(llm, folder)
    except TrustError as error:
        return Finding(topic="language", name="trust", state="missing", message=error.message, tip=error.tip)
    return None


def _findings(llm: LlmSettings | None, encoder_settings: EncoderSettings | None, folder: Path) -> Iterator[Finding]:
    yield from extras()
    if llm and (refused := _not_trusted(llm, folder)):
        yield refused
        llm = None
    if llm and llm.env_file:
        try:
            read = read_env_file(llm.env_file)
            message = f"{len(read)} values read"
            yield Finding(topic="language", name=str(llm.env_file), state="ok", message=message)
        except TreegenError as error:
            yield Finding(topic="language", name="env_file", state="missing", message=error.message, tip=error.tip)
    yield from keys()
    if llm:
        yield model(llm, folder)
        if llm.api_base:
            yield server(llm.api_base, llm.model)
    yield ollama(wanted=bool(llm and (llm.model or "").startswith("ollama") and not llm.api_base))
    finding = encoder(encoder_settings or EncoderSettings(), folder)
    yield finding if encoder_settings or finding.state == "ok" else replace(finding, state="off")
    yield device()
    yield from terminal()
    yield git_setup(folder)
