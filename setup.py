"""Find the packages to install; everything else about the project is in pyproject.toml."""

from setuptools import find_packages, setup

setup(packages=["vsearch_cli", *find_packages(include=["vsearch_core", "vsearch_core.*"])])
