"""What treegen can use on a machine: keys, servers, encoders, GPU, terminal, git; and how to fix the rest."""

from treegen.doctor.examine import Examination, examine
from treegen.doctor.findings import Finding

__all__ = ["Examination", "Finding", "examine"]
