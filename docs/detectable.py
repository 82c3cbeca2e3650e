"""The smallest difference between two trees that a test split shows: `python docs/detectable.py`, as in the README."""

from treegen.clip.metrics.statistics import minimum_detectable_effect

IMAGES = (60, 120, 250, 500, 1000, 2000)
DISAGREEING = (0.1, 0.2, 0.4)


def rows() -> list[str]:
    """One line of the table for each number of test images; a dash where no difference would be found."""
    cells = [[minimum_detectable_effect(n, share) for share in DISAGREEING] for n in IMAGES]
    return [
        f"| {n:,} | " + " | ".join("-" if effect is None else f"{effect:.1%}"[:-1] for effect in effects) + " |"
        for n, effects in zip(IMAGES, cells, strict=True)
    ]


if __name__ == "__main__":
    print("\n".join(rows()))
