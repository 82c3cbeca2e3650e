"""Kills, damage, races, hostile folders and full disks, by the thousand: `python -m tests.soak`, a slice in the tests."""
