"""PerfTests: their checks, starts, history, trends and notifications."""
