"""page: results as one HTML file: chapters of figures, pictures and tables."""
