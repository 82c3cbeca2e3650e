"""Problems of one kind are one sentence, which says what each of them says."""

from treegen.tree.validation.folding import fold
from treegen.tree.validation.problems import Problem


def test_rules_that_answer_nothing_are_not_called_missing() -> None:
    names = ("Wren", "Robin", "Newt", "Swan")
    empty = [Problem(code="TG201", pointer=f"/rules/{name}", message="answers nothing") for name in names]
    missing = [Problem(code="TG201", pointer="/rules", message="no rule", classes=(name,)) for name in "ABCD"]
    assert [problem.message for problem in fold([*empty, *missing])] == [
        '4 rules that answer nothing: "Wren", "Robin", "Newt", "Swan"; give their options in at least one group',
        '4 classes without a rule: "A", "B", "C", "D"; give their options in every group',
    ]
