"""Which instance gets traffic: from readiness and policy to the gateway's route table."""
