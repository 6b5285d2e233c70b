"""Generate: pictures to a latent space, and new pictures from it."""
