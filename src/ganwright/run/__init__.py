"""A run: training in a run folder, and continuing with it."""
