"""Embeds and scores any number of images: by this process, or by Ray on one machine or many."""
