"""Images: resolve, fetch, verify, unpack, tag; find, list, remove. The public face is :class:`.service.Images`."""
