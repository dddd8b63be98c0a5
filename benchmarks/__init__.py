"""Measurements. Nothing here runs in the tests; figures go into docs/benchmarks.md with date, machine and command."""
