"""The article's format and trees of treegen's own."""

import json

import pytest

from tests.conftest import TREE
from tests.exchange.conftest import ARTICLE, Write
from treegen.errors import ProblemsError
from treegen.exchange.article import article_comments, read_article, worded_note
from treegen.exchange.importing import make_tree
from treegen.exchange.sources import read_source
from treegen.tree.validation.problems import errors_of


def test_the_domain_comes_from_the_rules_key_and_words_become_indices(write: Write) -> None:
    article = read_article(read_source(write("a.md", ARTICLE)))
    assert article.domain == ("pond", "the file's key pond_rules")
    assert (article.data["rules"]["Swan"], article.worded) == ({"colour": 0, "legs": 1}, 1)
    assert worded_note(0) == ()


def test_each_contradicting_comment_is_listed_with_its_line(write: Write) -> None:
    """Lines as in the file, prose before the object counted; nothing is changed because of them."""
    report = make_tree(write("a.md", ARTICLE)).report
    assert report.contradictions == (
        'line 12: option 2 "green" of "colour" but the comment says 3',
        'line 20: "Swan" has option 0 in "colour", but the comment says "brown", which is option 1',
    )
    assert (report.comments.agreed, report.comments.unchecked) == (2, ((21, "as birds have"),))


def test_json_has_no_comments_even_if_a_text_looks_like_one(write: Write) -> None:
    source = read_source(write("a.json", TREE.replace("tiny", "tiny # 3")))
    assert article_comments(make_tree(source.path).tree, source).contradictions == ()


def test_a_tree_keeps_everything_but_digest_and_review(write: Write) -> None:
    data = {"$schema": "urn:treegen:tree:1", **json.loads(TREE), "digest": "sha256:" + "0" * 64}
    made = make_tree(write("a.json", data))
    assert (made.tree.domain, made.report.domain_from) == ("sketchbook", "the file's key domain")
    assert json.loads(TREE)["rules"] == {rule.name: dict(rule.answers) for rule in made.tree.rules}
    assert not errors_of(made.report.problems)


def test_what_has_not_the_types_of_a_tree_lists_all_problems(write: Write) -> None:
    bad = {"classification_groups": {"a": {"prompt": "x", "options": ["b", 5]}}, "rules": {"x": {"a": "z"}}, "more": 1}
    with pytest.raises(ProblemsError) as found:
        make_tree(write("a.json", bad))
    for told in ("/classification_groups/a/prompt", "/classification_groups/a/options/1", "/rules/x/a", '"more"'):
        assert told in found.value.message


def test_a_tree_with_errors_of_meaning_is_made_with_its_problems(write: Write) -> None:
    data = json.loads(TREE)
    data["rules"]["Ulvar"]["form"] = 70
    report = make_tree(write("a.json", data)).report
    assert [(p.code, p.pointer) for p in errors_of(report.problems)] == [("TG112", "/rules/Ulvar/form")]
    assert report.errors == 1
