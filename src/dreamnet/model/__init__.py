"""The nouns that all floors share; frozen values without behaviour that touches the world."""
