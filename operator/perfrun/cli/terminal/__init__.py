"""What commands write, and where: streams, tables, progress, files, exit codes."""
