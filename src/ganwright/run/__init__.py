"""A run: training in a run folder, and going on with it."""
