"""The command line: one file per command, one error boundary, data on stdout and everything else on stderr."""
