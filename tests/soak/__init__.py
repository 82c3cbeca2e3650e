"""Kills, damage, races, hostile folders and full disks by the thousand, as `python -m tests.soak`; a slice as tests."""
