"""The HTTP API: it parses requests for one index, and shares one model among many clients."""
