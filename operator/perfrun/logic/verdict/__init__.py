"""What a run measured, against its objectives."""
