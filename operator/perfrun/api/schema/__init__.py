"""The CRDs and the field reference, generated from the models."""
