"""Verified answers to structured problems from tiny recursive models."""

__version__ = "0.1.0"
