"""Questions one at a time: what answers are worth, which question to ask next, and when to stop. NumPy alone."""

from treegen.clip.questions.answer_model import AnswerModel, entropy
from treegen.clip.questions.interview import Interview, Reply
from treegen.clip.questions.second_opinion import SecondOpinion
from treegen.clip.questions.simulation import Simulation, StopThreshold, fit_stop, random_answers, simulate

__all__ = [
    "AnswerModel",
    "Interview",
    "Reply",
    "SecondOpinion",
    "Simulation",
    "StopThreshold",
    "entropy",
    "fit_stop",
    "random_answers",
    "simulate",
]
