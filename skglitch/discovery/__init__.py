"""From embeddings to what is new, odd, mislabelled or alike."""

__all__: list[str] = []
