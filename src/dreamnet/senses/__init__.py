"""The senses look at the world and publish facts; they judge nothing."""
