"""`treegen schema`: the documents' schemas on stdout."""

import json

from tests.conftest import Run


def test_schema_prints_each_and_lists_all(run: Run) -> None:
    """`schema NAME` prints JSON on stdout, `schema` alone the names."""
    names = run("schema").out.split()
    assert names == ["domain", "score", "tree"]
    for name in names:
        assert json.loads(run("schema", name).out)["$id"] == f"urn:treegen:{name}:1"
    assert run("schema", "nonsense").code == 2
