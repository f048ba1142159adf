"""Named networks: their records, the namespaces that containers have in them, who is called what. Knows of containers only what
stands in the table ``container_networks``."""
