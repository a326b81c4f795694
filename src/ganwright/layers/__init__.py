"""Layers that torch does not have, and torch's own as settings."""
