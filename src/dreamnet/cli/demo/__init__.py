"""The demonstration: real services, real load, the faults of production, and the story of each."""
