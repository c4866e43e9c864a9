"""Per-modality preprocessing: counts to latents, sparse throughout."""
