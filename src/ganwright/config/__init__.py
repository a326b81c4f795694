"""Settings: what they are, how they are spelled, written and read back."""
