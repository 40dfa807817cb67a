"""Studies that need the linear programs and the simulators together."""
