"""Classify: pictures to classes, with a convolutional network."""
