"""The random-words control: the same prompts and rules with words that mean nothing here."""

from dataclasses import replace
from random import Random
from typing import Final

from treegen.tree.model import Tree

#: everyday words that name no colour, shape, animal, body part, size or place
WORDS: Final = tuple(
    """
    afternoon agreement answer argument balance bargain beginning benefit budget business calendar career chance
    chapter choice comfort command comment company concept contract courage credit culture custom debate decade
    decision degree delay demand design detail discount doubt duty economy effort election energy engine error
    event evidence example excuse export fact failure fashion favour fiction finance freedom friendship function
    future grammar guess habit history holiday honour hour humour idea import income industry insurance interest
    interview invoice journal journey justice knowledge language lecture lesson library licence logic loyalty
    luck management manner market marriage measure memory mercy message method minute mistake mood moment month
    music mystery nation notice number occasion offer opinion option order origin patience payment peace pension
    permission philosophy policy politics practice prayer price pride problem process profit programme progress
    promise proposal purpose quality quarrel question reason rebate receipt recipe record reform regret
    rehearsal remedy reply report request respect result reward rhythm rumour salary sample schedule science
    season secret sequel service session silence skill society speech statement strategy subject success summary
    surprise syllable system talent tariff tax teamwork theory thought timetable topic tradition traffic trial
    trust tuition union vacancy version victory visit vocabulary vote wage warranty week welfare wisdom witness
    worry year
    """.split()
)


def with_random_words(tree: Tree, seed: int) -> Tree:
    """The tree with every option replaced by a random word, different ones within a group.

    The word of an option depends on the seed, the group's name and the option's place only: after an edit of one
    group all other groups keep their words, so their embeddings come from the cache.
    """
    groups = []
    for group in tree.groups:
        words = list(WORDS)
        Random(f"{seed}/{group.name}").shuffle(words)
        rounds = range(-(-len(group.options) // len(words)))
        drawn = [word if r == 0 else f"{word} {words[r]}" for r in rounds for word in words][: len(group.options)]
        groups.append(replace(group, options=tuple(drawn)))
    return replace(tree, groups=tuple(groups))
