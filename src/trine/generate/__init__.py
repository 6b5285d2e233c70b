"""generate: pictures -> latent space -> new pictures."""
