"""Event sequences, from lines of text to events to sessions."""
