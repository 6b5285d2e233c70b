"""Log formats: from the text of a record to an event with time, entities and attributes."""
