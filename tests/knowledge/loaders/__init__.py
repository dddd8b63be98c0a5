"""Tests of the document loaders, one file each."""
