"""Shipped instance files, grouped by source; `gnr.load` finds them by name."""
