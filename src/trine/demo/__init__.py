"""demo: the three jobs on real data that comes with them, and one page that shows what came of it."""
