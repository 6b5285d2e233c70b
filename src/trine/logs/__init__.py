"""Logs: from files to lines, from lines to events, from events to sessions, one line at a time."""
