"""Coarse classes of values: what is unusual about a query, an argument or a user agent, and the size of a number."""
