"""The safetensors export: the snippet of docs/exchange.md, run as it stands there, labels images as treegen does."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from tests.conftest import present
from treegen.clip.classifier import Labeller
from treegen.clip.encoders import open_encoder
from treegen.config.domain import load_domain
from treegen.config.settings import EncoderSettings
from treegen.config.toml_editing import write_table
from treegen.exchange.exporting import export_tree, load_tree
from treegen.images import open_image
from treegen.tree.document import digest_of
from treegen.workflow.workspace import Workspace

PAGE = Path(__file__).parents[2] / "docs" / "exchange.md"
TEXT = PAGE.read_text(encoding="utf-8")
SNIPPET = re.findall(r"```python\n(import json.*?)```", TEXT, re.DOTALL)
POSTERIOR = re.findall(r"```python\n(with safe_open[^`]*likelihoods.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def exported(tree_file: Path, tmp_path: Path) -> Path:
    tree, domain = load_tree(tree_file)
    encoder = open_encoder(EncoderSettings(), tree_file.parent)
    ((_, content),) = export_tree(tree, "safetensors", domain=domain, encoder=encoder).files
    assert isinstance(content, bytes)
    path = tmp_path / "tree.safetensors"
    path.write_bytes(content)
    return path


def test_shapes_and_metadata(tree_file: Path, exported: Path) -> None:
    tree, _ = load_tree(tree_file)
    with safe_open(str(exported), "np") as file:
        told = json.loads(file.metadata()["treegen"])
        texts, rules, sizes = (file.get_tensor(k) for k in ("text_features", "rules", "group_sizes"))
    assert sizes.tolist() == [9, 7, 8, 4, 2]
    assert (texts.dtype, texts.shape[0], rules.shape) == (np.float32, 30, (13, 30))
    assert np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert np.allclose(rules.sum(axis=1), 1)
    assert rules[2, 28:].tolist() == [0, 0]  # Wendle says nothing about its size
    assert sorted(set(rules[2].tolist())) == [0, 0.25]  # and counts by its other four groups
    assert told["digest"] == digest_of(tree)
    assert told["classes"] == list(tree.classes)
    assert told["groups"][1] == {
        "name": "form",
        "prompt": tree.groups[1].prompt,
        "options": list(tree.groups[1].options),
    }
    assert told["encoder"]["fingerprint"].startswith("sha256:")
    assert told["preprocessing"]["size"]
    assert told["crop"] == [0.0, 0.0, 1.0, 1.0]
    assert 1 < told["logit_scale"] <= 101


@pytest.mark.slow
def test_the_snippet_of_the_readme_labels_as_treegen_does(
    tree_file: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All 104 drawings: the same label, and the same score to float32."""
    (snippet,) = SNIPPET
    assert len(snippet.strip().splitlines()) <= 10
    tree, _ = load_tree(tree_file)
    domain = load_domain(tree_file.parent)
    assert domain.images is not None
    encoder = open_encoder(EncoderSettings(), tree_file.parent)
    pictures = [open_image(p, domain.images.crop) for p in sorted(domain.images.root.glob("*/*.png"))]
    assert len(pictures) == 104
    expected = [label.ranking[0] for label in present(Labeller(tree, encoder).label(pictures))]
    monkeypatch.chdir(exported.parent)
    names = {"images": encoder.encode_images(pictures).numpy()}
    exec(compile(snippet, "exchange.md", "exec"), names)
    assert list(names["labels"]) == [label for label, _ in expected]
    assert torch.allclose(
        torch.tensor(names["scores"].max(axis=1)), torch.tensor([score for _, score in expected]), atol=1e-4
    )


@pytest.mark.slow
def test_the_snippets_of_the_readme_give_the_probabilities_of_a_frozen_posterior(
    tree_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With priors, all 104 drawings: the same three best classes with the same probabilities."""
    table = '[decision]\nrule = "bayes"\npriors = { Wendle = 3 }\n'
    path = tree_file.parent / "domain.toml"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{table}", encoding="utf-8")
    with Workspace(tree_file) as workspace:
        tree, domain = load_tree(tree_file)
        assert domain is not None
        decision = workspace.run(lambda: workspace.evaluator.decide(tree))
        learnt = {key: value for key, value in decision.parameters if not key.startswith("prior")}
        write_table(path, "decision", {"rule": "bayes", "parameters": learnt, "priors": {"Wendle": 3.0}})
        frozen = load_domain(path)
        encoder = workspace.encoder
        assert domain.images is not None
        pictures = [open_image(p, domain.images.crop) for p in sorted(domain.images.root.glob("*/*.png"))]
        expected = [label.ranking[:3] for label in present(Labeller(tree, encoder, decision).label(pictures))]
        ((_, content),) = export_tree(tree, "safetensors", domain=frozen, encoder=encoder).files
        images = np.asarray(encoder.encode_images(pictures))
    assert isinstance(content, bytes)
    (tmp_path / "tree.safetensors").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"images": images}
    exec(compile(SNIPPET[0] + POSTERIOR[0], "exchange.md", "exec"), names)
    for found, wanted in zip(names["top"], expected, strict=True):
        assert [name for name, _ in found] == [name for name, _ in wanted]
        assert np.allclose([p for _, p in found], [p for _, p in wanted], atol=1e-4)
