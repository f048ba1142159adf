"""An OCI runtime on plain namespaces. Standard library only."""
