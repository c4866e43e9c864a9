"""Evidence without labels: which runs the data support, and what each modality adds."""
