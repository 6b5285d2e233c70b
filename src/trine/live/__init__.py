"""A detector at work: sources, durable state, findings, sinks."""
