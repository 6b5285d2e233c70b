"""Named data sets, and what any set may use: fetching, archives, text lines, tables, the cache."""
