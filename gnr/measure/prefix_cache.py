"""What an infinite prefix cache would save: leading blocks of a prompt that were seen before."""

from typing import Any

import numpy as np

from gnr.arrays import Floats

MOST_BLOCKS = 2_000_000
"""Different blocks that are remembered."""


class SeenBlocks:
    """Identifiers of the blocks of all earlier prompts, of so many at most."""

    def __init__(self, block_tokens: float, most: int = MOST_BLOCKS) -> None:
        self._block_tokens, self._most = block_tokens, most
        self._seen: set[int] = set()
        self.blocks = 0
        self.hits = 0

    @property
    def complete(self) -> bool:
        """Tell whether every block is remembered."""
        return len(self._seen) < self._most

    def cached(self, blocks: Any, prompt: Floats) -> Floats:
        """Return the cached tokens of each prompt, at most all but one; shape ``(requests,)``.

        Parameters
        ----------
        blocks
            Arrow list array with the identifiers of each prompt's blocks, in file order.
        prompt
            Lengths, tokens.
        """
        leading = [self._leading(each) for each in blocks.to_pylist()]
        return np.minimum(np.array(leading, dtype=float) * self._block_tokens, prompt - 1)

    def _leading(self, blocks: list[int] | None) -> int:
        """Return how many of the first blocks of a prompt were seen before, and remember all."""
        if not blocks:
            return 0
        seen = self._seen
        hits = next((k for k, block in enumerate(blocks) if block not in seen), len(blocks))
        self.blocks += len(blocks)
        self.hits += hits
        if len(seen) < self._most:
            seen.update(blocks[hits:])
        return hits
