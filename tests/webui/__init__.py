"""Tests of the room webui."""
