"""Pictures of glitches, of scores and of embeddings, in scikit-learn's Display form."""

__all__: list[str] = []
