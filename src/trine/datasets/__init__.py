"""Named data sets, and the reading of files that pictures and sequences share: archives, text lines, tables."""
