"""Trees seen from outside: reports to read, comparisons, and predictions as tables for other tools."""
