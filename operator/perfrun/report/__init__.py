"""Reports of finished runs, and the objects that contain them."""
