"""Classes of a file against those of a domain."""

from treegen.exchange.naming import match_classes


def test_only_spelling_is_forgiven_and_likeness_is_only_told() -> None:
    found = match_classes(["wren", "Blue_Tits", "robbin", "owl"], ["Robin", "Blue Tit", "Wren", "Finch"])
    assert found.names == {"wren": "Wren", "Blue_Tits": "Blue Tit", "robbin": "robbin", "owl": "owl"}
    assert found.renamed == (("wren", "Wren"), ("Blue_Tits", "Blue Tit"))
    assert found.unknown == (("robbin", "Robin"), ("owl", ""))
    assert found.missing == ("Robin", "Finch")


def test_a_spelling_that_two_classes_share_is_not_certain() -> None:
    found = match_classes(["wren", "WREN"], ["Wren", "Robin"])
    assert found.names == {"wren": "wren", "WREN": "WREN"}
    assert found.unknown == (("wren", "Wren"), ("WREN", "Wren"))


def test_without_a_domain_the_file_counts() -> None:
    found = match_classes(["b", "a"], None)
    assert (list(found.names), found.unknown, found.missing) == (["b", "a"], (), ())


def test_an_alias_of_the_domain_is_certain_unless_two_classes_claim_it() -> None:
    aliases = (("Robin", ("redbreast", "ruddock")), ("Wren", ("jenny",)))
    found = match_classes(["Redbreasts", "jenny"], ["Robin", "Wren"], aliases)
    assert found.names == {"Redbreasts": "Robin", "jenny": "Wren"}
    found = match_classes(["redbreast", "ruddock", "Wren", "jenny"], ["Robin", "Wren"], aliases)
    assert found.names == {name: name for name in ("redbreast", "ruddock", "Wren", "jenny")}
