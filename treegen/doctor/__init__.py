"""What of a machine treegen can use: keys, servers, encoders, GPU, terminal, git; and what to do about the rest."""

from treegen.doctor.examine import Examination, examine
from treegen.doctor.findings import Finding

__all__ = ["Examination", "Finding", "examine"]
