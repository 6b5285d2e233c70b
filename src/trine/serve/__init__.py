"""Models behind HTTP: the Open Inference Protocol, routes for people and programs, findings, runs, and a page."""
