"""The steady-state linear programs in Pyomo, their solution, and what is read off it."""
