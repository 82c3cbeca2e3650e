"""Train the tiny CLIP of the sketchbook from scratch and write an open_clip folder (`local-dir:`).

    python train.py OUT                    # the committed model: seed 0, about half an hour on two cores
    python train.py OUT --steps 20 --drawings 512 --batch 32    # a short run, as in the tests

The training set is drawn from random looks. Held out: every look whose colour, form and feature together are those of
a class in creatures.json, and every caption that contains a class name.

The loss is CLIP's, with one difference: in a batch many captions fit many drawings ("This creature looks like a
fish."), so a drawing's target is spread over all captions that are true of it, and the other way round (as in UniCL,
Yang et al. 2022, with captions for labels). The image tower also learns the attributes themselves through linear heads
that are discarded; from captions alone it takes several times as long.
"""

import argparse
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import torch
from attributes import WORDS, Look
from captions import VALUES, facts, make_captions
from draw import draw_picture, load_creatures
from PIL import Image
from torch.nn import functional

SIDE: Final = 64
CONTEXT: Final = 32
WIDTH: Final = 96
MODEL: Final[dict[str, Any]] = {
    "embed_dim": WIDTH,
    "vision_cfg": {
        "timm_model_name": "regnetx_002",
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
        "image_size": SIDE,
    },
    "text_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 96, "heads": 4, "layers": 2},
}
PREPROCESS: Final[dict[str, Any]] = {
    "size": [SIDE, SIDE],
    "mode": "RGB",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.28, 0.28, 0.28],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}
QUESTIONS: Final = tuple(VALUES)
CODES: Final = {question: {answer: i for i, answer in enumerate(VALUES[question])} for question in QUESTIONS}
UNSPECIFIED: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawings:
    """The training set: N drawings with C captions each over Q questions.

    Attributes:
        images: (N, 3, SIDE, SIDE) uint8.
        truth: (N, Q) code of the true answer to each question.
        texts: (N, C) captions.
        codes: (N, C, Q) code of a caption's answer, `UNSPECIFIED` where it has none.
    """

    images: torch.Tensor
    truth: torch.Tensor
    texts: list[list[str]]
    codes: torch.Tensor


def random_look(rng: Random, forbidden: frozenset[tuple[str, str, str]]) -> Look:
    """Return a look whose colour, form and feature together are those of no class."""
    while True:
        look = Look(**{attribute: rng.choice(list(values)) for attribute, values in WORDS.items()})
        if look.triple not in forbidden:
            return look


def draw_sample(number: int, *, seed: int) -> tuple[bytes, list[int], list[str], list[list[int]]]:
    """Return picture `number` of the training set as bytes (SIDE, SIDE, 3), its truth, its captions and their codes."""
    creatures = load_creatures()
    rng = Random(f"train/{seed}/{number}")
    look = random_look(rng, frozenset(c.triple for c in creatures.values()))
    picture = draw_picture(look, rng).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    captions = make_captions(look, rng)
    for caption in captions:
        if any(name.casefold() in caption.text.casefold() for name in creatures):
            raise SystemExit(f"a caption contains a class name: {caption.text!r}")
    truth = facts(look)
    codes = [[CODES[q][c.facts[q]] if q in c.facts else UNSPECIFIED for q in QUESTIONS] for c in captions]
    return picture.tobytes(), [CODES[q][truth[q]] for q in QUESTIONS], [c.text for c in captions], codes


