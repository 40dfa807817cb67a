"""What claims are made of: symbols, sums over classes, exact checks, verdicts."""
