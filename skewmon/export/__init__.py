"""What is published: metrics, JSON, HTTP, the page."""
