"""What a run measured, compared with its objectives."""
