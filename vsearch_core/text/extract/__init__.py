"""From a file's bytes to a `Document`: the registry of formats, and the tools that formats share."""
