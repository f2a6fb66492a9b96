"""When iterations start and when a run is over; it knows no protocol."""
