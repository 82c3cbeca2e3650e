"""Bits against entropies in loops, and what chance alone would seem to tell."""

import math
from collections import Counter
from random import Random
from statistics import fmean

import numpy as np
import pytest

from treegen.clip.metrics.mutual_information import contingency, mutual_information, possible_information

R, C, N = 4, 3, 57


def pairs(seed: int, tie: float) -> list[tuple[int, int]]:
    """Row 2 is never drawn."""
    draw = Random(seed)
    rows = [draw.choice((0, 0, 1, 3)) for _ in range(N)]
    return [(row, row % C if draw.random() < tie else draw.randrange(C)) for row in rows]


def slow_bits(drawn: list[tuple[int, int]]) -> float:
    n, both = len(drawn), Counter(drawn)
    rows, columns = Counter(r for r, _ in drawn), Counter(c for _, c in drawn)
    return sum(k / n * math.log2(k * n / (rows[r] * columns[c])) for (r, c), k in both.items())


def counted(drawn: list[tuple[int, int]]) -> np.ndarray:
    return contingency(np.array([r for r, _ in drawn]), np.array([c for _, c in drawn]), (R, C))


@pytest.mark.parametrize("tie", [0.0, 0.5, 1.0])
def test_bits_are_those_of_loops_and_the_correction_takes_off_what_chance_gives(tie: float) -> None:
    drawn = pairs(3, tie)
    counts = counted(drawn)
    assert counts.tolist() == [[drawn.count((r, c)) for c in range(C)] for r in range(R)]
    bits, corrected = mutual_information(counts)
    cells = len(set(drawn)) - len({r for r, _ in drawn}) - len({c for _, c in drawn}) + 1
    assert bits == pytest.approx(slow_bits(drawn))
    assert corrected == pytest.approx(min(bits, max(0.0, bits - cells / (2 * N * math.log(2)))))


def test_what_has_nothing_to_do_with_each_other_shares_no_bits_on_average_after_the_correction() -> None:
    """As counted it seems to share (R-1)(C-1)/(2n ln 2) = 0.05 bits."""
    found = [mutual_information(counted(pairs(seed, 0.0))) for seed in range(200)]
    assert fmean(bits for bits, _ in found) > 0.035
    assert fmean(corrected for _, corrected in found) < 0.025


def test_bits_do_not_depend_on_which_is_the_row_nor_on_the_names() -> None:
    counts = counted(pairs(1, 0.4))
    turned = counts[np.ix_([2, 0, 3, 1], [1, 2, 0])].T
    assert mutual_information(turned) == pytest.approx(mutual_information(counts))
    assert mutual_information(np.zeros((R, C), dtype=np.int64)) == (0.0, 0.0)


def test_a_group_of_two_even_halves_could_tell_one_bit_and_one_of_nulls_none() -> None:
    even = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert possible_information(np.array([5, 5, 5, 5]), even) == pytest.approx(1)
    assert possible_information(np.array([5, 0, 5, 0]), even) == 0
    assert possible_information(np.array([5, 5, 5, 5]), np.full((4, 2), 0.5)) == pytest.approx(0, abs=1e-12)
    assert possible_information(np.zeros(4, dtype=np.int64), even) == 0


def test_what_could_be_told_is_what_true_answers_tell() -> None:
    classes, matrix = np.array([6, 3, 9]), np.array([[1.0, 0, 0], [0, 0, 1.0], [1.0, 0, 0]])
    drawn = [(k, int(matrix[k].argmax())) for k, n in enumerate(classes) for _ in range(n)]
    assert possible_information(classes, matrix) == pytest.approx(slow_bits(drawn))
