"""What locust runs: users in one file each, load shapes apart from them."""
