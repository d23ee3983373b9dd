"""What else can be learned from a finished run than its scores."""
