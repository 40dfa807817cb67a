"""A stamp of everything that is compiled into the kernels, for numba's cache."""

import hashlib
from pathlib import Path

from gnr.validation import chain
from gnr.validation.policies import routers


def stamp_of_sources() -> int:
    """Return a number that changes with the source of anything that is compiled in."""
    others = (Path(str(each.__file__)) for each in (chain, routers))
    files = [*Path(__file__).parent.glob("*.py"), *others]
    text = b"".join(file.read_bytes() for file in sorted(files))
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
