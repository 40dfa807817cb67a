"""Simulators and statistics that hold the linear programs against clusters of n GPUs."""
