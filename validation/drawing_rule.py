"""Instances drawn at random by the rule of THEORY section 12: the ranges of 9.6, kappa >= 1.05."""

import numpy as np

from gnr.instance import SCHEMA_VERSION, Gpu, Instance, IterationTime, Prices, RequestClass

SLOTS, CHUNK = 16, 256
"""B and C."""
CLASSES = (2, 5)
"""Fewest and most classes, each number as likely."""
BASE = (0.015, 0.02)
"""alpha, s, uniform (10.1(i))."""
PER_CHUNK_TOKEN = (1e-5, 1e-3)
"""beta, s/token, log-uniform."""
SOLO_SPEED = (20.0, 60.0)
"""gamma, tokens/s, uniform."""
LEAST_SPEED_RATIO = 1.05
"""kappa below this is drawn again: the iteration-time law does not reach there (eq. D1)."""
TOKENS = (200.0, 3000.0)
"""P_i and D_i, uniform."""
ARRIVALS = (0.25, 0.5)
"""lambda_i, requests/s per GPU, uniform."""
PATIENCE = (0.02, 0.2)
"""theta_i, 1/s, uniform."""
PROMPT_PRICE, OUTPUT_PRICE = 0.1, 0.2
"""Money per token, bundled."""

RULE = (
    f"{CLASSES[0]} to {CLASSES[1]} classes; B = {SLOTS}, C = {CHUNK}; uniform: alpha "
    f"{BASE[0]:g} to {BASE[1]:g} s, gamma {SOLO_SPEED[0]:g} to {SOLO_SPEED[1]:g} tokens/s, P and D "
    f"{TOKENS[0]:g} to {TOKENS[1]:g} tokens, lambda {ARRIVALS[0]:g} to {ARRIVALS[1]:g} requests/s "
    f"per GPU, theta {PATIENCE[0]:g} to {PATIENCE[1]:g} per s; log-uniform: beta "
    f"{PER_CHUNK_TOKEN[0]:g} to {PER_CHUNK_TOKEN[1]:g} s/token; drawn again until kappa >= "
    f"{LEAST_SPEED_RATIO:g}; prices {PROMPT_PRICE:g} and {OUTPUT_PRICE:g} per token, bundled"
)
"""The rule in words (THEORY 9.6 and 12)."""


def drawn_instance(seed: int, number: int) -> Instance:
    """Return instance `number` of a seed; it depends on these two alone."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    count = int(rng.integers(CLASSES[0], CLASSES[1], endpoint=True))
    base, slope, speed = _iteration_times(rng)
    return Instance(
        schema_version=SCHEMA_VERSION,
        name=f"random-{seed}-{number}",
        title=f"Random instance {number} of seed {seed}",
        source=f"drawn at random: {RULE}",
        gpu=Gpu(
            batch_slots=SLOTS,
            chunk_tokens=CHUNK,
            iteration_time=IterationTime(base=base, per_chunk_token=slope, decode_only=1 / speed),
        ),
        prices=Prices(scheme="bundled", prompt_token=PROMPT_PRICE, output_token=OUTPUT_PRICE),
        classes=tuple(
            RequestClass(
                name=f"class-{i}",
                prompt_tokens=float(rng.uniform(*TOKENS)),
                output_tokens=float(rng.uniform(*TOKENS)),
                arrival_rate=float(rng.uniform(*ARRIVALS)),
                patience_rate=float(rng.uniform(*PATIENCE)),
            )
            for i in range(count)
        ),
    )


def _iteration_times(rng: np.random.Generator) -> tuple[float, float, float]:
    """Return alpha, s, beta, s/token, and gamma, tokens/s, with kappa large enough."""
    while True:
        base, speed = float(rng.uniform(*BASE)), float(rng.uniform(*SOLO_SPEED))
        slope = float(np.exp(rng.uniform(*np.log(PER_CHUNK_TOKEN))))
        if speed * (base + slope * CHUNK) >= LEAST_SPEED_RATIO:
            return base, slope, speed
