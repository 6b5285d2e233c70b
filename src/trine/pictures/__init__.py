"""Pictures: from files, archives, bytes or arrays to rows of 8-bit levels in a store."""
