"""Event sequences: from lines of text to events, from events to sessions and tables."""
