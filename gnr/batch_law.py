"""How long an iteration takes, from what is in the batch: for simulation only.

The linear programs need the straight line of (P3). Real iterations also depend on how many
requests decode, on how much context they read, and on where in its prompt the chunk is. `BatchLaw`
has these terms; on its line through one batch the programs stand (`line_at`).
"""

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from gnr.instance import Instance, IterationTime

Quantity: TypeAlias = Any
"""A float or an array of floats."""


class BatchLaw(BaseModel):
    r"""The iteration time of a batch, s.

    With n decodes that read K tokens of context in all, and a chunk of C prompt tokens after a
    prefix of F tokens of the same prompt:

    .. math::

        \tau&=c_0+c_1n+c_2K\\
        &+[C>0]\big(m_0+m_1\big((C+\omega n-b_0)^+-(\omega n-b_0)^+\big)
        +m_2C(F+C/2)+m_3K\big)

    The threshold b_0 is that of (P1), below which further tokens cost nothing; omega is 1 where
    decodes count towards it, as there, and 0 where they are dropped, as in (P3).
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    base: float = Field(ge=0)
    """c_0: any iteration, s."""
    per_decode: float = Field(default=0.0, ge=0)
    """c_1: per decode, s."""
    per_context_token: float = Field(default=0.0, ge=0)
    """c_2: per token of context that the decodes read, s."""
    with_chunk: float = 0.0
    """m_0: more, if there is a chunk, s."""
    per_chunk_token: float = 0.0
    """m_1: per prompt token above the threshold, s."""
    free_tokens: float = Field(default=0.0, ge=0)
    """b_0: the threshold, tokens."""
    decode_weight: float = Field(default=1.0, ge=0, le=1)
    """omega: tokens that a decode counts for towards the threshold."""
    per_token_pair: float = Field(default=0.0, ge=0)
    """m_2: per pair of a chunk's token and one before it, s."""
    per_context_token_with_chunk: float = Field(default=0.0, ge=0)
    """m_3: more per token of context that the decodes read beside a chunk, s."""

    def solo_time(self, decodes: Quantity, context: Quantity) -> Quantity:
        """Return the iteration time without a chunk, s; `context` is that of all decodes."""
        return self.base + self.per_decode * decodes + self.per_context_token * context

    def mixed_time(
        self, chunk: Quantity, prefix: Quantity, decodes: Quantity, context: Quantity
    ) -> Quantity:
        """Return the iteration time with a chunk, s; tokens, `context` of all decodes."""
        return (
            self.solo_time(decodes, context)
            + self.with_chunk
            + self.per_chunk_token * self.tokens_above(chunk, decodes)
            + self.per_token_pair * chunk * (prefix + chunk / 2)
            + self.per_context_token_with_chunk * context
        )

    def tokens_above(self, chunk: Quantity, decodes: Quantity) -> Quantity:
        """Return how many tokens of a chunk are above the threshold."""
        before = self.decode_weight * decodes - self.free_tokens
        return _positive(chunk + before) - _positive(before)

    def line_at(
        self, chunk: float, prefix: float, mixed: tuple[float, float], solo: tuple[float, float]
    ) -> IterationTime:
        """Return the line of (P3) that touches the law at one chunk and batch.

        Parameters
        ----------
        chunk, prefix
            C and the prompt tokens before the chunk, on average.
        mixed, solo
            Decodes of a mixed and of a solo GPU, and the tokens of context of all of them.
        """
        above = self.decode_weight * mixed[0] + chunk > self.free_tokens
        slope = self.per_chunk_token * above + self.per_token_pair * (prefix + chunk)
        time = float(self.mixed_time(chunk, prefix, *mixed))
        return IterationTime(
            base=time - slope * chunk,
            per_chunk_token=slope,
            decode_only=float(self.solo_time(*solo)),
        )


def law_of(instance: Instance) -> BatchLaw:
    """Return the law of an instance, (P1) with (D1): a chunk below the threshold costs nothing.

    A file whose chunk is itself below the threshold is out of that law's range; its line is then
    taken as it stands.
    """
    time, chunk = instance.gpu.iteration_time, instance.gpu.chunk_tokens
    solo, slope = time.decode_only, time.per_chunk_token
    if slope > 0 and time.base <= solo <= time.base + slope * chunk:
        return BatchLaw(
            base=solo,
            per_chunk_token=slope,
            free_tokens=(solo - time.base) / slope,
            decode_weight=0.0,
        )
    return BatchLaw(
        base=solo, with_chunk=time.base - solo, per_chunk_token=slope, decode_weight=0.0
    )


def _positive(value: Quantity) -> Quantity:
    return value * (value > 0)
