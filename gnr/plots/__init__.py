"""Pictures: matplotlib figures made without a display."""
