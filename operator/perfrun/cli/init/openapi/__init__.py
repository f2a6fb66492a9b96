"""A test from an OpenAPI or Swagger document."""
