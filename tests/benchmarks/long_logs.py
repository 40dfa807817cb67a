"""Long request logs for `gnr fit`: synthetic, in order of time, of any number of rows.

python tests/benchmarks/long_logs.py ROWS FILE.csv
"""

import sys
from pathlib import Path

import numpy as np

SHARES = (0.5, 0.3, 0.2)
MEANS = ((300, 120), (2500, 80), (1100, 400))
"""Planted classes: prompt and output, tokens; lengths are log-normal around them."""

PER_SECOND = 50.0
AT_A_TIME = 200_000


def write_log(path: Path, rows: int, seed: int = 1) -> None:
    """Write a log with headers as in Azure's traces."""
    random = np.random.default_rng(seed)
    start, now = np.datetime64("2024-05-10T00:00:00", "ns"), 0.0
    with path.open("w", encoding="utf-8") as file:
        file.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for first in range(0, rows, AT_A_TIME):
            count = min(AT_A_TIME, rows - first)
            seconds = now + np.cumsum(random.exponential(1 / PER_SECOND, count))
            now = float(seconds[-1])
            means = np.array(MEANS)[random.choice(len(MEANS), size=count, p=SHARES)]
            lengths = np.maximum(1, means * random.lognormal(-0.08, 0.4, (count, 2))).astype(int)
            stamps = start + (seconds * 1e9).astype("timedelta64[ns]")
            texts = np.datetime_as_string(stamps, unit="ns")
            file.writelines(
                f"{text[:10]} {text[11:27]},{prompt},{output}\n"
                for text, (prompt, output) in zip(texts.tolist(), lengths.tolist(), strict=True)
            )


if __name__ == "__main__":
    write_log(Path(sys.argv[2]), int(sys.argv[1]))
