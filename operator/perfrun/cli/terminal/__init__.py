"""Output of commands: streams, tables, progress, files, exit codes."""
