import pytest

from treegen.errors import InputError, ModelError, ProblemsError, TreegenError


@pytest.mark.parametrize(("kind", "code"), [(InputError, 2), (ProblemsError, 1), (ModelError, 3)])
def test_each_kind_of_error_has_the_exit_code_of_the_manual(kind: type[TreegenError], code: int) -> None:
    error = kind("what failed", "what to do")
    assert (error.exit_code, error.message, error.tip, str(error)) == (code, "what failed", "what to do", "what failed")
    assert (kind("what failed").tip, kind("what failed").code) == ("", "")
    assert kind("what failed", code="no-key").code == "no-key"
    assert isinstance(error, TreegenError)
