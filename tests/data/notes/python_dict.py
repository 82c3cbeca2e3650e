# written by hand
pond_notes = {
    "Newt": ["brown back", "four short legs"],  # seen in May
    "Swan": ("white feathers",),
}
