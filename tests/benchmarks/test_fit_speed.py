"""Time and memory of `gnr fit` on ten million requests. Run by `make benchmark`."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.long_logs import write_log
from benchmarks.side_by_side import keep

ROWS = 10_000_000

MOST_SECONDS, MOST_MIB = 120.0, 1000.0


def test_ten_million_requests(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    write_log(path, ROWS)
    command = [sys.executable, "-m", "gnr", "fit", str(path), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    record = json.loads(done.stdout)["provenance"]
    seconds, memory = record["wall_time_s"], record["peak_memory_mib"]
    keep("ten million requests", {"seconds": seconds, "peak_MiB": memory}, "fit")
    assert seconds < MOST_SECONDS
    assert memory < MOST_MIB
