"""The images of a domain."""

from collections.abc import Iterator

from treegen.config.domain import Domain
from treegen.doctor.findings import Finding
from treegen.errors import InputError
from treegen.images import below, survey_images


def images(domain: Domain) -> Iterator[Finding]:
    """Yield the counts of a domain's picture files; none of them is decoded."""
    assert domain.images is not None
    name = below(domain.images.source, domain.folder)
    try:
        found = survey_images(domain)
    except InputError as error:
        yield Finding(topic="images", name=name, state="missing", message=error.message, tip=error.tip)
        return
    message = found.files.sentence(below(domain.images.root, domain.folder))
    yield Finding(topic="images", name=name, state="ok", message=message, tip="; ".join(found.notes))
