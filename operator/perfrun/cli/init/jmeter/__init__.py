"""A test from a JMeter test plan (JMX)."""
