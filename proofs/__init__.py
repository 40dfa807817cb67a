"""Symbolic checks of the derivation: one file per theorem, each claim with its verdict."""
