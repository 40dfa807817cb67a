"""From measurements to an instance: iteration times (calibrate) and request logs (fit)."""
