"""Data: one string selects a source; batches arrive on the training device."""
