"""Decision rules: turn the answers of the groups into class scores."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from treegen.clip.decisions.bayes import Bayes, prior_key
from treegen.clip.decisions.fixed import LogProduct, Maximum, Mean, SumRule, Vote
from treegen.clip.decisions.interface import DecisionRule, FittedRule, RuleInputs, fit
from treegen.clip.decisions.learnt import Gated, Temperature, Weighted
from treegen.config.settings import DecisionSettings
from treegen.errors import InputError
from treegen.text import did_you_mean

#: name -> rule, simpler ones first: of equally good rules, the first is chosen
RULES: Final[dict[str, DecisionRule]] = {
    rule.name: rule
    for rule in (Mean(), SumRule(), LogProduct(), Vote(), Maximum(), Weighted(), Temperature(), Gated(), Bayes())
}
_FREEZE: Final = "`treegen score TREE --rules all --freeze` writes them"
_POSITIVE: Final = frozenset({"temperature", "tree_scale", "name_scale"})
MEAN: Final = FittedRule(rule=RULES["mean"])

__all__ = ["MEAN", "RULES", "DecisionRule", "FittedRule", "RuleInputs", "decision_of", "fit", "rules_named"]


def decision_of(settings: DecisionSettings, encoder: str, learn: Callable[[DecisionRule], FittedRule]) -> FittedRule:
    """Return the domain's decision rule, ready to use.

    Args:
        settings: the domain's.
        encoder: fingerprint of the encoder in use; parameters learnt with another are not used.
        learn: fits a rule on the dev split; only called if the rule learns and has no usable parameters.

    Raises:
        InputError: the parameters are not those of the rule, or one is out of its range.
    """
    rule, priors = RULES[settings.rule], tuple((prior_key(name), weight) for name, weight in settings.priors)
    if priors and rule.name != "bayes":
        raise InputError(f"[decision] priors: the rule {rule.name} does not use them", 'rule = "bayes" does')
    given = {name for name, _ in settings.parameters}
    if given and rule.parameters != ("*",) and given != set(rule.parameters):
        wanted = ", ".join(rule.parameters) or "none"
        message = f"[decision] parameters: the rule {rule.name} takes {wanted}, found {', '.join(sorted(given))}"
        raise InputError(message, _FREEZE)
    for name, value in settings.parameters:
        weights = rule.parameters == ("*",)
        if value < 0 if weights else (value <= 0 and name in _POSITIVE):
            least = "at least 0" if weights else "above 0"
            message = f"[decision] parameters: {name} of the rule {rule.name} must be {least}, found {value:g}"
            raise InputError(message, _FREEZE)
    if not rule.parameters or (given and settings.encoder in ("", encoder)):
        return FittedRule(rule=rule, parameters=(*settings.parameters, *priors))
    learnt = learn(rule)
    return replace(learnt, parameters=(*learnt.parameters, *priors)) if priors else learnt


def rules_named(names: str) -> tuple[DecisionRule, ...]:
    """Return the rules of a list such as `sum,vote`, or `all`. The mean is always included, and first.

    Raises:
        InputError: there is no rule with that name.
    """
    wanted = list(RULES) if names.strip() == "all" else [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in RULES]
    if unknown or not wanted:
        hint = did_you_mean(unknown[0], tuple(RULES)) if unknown else ""
        message = f"there is no decision rule {', '.join(unknown)}{hint}" if unknown else "no decision rule is named"
        raise InputError(message, f"all, or some of {', '.join(RULES)}")
    return tuple(rule for name, rule in RULES.items() if name == "mean" or name in wanted)
