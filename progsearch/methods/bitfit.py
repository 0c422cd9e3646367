"""BitFit: only biases are trained (Ben Zaken et al. 2022, arXiv 2106.10199)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from progsearch.errors import MethodError
from progsearch.methods.base import Method

if TYPE_CHECKING:
    from torch import nn

    from progsearch.models.anatomy import Anatomy


class BitFit(Method):
    """Trains the bias vectors of linear layers and norms, in the blocks and the embeddings."""

    name: ClassVar[str] = "bitfit"
    description: ClassVar[str] = "the bias terms (Ben Zaken et al. 2021), and the head"
    # Ben Zaken et al. (arXiv 2106.10199) use rates about ten times those of full fine-tuning.
    rate_factor: ClassVar[float] = 10.0

    def prepare(self, model: nn.Module, anatomy: Anatomy) -> None:
        """Check that there are biases to train.

        Raises:
            MethodError: The blocks have no biases, as in Llama.
        """
        blocks = (p for i in range(anatomy.n_blocks) for p in anatomy.parameters(model, i))
        if not any(_is_bias(name) for name, _ in blocks):
            raise MethodError(
                f"bitfit trains biases and the blocks of {type(model).__name__} have none; choose "
                f"full, lora or adapter"
            )

    def found_in(self, model: nn.Module) -> dict[str, Any]:
        """Nothing: the method adds no modules."""
        return {}

    def trains(self, name: str, parameter: nn.Parameter, added: bool) -> bool:
        """Whether the parameter is a bias."""
        return _is_bias(name)


def _is_bias(name: str) -> bool:
    return name.rpartition(".")[2] == "bias"
