"""The CRDs and the field reference, made from the models."""
