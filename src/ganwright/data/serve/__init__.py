"""Serving: images in memory or read ahead by workers, in an order that is a pure function."""
