"""Embed and score any number of images: in this process, or with Ray on one machine or many."""
