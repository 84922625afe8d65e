"""What people use instead of DreamNet, made small: the same faults under several supervisors."""
