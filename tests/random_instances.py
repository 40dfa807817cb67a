"""Random raw instances (parsed TOML) for tests, light and heavy, tame and degenerate."""

from typing import Any

import numpy as np

REGIMES = ("above", "at", "below")
"""kappa against (B-1)/B."""


def random_data(
    rng: np.random.Generator,
    *,
    classes: int | None = None,
    regime: str = "above",
    scheme: str = "bundled",
    patient: float = 0.0,
    twins: bool = False,
    free: str | None = None,
) -> dict[str, Any]:
    """Return a valid raw instance.

    `patient` is the chance that a class never leaves; with `twins` some classes are alike, so
    that optima are not unique; `free` names a token price that is 0.
    """
    count = int(rng.integers(1, 9)) if classes is None else classes
    slots, chunk = int(rng.integers(2, 65)), int(rng.integers(16, 1025))
    base, slope = float(rng.uniform(0.005, 0.03)), float(10 ** rng.uniform(-5, -3))
    mixed = base + slope * chunk
    threshold = (slots - 1) / slots
    ratio = {
        "above": threshold * float(rng.uniform(1.02, 4.0)),
        "at": threshold,
        "below": threshold * float(rng.uniform(0.2, 0.98)),
    }[regime]
    prompt, output = rng.uniform(20, 4000, count), rng.uniform(20, 3000, count)
    if twins and count > 1:
        prompt[1:] = np.where(rng.random(count - 1) < 0.5, prompt[0], prompt[1:])
        output[1:] = np.where(rng.random(count - 1) < 0.5, output[0], output[1:])
    share = rng.dirichlet(np.ones(count))
    work = chunk * output / prompt + max(ratio * slots - (slots - 1), 0.0)
    per_request = work * prompt * mixed / chunk
    full = ratio * slots / float(share @ per_request)
    load = float(rng.choice([0.3, 0.9, 1.0, 1.1, 2.0, 5.0]))
    patience = np.where(rng.random(count) < patient, 0.0, rng.uniform(0.01, 0.5, count))
    money = float(10 ** rng.uniform(-7, 0))
    prices = {"prompt_token": money, "output_token": money * float(rng.uniform(0.5, 8))}
    if free is not None:
        prices[free] = 0.0
    return {
        "schema_version": 1,
        "name": "random",
        "title": "Random instance",
        "source": "tests",
        "gpu": {
            "batch_slots": slots,
            "chunk_tokens": chunk,
            "iteration_time": {
                "base": base,
                "per_chunk_token": slope,
                "decode_only": mixed / ratio,
            },
        },
        "prices": {"scheme": scheme, **prices},
        "classes": [
            {
                "name": f"class-{i}",
                "prompt_tokens": float(prompt[i]),
                "output_tokens": float(output[i]),
                "arrival_rate": float(share[i] * full * load),
                "patience_rate": float(patience[i]),
            }
            for i in range(count)
        ],
    }
