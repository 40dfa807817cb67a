"""What to cite: the theory, the tools, and the sources of the instances used."""

from collections.abc import Iterable

from gnr._version import __version__
from gnr.instance import Instance

THEORY = """\
@misc{lin2026prefill,
  author = {Lin and Han and Ding and Zhang},
  title = {Large-Scale {LLM} Inference with Heterogeneous Workloads: Prefill-Decode Contention
           and Asymptotically Optimal Control},
  year = {2026},
  eprint = {2602.02987},
  archivePrefix = {arXiv},
}"""

SOFTWARE = f"""\
@software{{gnr,
  author = {{{{The gnr authors}}}},
  title = {{gnr: gate-and-route planning of large language model clusters}},
  version = {{{__version__}}},
  year = {{2026}},
}}"""

PYOMO = """\
@book{bynum2021pyomo,
  author = {Bynum, Michael L. and Hackebeil, Gabriel A. and Hart, William E. and Laird, Carl D.
            and Nicholson, Bethany L. and Siirola, John D. and Watson, Jean-Paul
            and Woodruff, David L.},
  title = {Pyomo: Optimization Modeling in Python},
  edition = {3},
  publisher = {Springer},
  year = {2021},
}"""

HIGHS = """\
@article{huangfu2018parallelizing,
  author = {Huangfu, Q. and Hall, J. A. J.},
  title = {Parallelizing the dual revised simplex method},
  journal = {Mathematical Programming Computation},
  volume = {10},
  number = {1},
  pages = {119--142},
  year = {2018},
}"""


def bibliography(instances: Iterable[Instance]) -> str:
    """Return BibTeX for a solve, and the sources of the instances as comments."""
    sources = [f"% {each.name}: {each.source}" for each in instances]
    return "\n\n".join([THEORY, SOFTWARE, PYOMO, HIGHS, "\n".join(sources)])
