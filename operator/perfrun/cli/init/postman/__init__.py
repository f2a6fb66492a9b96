"""A test from a Postman collection."""
