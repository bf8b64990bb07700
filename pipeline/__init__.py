"""Placier seats every ticket buyer in the right mailing groups, every night."""

__version__ = "0.1.0"
