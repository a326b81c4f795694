"""A trained game, ready to use on images of any size."""
