"""Work on more processes than one: trainings and searches on a Ray cluster, bulk work in a pool or on a cluster."""
