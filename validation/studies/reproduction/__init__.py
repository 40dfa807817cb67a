"""The experiments of the paper, run again: what it says, what was measured, what stands."""
