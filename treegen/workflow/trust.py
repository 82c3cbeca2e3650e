"""Everything that a folder asks for: in its domain.toml, and by links and tables in its images and prompts."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from treegen.config.domain import Domain, domain_path, read_data, read_domain
from treegen.config.trust import Request, Trust, is_inside, reading, requests_of
from treegen.errors import InputError, ModelError, TreegenError
from treegen.images import Findings, labels_of, read_images
from treegen.images.listing import OUTSIDE
from treegen.vcs.tree_names import TREE_NAME

_MOST_FOLDERS: Final = 20  # of pictures elsewhere that are named one by one; of more, the folder above them is


def all_requests(path: Path) -> tuple[tuple[Request, ...], str]:
    """Return what a domain's folder asks for, each once, and why something of it cannot be allowed now, if so.

    Args:
        path: domain.toml or its folder.

    Raises:
        InputError: there is no domain.toml, or it is not TOML.
    """
    path = domain_path(path)
    folder, data = path.parent.resolve(), read_data(path)
    requests, unknown = [*_links(path), *requests_of(data, folder), *_templates(folder)], ""
    encoder = data.get("encoder")
    if isinstance(encoder, dict) and encoder.get("trust_remote_code"):  # only that needs the extra `clip`
        from treegen.clip.encoders.consent import code_requests

        try:
            requests += code_requests(data, folder)
        except ModelError as error:
            unknown = f"its own code cannot be allowed now: {error.message}; {error.tip}"
    requests += _pictures(path, folder, requests)
    model = data.get("llm", {}).get("model") if isinstance(data.get("llm"), dict) else None
    if data.get("name") == "sketchbook" and isinstance(model, str) and not model.startswith("replay/"):
        requests.append(Request(kind="model", value=model, reason="treegen demo"))
    return tuple({request.digest: request for request in requests}.values()), unknown


def _links(path: Path) -> Iterator[Request]:
    """Yield the domain and the tree if they are links out of the folder."""
    for each in (path, path.with_name(TREE_NAME)):
        if each.is_symlink() and not is_inside(path.parent, each):
            yield reading(each, f"{each.name} is a link")


def _templates(folder: Path) -> Iterator[Request]:
    """Yield the templates that are links out of the folder."""
    for path in sorted((folder / "prompts").rglob("*.jinja")):
        if not is_inside(folder, path):
            yield reading(path, f"prompts/{path.name}")


def _pictures(path: Path, folder: Path, requests: Iterable[Request]) -> Iterator[Request]:
    """Yield the folders outside to which links or the rows of a table lead."""
    try:
        domain = read_domain(path)[0]
    except TreegenError:  # a class list elsewhere: it has to be allowed first
        return
    if domain is None or domain.images is None:
        return
    roots = [Path(request.value) for request in requests if request.kind == "read"]
    outside = set[Path]()
    for file in _files(domain):
        target = file.resolve()
        if not any(target.is_relative_to(root) for root in (folder, *roots)):
            outside.add(target.parent)
    if len(outside) > _MOST_FOLDERS:
        outside = {Path(os.path.commonpath(outside))}
    for each in sorted(outside):
        yield reading(each, "links or paths in the image set")


def _files(domain: Domain) -> Iterator[Path]:
    """Yield the pictures of a set, also those that may not be read."""
    assert domain.images is not None
    findings = Findings()
    trust = Trust(domain.folder)
    try:
        if trust.allows_path(domain.images.source) and trust.allows_path(domain.images.root):
            yield from (image.path for image in read_images(domain.images, labels_of(domain), findings))
    except InputError:  # whatever else is wrong with the set is said when it is used
        pass
    yield from (each.path for each in findings.skipped if each.reason == OUTSIDE)
