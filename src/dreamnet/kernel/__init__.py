"""What every floor stands on: errors, clock, tasks, log, ids, the process environment."""
