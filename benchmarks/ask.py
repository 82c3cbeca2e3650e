"""Cost of choosing the next question of `treegen ask`: posterior and information gain of every question.

One process, random rules, all questions answered one after another. Goal: at most 10 ms of processor time for a
question with 1,000 classes and 100 groups.
"""

import argparse
import time

import numpy as np

from treegen.clip.questions import AnswerModel, Interview, Reply


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a question.")
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--options", type=int, default=8, help="of each group")
    args = parser.parse_args()
    random = np.random.default_rng(0)
    rules = random.integers(args.options, size=(args.classes, args.groups))
    matrix = np.eye(args.options, dtype=np.float32)[rules].reshape(args.classes, -1)
    sizes = (args.options,) * args.groups
    model = AnswerModel.of_person(matrix, sizes, 0.2)
    model.information_gain(np.full(args.classes, 1 / args.classes))  # the simulated interviews come before a question
    interview = Interview(model, model, np.full(args.classes, 1 / args.classes), threshold=2, least_gain=0)
    times = []
    while True:
        began = time.process_time()
        group = interview.next()
        if group is None:
            break
        interview.answer(Reply(group=group, option=int(random.integers(args.options))))
        times.append(1000 * (time.process_time() - began))
    size = f"{args.classes:,} classes x {args.groups} groups"
    print(f"{len(times)} questions: {np.median(times):.1f} ms (median), {max(times):.1f} ms (the slowest)")
    print(f"row: a question of `ask`, {size}: milliseconds, the slowest | {max(times):.1f} | at most 10")


if __name__ == "__main__":
    main()
