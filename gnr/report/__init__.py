"""One page about a reproduction that needs nothing else: pictures inside, light and dark."""

from gnr.report.page import write_report

__all__ = ["write_report"]
