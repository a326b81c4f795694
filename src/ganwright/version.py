"""The release, which no module has to ask the package itself for."""

__version__ = "0.1.0"
