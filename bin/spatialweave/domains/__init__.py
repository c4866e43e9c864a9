"""From embeddings to domains: clustering, the number of domains, refinement."""
