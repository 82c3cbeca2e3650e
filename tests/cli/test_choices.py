"""Which encoders `treegen start` offers, and its default: by what is on this disk and what can be downloaded."""

from collections.abc import Callable

import pytest

from treegen.doctor import choices
from treegen.doctor.choices import encoder_choices
from treegen.remote.hub import HubProbe

FAST, ACCURATE, LARGE = "ViT-B-32:laion2b_s34b_b79k", "ViT-B-16-SigLIP:webli", "ViT-L-14:laion2b_s32b_b82k"
Offered = Callable[..., tuple[list[str], list[str]]]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Offered:
    """The names that are offered, and the lines that are printed, with these weights on the disk."""

    def offer(*on_disk: str, reason: str) -> tuple[list[str], list[str]]:
        monkeypatch.setattr(choices, "is_downloaded", lambda repository: repository in on_disk)
        monkeypatch.setattr(HubProbe, "unreachable", lambda *_: reason)
        lines: list[str] = []
        return [choice.name for choice in encoder_choices(HubProbe(), lines.append)], lines

    return offer


def test_what_is_on_the_disk_is_first_and_the_hub_is_not_waited_for(offered: Offered) -> None:
    names, lines = offered("timm/ViT-B-16-SigLIP", reason="no answer")
    assert names == [ACCURATE, "bundled", FAST, LARGE]
    assert lines == []


def test_with_a_network_the_default_is_a_download(offered: Offered) -> None:
    assert offered(reason="") == ([FAST, "bundled", ACCURATE, LARGE], [])


def test_without_a_network_the_default_is_what_is_bundled(offered: Offered) -> None:
    names, lines = offered(reason="no answer")
    assert names == ["bundled", FAST, ACCURATE, LARGE]
    assert lines == ["huggingface.co cannot be reached (no answer): only the practice CLIP is on this disk"]
