"""The confusion matrix against a slow count."""

from random import Random

from treegen.clip.diagnosis.confusion import confusion_matrix


def test_counts_shares_errors_and_the_order_of_confusions() -> None:
    dice = Random(0)
    for classes in (1, 2, 7):
        labels = [dice.randrange(classes) for _ in range(40)]
        predictions = [dice.choice([label, dice.randrange(classes)]) for label in labels]
        pairs = [*zip(labels, predictions, strict=True)]
        matrix = confusion_matrix(labels, predictions)
        for true in range(classes + 1):
            n = labels.count(true)
            for predicted in range(classes):
                assert matrix.count(true, predicted) == pairs.count((true, predicted))
                assert matrix.share(true, predicted) == (pairs.count((true, predicted)) / n if n else None)
            assert matrix.errors[true] == sum(t != p and true in (t, p) for t, p in pairs)
        wrong = sorted({pair for pair in pairs if pair[0] != pair[1]}, key=lambda pair: (-pairs.count(pair), pair))
        assert matrix.confused == wrong
