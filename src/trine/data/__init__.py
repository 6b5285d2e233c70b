"""Pictures and event sequences: read, checked, cached; the catalogue of named sets."""
