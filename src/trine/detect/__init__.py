"""detect: learns the normal order of events, and flags sequences that deviate from it."""
