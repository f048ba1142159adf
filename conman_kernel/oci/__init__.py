"""OCI documents as values: references, digests, descriptors, manifests, configurations, runtime specs. Pure: no I/O."""
