"""Instances drawn by the ranges that the paper prints for its ablation study (THEORY 9.6)."""

from gnr.validation.drawing_rule import (
    CHUNK,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    SLOTS,
    DrawingRule,
    Uniform,
)

PAPER = DrawingRule(
    name="paper",
    words=(
        f"2 classes; B = {SLOTS}, C = {CHUNK}, theta = 0.1 per s; uniform: alpha 0.015 to 0.02 s, "
        "beta 1e-05 to 0.001 s/token, gamma 10 to 50 tokens/s, P and D 200 to 3000 tokens, lambda "
        "0.25 to 0.5 requests/s per GPU; drawn again until kappa >= (B-1)/B; "
        f"prices {PROMPT_PRICE:g} and {OUTPUT_PRICE:g} per token, bundled"
    ),
    classes=(2, 2),
    base=Uniform(0.015, 0.02),  # 10.1(i)
    per_chunk_token=Uniform(1e-5, 1e-3),
    solo_speed=Uniform(10.0, 50.0),
    least_speed_ratio=(SLOTS - 1) / SLOTS,  # Theorem 4.1 has no support below it
    tokens=Uniform(200.0, 3000.0),
    arrivals=Uniform(0.25, 0.5),
    patience=Uniform(0.1, 0.1),
)
"""The ranges are the paper's; classes, B, C, theta and prices, which it does not state, are those
of the base instance."""