def draw_set(count: int, seed: int, workers: int) -> Drawings:
    """Draw `count` pictures with their captions."""
    with ProcessPoolExecutor(workers) as pool:
        samples = list(pool.map(partial(draw_sample, seed=seed), range(count), chunksize=64))
    pixels = np.frombuffer(b"".join(s[0] for s in samples), np.uint8).reshape(count, SIDE, SIDE, 3)
    return Drawings(
        images=torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).contiguous(),
        truth=torch.tensor([s[1] for s in samples]),
        texts=[s[2] for s in samples],
        codes=torch.tensor([s[3] for s in samples]),
    )


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Normalise uint8 (B, 3, H, W) to float32 as the model's preprocessing does."""
    mean, std = (torch.tensor(PREPROCESS[k]).view(1, 3, 1, 1).to(images.device) for k in ("mean", "std"))
    return ((images.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def caption_loss(logits: torch.Tensor, truth: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Return CLIP's symmetric cross-entropy with the target spread over all true pairs.

    Args:
        logits: (B, B), drawings by captions.
        truth: (B, Q) true answers of the drawings.
        codes: (B, Q) answers of the captions, `UNSPECIFIED` where there is none.
    """
    true = ((codes == UNSPECIFIED) | (codes == truth[:, None, :])).all(-1).float()
    to_text = functional.cross_entropy(logits, true / true.sum(1, keepdim=True))
    to_image = functional.cross_entropy(logits.T, true.T / true.T.sum(1, keepdim=True))
    return (to_text + to_image) / 2


def train(
    args: argparse.Namespace, drawings: Drawings, probes: tuple[torch.Tensor, list[Look]]
) -> tuple[Any, torch.Tensor]:
    """Return the trained model, and which tokens its captions contained."""
    import open_clip

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = open_clip.CLIP(**MODEL).to(device).to(memory_format=torch.channels_last)
    heads = torch.nn.ModuleDict({q: torch.nn.Linear(WIDTH, len(CODES[q])) for q in QUESTIONS}).to(device)
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
    tokens = torch.stack([tokenizer(texts) for texts in drawings.texts])  # (N, C, CONTEXT)
    used_tokens = torch.zeros(MODEL["text_cfg"]["vocab_size"], dtype=torch.bool)
    used_tokens[tokens.flatten().unique()] = True
    vision = {id(p) for p in [*model.visual.parameters(), *heads.parameters()]}
    parameters = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if id(p) in vision], "base": args.rate, "weight_decay": 0.05},
            {"params": [p for p in parameters if id(p) not in vision], "base": args.rate / 2, "weight_decay": 0.01},
        ],
        betas=(0.9, 0.98),
    )
    order, began = torch.Generator().manual_seed(args.seed), time.monotonic()
    rows, place = torch.randperm(len(drawings.images), generator=order), 0
    for step in range(args.steps):
        factor = min((step + 1) / 100, 0.5 + 0.5 * math.cos(math.pi * step / args.steps))
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * factor
        if place + args.batch > len(rows):
            rows, place = torch.randperm(len(drawings.images), generator=order), 0
        batch, place = rows[place : place + args.batch], place + args.batch
        kinds = torch.randint(tokens.shape[1], (args.batch,), generator=order)
        kinds = kinds if step % 2 else kinds[:1].expand(args.batch)  # every other batch is about one kind of caption
        truth, codes = drawings.truth[batch].to(device), drawings.codes[batch, kinds].to(device)
        with torch.autocast(device, dtype=torch.bfloat16):
            raw = model.encode_image(normalise(drawings.images[batch].to(device)))
            text_features = model.encode_text(tokens[batch, kinds].to(device), normalize=True).float()
        raw = raw.float()
        logits = model.logit_scale.exp() * functional.normalize(raw, dim=-1) @ text_features.T
        attribute_loss = sum(functional.cross_entropy(heads[q](raw), truth[:, i]) for i, q in enumerate(QUESTIONS)) / 5
        loss = caption_loss(logits, truth, codes) + attribute_loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 2.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        if (step + 1) % 200 == 0 or step + 1 == args.steps:
            pace, scale = (time.monotonic() - began) / (step + 1), model.logit_scale.exp().item()
            print(
                f"step {step + 1} loss {loss.item():.3f} scale {scale:.1f} {pace:.2f} s/step "
                f"{json.dumps(probe(model, tokenizer, *probes))}",
                flush=True,
            )
    return model, used_tokens


@torch.no_grad()
def probe(model: Any, tokenizer: Any, images: torch.Tensor, looks: list[Look]) -> dict[str, float]:
    """Return the accuracy of each attribute on drawings outside the training set, by the plain words."""
    frames = {
        "colour": "This creature's body is mainly {}.",
        "form": "This creature looks like {}.",
        "feature": "This creature has {}.",
        "size": "This creature is {}.",
        "scene": "The background is {}.",
    }
    model.eval()
    device = next(model.parameters()).device
    image_features = model.encode_image(normalise(images.to(device)), normalize=True)
    scores = {}
    for attribute, frame in frames.items():
        values = list(WORDS[attribute])
        prompts = tokenizer([frame.format(WORDS[attribute][v][0]) for v in values]).to(device)
        best = (image_features @ model.encode_text(prompts, normalize=True).T).argmax(1).tolist()
        hits = [values[i] == getattr(look, attribute) for i, look in zip(best, looks, strict=True)]
        scores[attribute] = round(sum(hits) / len(hits), 3)
    model.train()
    return scores


def draw_probes(count: int, seed: int) -> tuple[torch.Tensor, list[Look]]:
    """Return drawings (N, 3, SIDE, SIDE) uint8 outside the training set, and their looks."""
    rng = Random(f"probe/{seed}")
    forbidden = frozenset(c.triple for c in load_creatures().values())
    looks = [random_look(rng, forbidden) for _ in range(count)]
    pixels = np.stack([np.asarray(draw_picture(x, rng).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for x in looks])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), looks


def export(model: torch.nn.Module, used_tokens: torch.Tensor, out: Path) -> None:
    """Write config and fp16 weights. Tokens that no caption contains get the mean of those that do: neutral."""
    from safetensors.torch import save_file

    state = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
    table = state["token_embedding.weight"]
    table[~used_tokens] = table[used_tokens].mean(0)
    out.mkdir(parents=True, exist_ok=True)
    half = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    save_file(half, out / "open_clip_model.safetensors")
    (out / "open_clip_model.safetensors").chmod(0o644)
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Draw the training set, train, and write the model."""
    parser = argparse.ArgumentParser(description="Train the tiny CLIP of the sketchbook.")
    parser.add_argument("out", type=Path, help="folder for the open_clip model")
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--drawings", type=int, default=40000, help="size of the training set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate of the image tower; text has half")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    started = time.monotonic()
    drawings = draw_set(args.drawings, args.seed, args.workers)
    print(f"drew {len(drawings.images)} training pictures in {time.monotonic() - started:.0f} s", flush=True)
    model, used_tokens = train(args, drawings, draw_probes(400, args.seed))
    export(model, used_tokens, args.out)
    print(f"{(time.monotonic() - started) / 60:.1f} minutes in all; wrote {args.out}")


if __name__ == "__main__":
    main()
