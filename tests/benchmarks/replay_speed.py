"""How long `gnr replay` takes for the Azure trace at 90 % of what 64 GPUs serve, one policy.

python tests/benchmarks/replay_speed.py [RESULT.json]
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measured import measured

from gnr.provenance import record

TRACE = "traces/azure2023_conv.csv"


def main() -> None:
    """Time the command three times; the first may compile."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "gnr", "replay", str(measured(TRACE)[0]),
            "azure-2023-conversation", "--gpus", "64", "--load", "0.9", "--policies",
            "gate-and-route", "--replications", "1", "--out", folder,
        ]  # fmt: skip
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - began)
            print(f"{times[-1]:.2f} s")
    if len(sys.argv) > 1:
        document = {"command_s": times, "provenance": record(None, began, {}).model_dump()}
        Path(sys.argv[1]).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
