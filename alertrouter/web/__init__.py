"""The HTTP side: webhooks, pages, API."""
