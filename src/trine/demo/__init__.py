"""demo: the three tasks on data that comes with the package, and one page with the results."""
