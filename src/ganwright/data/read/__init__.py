"""Readers: from folders, archives, sets and objects to images."""
