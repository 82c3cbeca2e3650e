"""Train an image tower on one image after another by LoRA layers of peft.

peft replaces modules of the model in place, freezes its parameters, and leaves both so after an exception. So it works
on a copy of the modules that shares the weights with the encoder's own, and there is nothing to restore.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor, dtype
    from torch.nn import Module
    from torch.nn.parameter import Parameter

_ADAPTER: Final = "default"  # peft's own name for the only one


def wrappable(module: "Module", names: Sequence[str]) -> list[str]:
    """Return those of some weights that belong to a linear layer which the model calls as a layer.

    `nn.MultiheadAttention` reads the weights of its layers instead; these are of a type of their own.
    """
    from torch.nn import Linear

    return [name for name in names if type(module.get_submodule(name.rpartition(".")[0])) is Linear]


class PeftTower:
    """A copy of an image tower with LoRA layers; the tower itself keeps its modules, parameters and their flags."""

    def __init__(self, module: "Module", names: Sequence[str], rank: int, number: "dtype") -> None:
        """Copy the modules of a tower and put the layers in.

        Args:
            module: pixels (V, 3, H, W) -> features (V, D).
            names: of the weights to train, see `wrappable`.
            rank: of the matrices.
            number: the number format to train in; weights that are in it already take no more memory.
        """
        from peft import LoraConfig, inject_adapter_in_model
        from torch.random import fork_rng

        layers = [name.removesuffix(".weight") for name in names]
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=layers)  # alpha: the product is not scaled
        # peft draws matrices from torch's own generator, although those of each image replace them. Its option that
        # draws none (low_cpu_mem_usage) would reach models that another thread makes meanwhile.
        with fork_rng(devices=[]):
            self._module = inject_adapter_in_model(config, _sharing(module, number), _ADAPTER)
        self._layers = {name: self._module.get_submodule(layer) for name, layer in zip(names, layers, strict=True)}

    def train(
        self,
        pixels: "Tensor",
        start: "dict[str, Tensor]",
        loss: "Callable[[Tensor], Tensor]",
        *,
        steps: int,
        rate: float,
    ) -> "Tensor":
        """Train on the views of one image, and embed them.

        Args:
            pixels: (V, 3, H, W).
            start: `A NAME` (R, in) and `B NAME` (out, R) of each weight.
            loss: of the features of the views (V, D), rows of length 1.
            steps: of Adam.
            rate: its learning rate.

        Returns:
            (V, D), rows of length 1.
        """
        import torch

        def features() -> "Tensor":
            return torch.nn.functional.normalize(self._module(pixels).float(), dim=-1)

        optimizer = torch.optim.Adam(self._begin(start), lr=rate)
        for _ in range(steps):
            optimizer.zero_grad()
            loss(features()).backward()
            optimizer.step()
        with torch.no_grad():
            return features()

    def _begin(self, start: "dict[str, Tensor]") -> "list[Parameter]":
        """Replace the matrices, those of the last image included, and return them."""
        from torch.nn import Parameter

        parameters = []
        for name, layer in self._layers.items():
            for kind in "AB":
                parameter = Parameter(start[f"{kind} {name}"].clone())
                getattr(layer, f"lora_{kind}")[_ADAPTER].weight = parameter
                parameters.append(parameter)
        return parameters


def _sharing(module: "Module", number: "dtype") -> "Module":
    """Copy modules, but not their weights and buffers where these are in the number format already."""
    from torch.nn import Parameter

    def shared(value: "Tensor") -> "Tensor":
        return value.detach().to(number if value.is_floating_point() else value.dtype)

    known: dict[int, Tensor] = {id(value): shared(value) for value in module.buffers()}
    known |= {id(value): Parameter(shared(value), requires_grad=False) for value in module.parameters()}
    return deepcopy(module, known)
