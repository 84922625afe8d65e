"""Incidents: from symptom through remedy and proof to the end of the story."""
