"""Tiny models of transformers with random weights, of sizes that all differ, made and saved as a user's folder is."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from PIL import Image

WORDS = "a red bird on the tree this creature is white dog cat in of".split()
CODE = '''
import numpy as np
import torch
from transformers import PretrainedConfig, PreTrainedModel


class EchoConfig(PretrainedConfig):
    model_type = "echo"

    def __init__(self, width=6, **others):
        self.width = width
        super().__init__(**others)


class EchoModel(PreTrainedModel):
    """Embeds by the mean colour of a picture and by the counts of letters."""

    config_class = EchoConfig

    def __init__(self, config):
        super().__init__(config)
        self.see = torch.nn.Linear(3, config.width)
        self.read = torch.nn.Linear(26, config.width)
        self.logit_scale = torch.nn.Parameter(torch.zeros(()))
        self.post_init()

    def encode_image(self, images, batch_size=32, convert_to_numpy=True, normalize_embeddings=True, truncate_dim=None):
        seen = torch.tensor(np.stack([np.asarray(image).reshape(-1, 3).mean(0) / 255 for image in images]))
        return self.see(seen.to(self.see.weight)).detach().float().numpy()

    def encode_text(self, sentences, batch_size=32, convert_to_numpy=True, normalize_embeddings=True):
        counts = [[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in sentences]
        return self.read(torch.tensor(counts).to(self.read.weight)).detach().float().numpy()
'''
SIZES = ((40, 30), (32, 32), (9, 70))

Tiny = Callable[..., Path]


@pytest.fixture
def pictures() -> list[Image.Image]:
    draw = Random(0)
    return [Image.frombytes("RGB", size, draw.randbytes(3 * size[0] * size[1])) for size in SIZES]


def _tokenizer(length: int, *, start: bool, pad: int) -> Any:
    """Words of a list; `start` puts a token before them, an end stands behind them always."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    unused = {number: f"<unused {number}>" for number in range(5)}  # tokenizers 0.22 prints a warning of every hole
    special = unused | {pad: "<pad>", 2: "<s>", 3: "</s>", 4 if pad != 4 else 1: "<unk>"}
    vocabulary = {name: number for number, name in special.items()} | {w: 5 + i for i, w in enumerate(WORDS)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if start else "$A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
    )


def _text(hidden: int, length: int, **more: object) -> dict[str, object]:
    return {
        "vocab_size": 5 + len(WORDS),
        "hidden_size": hidden,
        "intermediate_size": 20,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": length,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 1,
        **more,
    }


def _vision(hidden: int, **more: object) -> dict[str, object]:
    return {
        "hidden_size": hidden,
        "intermediate_size": 20,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": 10,
        **more,
    }


def _clip(folder: Path) -> None:
    import transformers

    config = transformers.CLIPConfig(
        projection_dim=12, text_config=_text(16, 10), vision_config=_vision(24, image_size=30)
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    _tokenizer(10, start=True, pad=1).save_pretrained(folder)
    crop = {"height": 30, "width": 30}
    transformers.CLIPImageProcessor(size={"shortest_edge": 30}, crop_size=crop).save_pretrained(folder)


def _siglip(folder: Path) -> None:
    import transformers

    config = transformers.SiglipConfig(
        text_config=_text(16, 9, projection_size=16), vision_config=_vision(16, image_size=20)
    )
    model = transformers.SiglipModel(config)
    model.logit_scale.data.fill_(4.7)
    model.logit_bias.data.fill_(-12.5)
    model.save_pretrained(folder)
    _tokenizer(9, start=False, pad=1).save_pretrained(folder)
    transformers.SiglipImageProcessor(size={"height": 20, "width": 20}).save_pretrained(folder)


def _siglip2(folder: Path) -> None:
    import transformers

    config = transformers.Siglip2Config(
        text_config=_text(18, 12, projection_size=18), vision_config=_vision(18, num_patches=16)
    )
    transformers.Siglip2Model(config).save_pretrained(folder)
    _tokenizer(12, start=False, pad=1).save_pretrained(folder)
    transformers.Siglip2ImageProcessor(patch_size=10, max_num_patches=16).save_pretrained(folder)


def _echo(folder: Path) -> None:
    from safetensors.torch import save_file

    names = {"AutoConfig": "echo_model.EchoConfig", "AutoModel": "echo_model.EchoModel"}
    config = {"model_type": "echo", "architectures": ["EchoModel"], "auto_map": names, "width": 6}
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "echo_model.py").write_text(CODE, encoding="utf-8")
    weights = {
        "see.weight": torch.randn(6, 3),
        "see.bias": torch.randn(6),
        "read.weight": torch.randn(6, 26),
        "read.bias": torch.randn(6),
        "logit_scale": torch.tensor(3.0),
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _open_siglip(folder: Path) -> None:
    """A folder of open_clip with a SigLIP-like model: a bias, no causal mask, the last token pooled, its tokenizer."""
    import open_clip
    from safetensors.torch import save_file

    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "pool_type": "avg"}
    text = {
        "context_length": 9,
        "vocab_size": 5 + len(WORDS),
        "width": 16,
        "heads": 2,
        "layers": 2,
        "hf_tokenizer_name": "org/name",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    }
    config = {"embed_dim": 20, "init_logit_bias": -10, "vision_cfg": vision, "text_cfg": text}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    model = open_clip.CustomTextCLIP(**config)
    model.logit_scale.data.fill_(4.7)
    model.logit_bias.data.fill_(-12.5)
    _tokenizer(9, start=False, pad=1).save_pretrained(folder)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    told = json.dumps({"model_cfg": config | {"custom_text": True}, "preprocess_cfg": preprocess | {"size": [32, 32]}})
    (folder / "open_clip_config.json").write_text(told, encoding="utf-8")


def _bert(folder: Path) -> None:
    import transformers

    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(folder)


MAKERS = {
    "clip": _clip,
    "siglip": _siglip,
    "siglip2": _siglip2,
    "echo": _echo,
    "bert": _bert,
    "open_siglip": _open_siglip,
}


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind) / "model"
            with torch.random.fork_rng():
                torch.manual_seed(0)
                MAKERS[kind](made[kind])
        return made[kind]

    return make


@pytest.fixture
def saved(
    _made: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Path]]:
    """The folder of a tiny model, one of `MAKERS`. Tests must not change it.

    Saving shows no progress, for tests look at what loading prints. Code that comes with a model is copied before it
    runs: into the test's folder, not among the user's.
    """
    import transformers
    import transformers.dynamic_module_utils as modules

    log = transformers.utils.logging
    before = log.get_verbosity()
    log.set_verbosity_error()
    monkeypatch.setattr(modules, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers_modules"]:
        monkeypatch.delitem(sys.modules, name)
    yield _made
    log.set_verbosity(before)
